"""What every sink promises (``ports.Sink``), tried on the real one and on the one that users' tests get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest

from loading import count, login, login_rows, logins, names_of, open_sink, query, redelivered, rejection
from sofetch.load.postgres import PostgresSink
from sofetch.ports import Sink
from sofetch.record import Duplicate, Loaded, MaskedRecord, Reason, Refused, Rejected
from sofetch.testing import MemorySink


@dataclass
class Case:
    """A sink, others to the same place, and ways to look at it from outside."""

    sink: Sink
    another: Callable[[], Sink]
    poison: Callable[[MaskedRecord], None]
    rows: Callable[[], int]
    quarantined: Callable[[], int]


@pytest.fixture(params=["memory", "postgres"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "memory":
        memory = MemorySink()
        yield Case(
            sink=memory,
            another=lambda: memory,
            poison=lambda record: memory.refuse(record.message_id, Reason.CHECK_VIOLATION),
            rows=lambda: len(memory.rows),
            quarantined=lambda: len(memory.quarantine),
        )
        return
    yield from _postgres(request.getfixturevalue("database"))


def _postgres(dsn: str) -> Iterator[Case]:
    others: list[PostgresSink] = []

    def another() -> Sink:
        others.append(PostgresSink(logins(), dsn=dsn))
        return others[-1]

    def poison(record: MaskedRecord) -> None:
        query(dsn, "INSERT INTO poison VALUES (%s)", record.values[0])

    with open_sink(logins(), dsn) as sink:
        query(dsn, "CREATE TABLE poison (user_id text)")
        query(
            dsn,
            "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF EXISTS (SELECT 1 FROM public.poison AS p WHERE p.user_id = NEW.user_id) THEN"
            " RAISE check_violation USING CONSTRAINT = 'judge'; END IF; RETURN NEW; END $$",
        )
        query(dsn, "CREATE TRIGGER judge BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION judge()")
        yield Case(
            sink=sink,
            another=another,
            poison=poison,
            rows=lambda: count(dsn, "user_logins"),
            quarantined=lambda: count(dsn, "sofetch.quarantine"),
        )
        for other in others:
            other.close()


def test_each_message_given_gets_one_answer(case: Case) -> None:
    records, rejections = login_rows(20), [rejection() for _ in range(5)]
    results = case.sink.load(records, rejections)
    assert results[:20] == [Loaded(record.message_id) for record in records]
    assert results[20:] == [Rejected(one.message_id, one.reason, one.field) for one in rejections]
    assert (case.rows(), case.quarantined()) == (20, 5)


def test_what_is_loaded_is_a_duplicate_ever_after(case: Case) -> None:
    records = login_rows(5)
    case.sink.load(records, [])
    for _ in range(2):
        assert case.sink.load(redelivered(records), []) == [Duplicate(record.message_id) for record in records]
    assert case.rows() == 5


def test_what_is_quarantined_is_never_loaded_as_a_row(case: Case) -> None:
    refused = rejection()
    case.sink.load([], [refused])
    assert names_of(case.sink.load([login(key=refused.key)], [])) == ["Duplicate"]
    assert (case.rows(), case.quarantined()) == (0, 1)


def test_what_is_a_row_is_never_quarantined(case: Case) -> None:
    record = login()
    case.sink.load([record], [])
    assert names_of(case.sink.load([], [rejection(key=record.key)])) == ["Duplicate"]
    assert (case.rows(), case.quarantined()) == (1, 0)


def test_a_rejection_that_comes_again_is_rejected_again_and_stored_once(case: Case) -> None:
    refused = rejection()
    answers = [case.sink.load([], [refused]), case.sink.load([], [refused])]
    assert answers == [[Rejected(refused.message_id, refused.reason)]] * 2
    assert case.quarantined() == 1


def test_the_same_key_twice_in_a_batch_is_stored_once(case: Case) -> None:
    record = login()
    assert names_of(case.sink.load([record, login(key=record.key)], [])) == ["Loaded", "Duplicate"]
    assert case.rows() == 1


def test_a_refused_row_leaves_nothing_behind_and_can_be_quarantined(case: Case) -> None:
    good, bad = login("good"), login("bad")
    case.poison(bad)
    assert case.sink.load([good, bad], []) == [
        Loaded(good.message_id),
        Refused(bad.message_id, Reason.CHECK_VIOLATION),
    ]
    assert names_of(case.sink.load([], [rejection(key=bad.key)])) == ["Rejected"]
    assert (case.rows(), case.quarantined()) == (1, 1)


def test_two_that_load_the_same_at_once_store_it_once(case: Case) -> None:
    records, rejections = login_rows(100), [rejection() for _ in range(10)]
    sinks, barrier = [case.another(), case.another()], Barrier(2, timeout=60)

    def load(sink: Sink) -> list[str]:
        barrier.wait()
        return names_of(sink.load(redelivered(records), rejections))

    with ThreadPoolExecutor(2) as pool:
        names = Counter(name for answers in pool.map(load, sinks) for name in answers)
    assert names == {"Loaded": 100, "Duplicate": 100, "Rejected": 20}
    assert (case.rows(), case.quarantined()) == (100, 10)


def test_closing_is_idempotent(case: Case) -> None:
    case.sink.close()
    case.sink.close()
