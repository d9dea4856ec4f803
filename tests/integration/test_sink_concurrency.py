"""Two workers on the same messages: each message is loaded once, and neither waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest

from loading import count, login, login_rows, logins, names_of, open_sink, query, redelivered, rejection
from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.record import LoadResult, MaskedRecord

Arrange = Callable[[list[MaskedRecord]], list[MaskedRecord]]


def in_order(records: list[MaskedRecord]) -> list[MaskedRecord]:
    return records


def reversed_order(records: list[MaskedRecord]) -> list[MaskedRecord]:
    return records[::-1]


@pytest.mark.parametrize("arrange", [in_order, reversed_order])
def test_two_workers_with_the_same_messages_load_each_once(database: str, arrange: Arrange) -> None:
    settings, rounds = logins(), 15
    batches = [login_rows(200) for _ in range(rounds)]
    barrier = Barrier(2, timeout=60)

    def work(sink: PostgresSink, reorder: Arrange) -> list[str]:
        names: list[str] = []
        for batch in batches:
            barrier.wait()
            names += names_of(sink.load(reorder(redelivered(batch)), []))
        return names

    with open_sink(settings, database) as one, open_sink(settings, database) as other, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work, one, in_order), pool.submit(work, other, arrange)]
        names = [name for future in futures for name in future.result(timeout=120)]
    assert Counter(names) == {"Loaded": 200 * rounds, "Duplicate": 200 * rounds}
    assert count(database, "user_logins") == count(database, "sofetch.ledger") == 200 * rounds


def test_overlapping_batches_with_poison_and_a_unique_column_end_the_same_everywhere(database: str) -> None:
    """What the other worker loaded is a duplicate, never poison, although its row violates the unique index."""
    settings = logins()
    records = [login("poison" if n % 50 == 0 else f"user-{n}") for n in range(300)]
    barrier = Barrier(2, timeout=60)

    def work(sink: PostgresSink, part: Sequence[MaskedRecord]) -> list[LoadResult]:
        barrier.wait()
        results = sink.load(part, [])
        refused = {result.message_id for result in results if type(result).__name__ == "Refused"}
        sealed = [rejection(key=record.key) for record in part if record.message_id in refused]
        return sink.load([], sealed)

    apply_schema(settings, dsn=database)
    query(database, "CREATE UNIQUE INDEX ON user_logins (user_id)")
    query(database, "ALTER TABLE user_logins ADD CHECK (user_id <> 'poison')")
    with open_sink(settings, database) as one, open_sink(settings, database) as other, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work, one, records[:200]), pool.submit(work, other, redelivered(records[100:])[::-1])]
        for future in futures:
            future.result(timeout=120)
    assert count(database, "user_logins") == 294
    assert count(database, "sofetch.quarantine") == 6
    assert count(database, "sofetch.ledger") == 300


def test_a_worker_waits_for_another_that_is_taking_the_same_keys_and_takes_them_if_that_one_fails(
    database: str,
) -> None:
    settings, record = logins(), login()
    with open_sink(settings, database) as sink, psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute("INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", [record.key.hex()])
        future = pool.submit(sink.load, [record], [])
        _until_somebody_waits(database)
        other.rollback()
        assert names_of(future.result(timeout=60)) == ["Loaded"]
    assert count(database, "user_logins") == 1


def test_keys_are_taken_in_one_order_or_two_workers_would_wait_for_each_other(database: str) -> None:
    """A third holds the key in the middle until both are at work: in opposite orders each would hold what the other
    needs next.
    """
    settings, records = logins(), login_rows(20)
    apply_schema(settings, dsn=database)
    with (
        open_sink(settings, database) as one,
        open_sink(settings, database) as other,
        psycopg.connect(database) as holder,
        ThreadPoolExecutor(2) as pool,
    ):
        holder.execute("INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", [records[10].key.hex()])
        futures = [pool.submit(one.load, records, []), pool.submit(other.load, redelivered(records)[::-1], [])]
        _until_somebody_waits(database, how_many=2)
        holder.rollback()
        names = Counter(name for future in futures for name in names_of(future.result(timeout=60)))
    assert names == {"Loaded": 20, "Duplicate": 20}


def test_many_may_prepare_at_once(database: str) -> None:
    settings = logins()
    apply_schema(settings, dsn=database)
    barrier = Barrier(4, timeout=60)

    def start(_: int) -> Any:
        barrier.wait()
        with open_sink(settings, database, schema=False) as sink:
            return names_of(sink.load(login_rows(5), []))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [["Loaded"] * 5] * 4
    assert count(database, "sofetch.pipeline") == 1


def _until_somebody_waits(dsn: str, *, how_many: int = 1) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(2_000):
        if query(dsn, waiting) == [(how_many,)]:
            return
    raise AssertionError("nobody came to wait")
