"""What every sink promises of rows that are written by key, tried on the real one and on the one for users' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loading import names_of, open_sink, query, row, settings_for
from sofetch.ports import Sink
from sofetch.record import Cell, MaskedRecord
from sofetch.settings import Settings
from sofetch.testing import MemorySink

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "required": True},
    {"name": "sent", "value": "sent_time", "type": "timestamp"},
    {"name": "state"},
]


@dataclass
class Case:
    """A sink, and the table behind it, sorted."""

    sink: Sink
    table: Callable[[], list[tuple[Cell, ...]]]


def settings(write: str) -> Settings:
    return settings_for(COLUMNS, table="profiles", write=write, key=["user_id"])


@pytest.fixture(params=["memory", "postgres"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Case]]:
    opened: list[Any] = []

    def made(write: str) -> Case:
        if request.param == "memory":
            memory = MemorySink(settings(write))
            return Case(memory, lambda: sorted(memory.table, key=str))
        dsn = request.getfixturevalue("database")
        opened.append(open_sink(settings(write), dsn))
        return Case(opened[-1].__enter__(), lambda: query(dsn, "SELECT * FROM profiles ORDER BY user_id"))

    yield made
    for one in opened:
        one.__exit__(None, None, None)


def sent(user: str, ms: int, state: str) -> MaskedRecord:
    key = (1_795_000_000_000 + ms).to_bytes(6, "big") + f"{user}{state}".encode().rjust(10)[:10]
    return row(user, EPOCH + timedelta(milliseconds=ms), state, key=key)


def cells(*records: MaskedRecord) -> list[tuple[Cell, ...]]:
    return [record.values for record in records]


def test_the_newest_stays_in_a_batch_and_over_batches(make: Callable[[str], Case]) -> None:
    case = make("upsert")
    old, new, other, newest = sent("a", 1, "old"), sent("a", 2, "new"), sent("b", 1, "x"), sent("a", 3, "newest")
    assert names_of(case.sink.load([new, old, other], [])) == ["Loaded", "Duplicate", "Loaded"]
    assert case.table() == cells(new, other)
    assert names_of(case.sink.load([sent("a", 0, "older"), newest], [])) == ["Duplicate", "Loaded"]
    assert case.table() == cells(newest, other)
    assert names_of(case.sink.load([old, newest], [])) == ["Duplicate", "Duplicate"]


def test_of_one_millisecond_the_same_stays_in_either_order(make: Callable[[str], Case]) -> None:
    case = make("upsert")
    rows = sent("a", 1, "x"), sent("a", 1, "y"), sent("b", 1, "y"), sent("b", 1, "x")
    for one in rows:
        case.sink.load([one], [])
    assert case.table() == cells(rows[1], rows[2])


def test_the_first_stays_where_later_ones_are_ignored(make: Callable[[str], Case]) -> None:
    case = make("insert_ignore")
    first, second = sent("a", 1, "first"), sent("a", 2, "second")
    assert names_of(case.sink.load([second, first], [])) == ["Duplicate", "Loaded"]
    assert names_of(case.sink.load([sent("a", 0, "late")], [])) == ["Duplicate"]
    assert case.table() == cells(first)
