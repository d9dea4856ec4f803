"""What the search for poison costs in calls to the server, at every share of bad rows. Calls are counted, not timed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from loading import count, login, login_rows, logins, open_sink, query
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load import one_by_one, poison
from sofetch.load.rows import RowWriter
from sofetch.record import MaskedRecord, Reason, Refused

SETUPS = {
    "check": ["ALTER TABLE user_logins ADD CONSTRAINT no_poison CHECK (user_id NOT LIKE 'poison%')"],
    "unique": ["CREATE UNIQUE INDEX ON user_logins (user_id)", "INSERT INTO user_logins (user_id) VALUES ('poison')"],
    "foreign key": [
        "CREATE TABLE users (id varchar PRIMARY KEY)",
        "INSERT INTO users SELECT 'good-' || n FROM generate_series(0, 5000) AS n",
        "ALTER TABLE user_logins ADD FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED",
    ],
    "trigger": [
        """CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.user_id LIKE 'poison%' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$""",
        "CREATE TRIGGER judge BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION judge()",
    ],
}
REASONS = {
    "check": Reason.CHECK_VIOLATION,
    "unique": Reason.UNIQUE_VIOLATION,
    "foreign key": Reason.FOREIGN_KEY_VIOLATION,
    "trigger": Reason.DATABASE_REFUSED_VALUE,
}
NAMES_NO_LINE = "foreign key"
# Most attempts to COPY, the plain ones before and after the search included, and most pipelines of single rows.
MOST = {0: (1, 0), 1: (6, 0), 5: (16, 4), 200: (16, 4), 1000: (16, 4)}
MOST_WITHOUT_LINE = {0: (1, 0), 1: (3, 4), 5: (3, 4), 200: (3, 4), 1000: (3, 4)}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts attempts to COPY rows and pipelines of single rows."""
    counted: Counter[str] = Counter()
    write, round_trip = RowWriter.write, one_by_one._round_trip

    def counted_write(*arguments: Any) -> Any:
        counted["copy"] += 1
        return write(*arguments)

    def counted_round_trip(*arguments: Any) -> Any:
        counted["pipeline"] += 1
        return round_trip(*arguments)

    monkeypatch.setattr(RowWriter, "write", counted_write)
    monkeypatch.setattr(one_by_one, "_round_trip", counted_round_trip)
    return counted


def batch(bad: int, *, of: int = 1000) -> list[MaskedRecord]:
    """Logins, ``bad`` of them poison, the same ones each time."""
    places = set(random.Random(bad).sample(range(of), bad))
    return [login("poison" if number in places else f"good-{number}") for number in range(of)]


@pytest.mark.slow
@pytest.mark.parametrize("bad", MOST)
@pytest.mark.parametrize("kind", SETUPS)
def test_the_search_takes_few_calls_and_finds_exactly_the_bad_rows(
    database: str, calls: Counter[str], kind: str, bad: int
) -> None:
    records = batch(bad)
    with open_sink(logins(), database) as sink:
        for statement in SETUPS[kind]:
            query(database, statement)
        before = count(database, "user_logins")
        results = sink.load(records, [])
    refused = {result.message_id: result.reason for result in results if isinstance(result, Refused)}
    assert refused == {it.message_id: REASONS[kind] for it in records if it.values[0] == "poison"}
    assert count(database, "user_logins") - before == 1000 - bad
    most_copies, most_pipelines = (MOST_WITHOUT_LINE if kind == NAMES_NO_LINE else MOST)[bad]
    assert calls["copy"] <= most_copies
    assert calls["pipeline"] <= most_pipelines


@pytest.mark.slow
def test_a_large_batch_is_halved_before_its_rows_are_tried_one_by_one(database: str, calls: Counter[str]) -> None:
    records = batch(3, of=5000)
    with open_sink(logins(), database) as sink:
        for statement in SETUPS[NAMES_NO_LINE]:
            query(database, statement)
        results = sink.load(records, [])
    assert sum(isinstance(result, Refused) for result in results) == 3
    assert calls["copy"] <= 20
    assert calls["pipeline"] <= 3 * 4


def test_of_equal_values_in_a_pipeline_the_first_is_taken_and_the_later_ones_are_not(database: str) -> None:
    """Rows are judged with the earlier good ones in place, however they are tried."""
    with open_sink(logins(), database) as sink:
        query(database, "CREATE UNIQUE INDEX ON user_logins (user_id)")
        results = sink.load([login(f"u{number % 20}") for number in range(100)], [])
    assert [type(result).__name__ for result in results] == ["Loaded"] * 20 + ["Refused"] * 80


def test_without_pipelines_halving_finds_the_same(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_by_one, "is_possible", lambda: False)
    records = batch(9, of=60)
    with open_sink(logins(), database) as sink:
        for statement in SETUPS["foreign key"]:
            query(database, statement)
        results = sink.load(records, [])
    refused = {result.message_id for result in results if isinstance(result, Refused)}
    assert refused == {it.message_id for it in records if it.values[0] == "poison"}


def test_what_is_no_rows_fault_in_a_pipeline_quarantines_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "MOST_GUIDED", 0)
    with open_sink(logins(), database) as sink:
        for statement in SETUPS["check"]:
            query(database, statement)
        query(
            database,
            """CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.user_id = 'u7' THEN RAISE 'disk' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$""",
        )
        query(database, "CREATE TRIGGER judge BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION judge()")
        with pytest.raises(SinkUnavailable):
            sink.load([login("poison"), *[login(f"u{number}") for number in range(10)]], [])
        assert count(database, "user_logins") == count(database, "sofetch.ledger") == 0
        query(database, "DROP TRIGGER judge ON user_logins")
        assert len(sink.load(login_rows(3), [])) == 3


def test_a_trigger_that_swallows_a_row_in_a_pipeline_ends_the_loading(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poison, "MOST_GUIDED", 0)
    with open_sink(logins(), database) as sink:
        for statement in SETUPS["check"]:
            query(database, statement)
        query(
            database,
            """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF NEW.user_id = 'u1' THEN RETURN NULL; END IF; RETURN NEW; END $$""",
        )
        query(database, "CREATE TRIGGER swallow BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION swallow()")
        with pytest.raises(SinkRefused, match="a trigger swallows rows"):
            sink.load([login("u0"), login("u1"), login("poison")], [])
    assert (count(database, "user_logins"), count(database, "sofetch.ledger")) == (0, 0)
