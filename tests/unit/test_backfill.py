"""A backfill's own decisions: what goes into one transaction, and what the ledger may have forgotten."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiving import KEY, NOON_MS, MemoryPlace, message, writer
from loading import logins
from sofetch.archive.reading import hours
from sofetch.backfill import DAY_MS, Memory, archived, gathered, selected
from sofetch.errors import ConfigError
from sofetch.load.remembering import Remembered
from sofetch.mask.identity import ledger_key
from sofetch.record import FIRST_KEY_ATTRIBUTE, Message
from sofetch.settings import BatchSettings
from sofetch.source.jsonl import LinesFile
from sofetch.testing import FakeClock

THERE = Remembered(now_ms=NOON_MS)
SMALL = msgspec.structs.replace(logins(), batch=BatchSettings(max_messages=3, max_batch_bytes=1_024))


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 600)), max_size=6), max_size=6))
def test_batches_keep_the_order_and_the_limits_and_hold_no_message_twice(frames: list[list[tuple[int, int]]]) -> None:
    given_frames = [[message(number, b"x" * size) for number, size in frame] for frame in frames]
    batches = list(gathered(given_frames, SMALL))
    assert [one.id for batch in batches for one in batch] == [one.id for frame in given_frames for one in frame]
    for batch in batches:
        assert 0 < len(batch) <= 3
        assert len({one.id for one in batch}) == len(batch)
        assert sum(len(one.body) for one in batch[:-1]) < 1_024


def test_what_is_older_than_the_ledger_keeps_is_forgotten_to_the_day() -> None:
    settings = logins(ledger_days=35)
    memory = Memory(settings, THERE)
    oldest = (NOON_MS // DAY_MS - 35) * DAY_MS
    assert not memory.forgot(message(1, sent_ms=oldest))
    assert memory.forgot(message(1, sent_ms=oldest - 1))
    assert not memory.forgot(message(1, sent_ms=None))
    redriven = Message(
        id="m",
        body=b"{}",
        queue="q",
        sent_ms=NOON_MS,
        received_ms=NOON_MS,
        attributes={FIRST_KEY_ATTRIBUTE: ledger_key(message(1, sent_ms=oldest - 1)).hex()},
    )
    assert memory.forgot(redriven)


def test_by_content_the_ledger_knows_what_it_saw_lately_whenever_that_was_sent() -> None:
    memory = Memory(logins(dedupe="content", ledger_days=35), THERE)
    assert not memory.forgot(message(1, sent_ms=1))
    assert memory.forgot(Message(id="m", body=b"", queue="q", sent_ms=1, received_ms=memory.oldest_ms - 1))


def test_what_was_forgotten_before_more_was_to_be_kept_stays_forgotten() -> None:
    memory = Memory(logins(ledger_days=60), Remembered(now_ms=NOON_MS, forgotten_before=date(2026, 10, 22)))
    first = int(datetime(2026, 10, 22, tzinfo=UTC).timestamp() * 1_000)
    assert memory.forgot(message(1, sent_ms=first - 1))
    assert not memory.forgot(message(1, sent_ms=first))
    assert memory.first_hour() == "2026-10-22T00"


def archive_of(*days_ago: int) -> MemoryPlace:
    place = MemoryPlace()
    for number, days in enumerate(days_ago):
        clock = FakeClock(now_ms=NOON_MS - days * DAY_MS)
        archive, _ = writer(place, clock)
        archive.keep([message(number, sent_ms=clock.now_ms())])
        archive.close()
    return place


def test_hours_that_the_ledger_has_wholly_forgotten_are_refused_with_where_to_begin() -> None:
    place, settings = archive_of(50, 40, 3), logins(ledger_days=35)
    memory = Memory(settings, THERE)
    with pytest.raises(ConfigError, match="2026-10-07T12 to 2026-10-17T12") as caught:
        memory.require_recent(list(hours(place, "user_logins")))
    assert "--from 2026-10-22T00" in caught.value.hint
    assert "--force" in caught.value.hint
    memory.require_recent(selected(settings, place, first="2026-10-22T00", last=None))


def test_hours_are_chosen_by_their_bounds_and_read_in_order() -> None:
    place, settings = archive_of(1, 3, 2), logins()
    found = selected(settings, place, first="2026-11-23T12", last="2026-11-24T23")
    read = [(hour, one.id) for hour, batch in archived(settings, place, found, keys=[KEY]) for one in batch]
    assert read == [("2026-11-23T12", message(1).id), ("2026-11-24T12", message(2).id)]
    with pytest.raises(ConfigError, match="nothing of pipeline user_logins"):
        selected(settings, place, first="2026-11-27T00", last=None)


def lines_of(path: Path, *, sent_ms: int | None = None) -> LinesFile:
    return LinesFile(path, queue="q", sent_ms=sent_ms, received_ms=NOON_MS, max_bytes=100)


def test_a_line_is_known_by_the_content_and_its_number_wherever_the_file_is(tmp_path: Path) -> None:
    plain, packed, other = tmp_path / "a.jsonl", tmp_path / "b.gz", tmp_path / "c.jsonl"
    plain.write_bytes(b'{"a": 1}\n\n{"a": 1}\r\n' + b"x" * 200)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    other.write_bytes(plain.read_bytes() + b"\n{}")
    first, again = lines_of(plain), list(lines_of(packed, sent_ms=NOON_MS).messages())
    messages = list(first.messages())
    assert [one.body for one in messages] == [b'{"a": 1}', b'{"a": 1}']
    assert first.too_long == [4]
    keys = [ledger_key(one) for one in messages]
    assert len(set(keys)) == 2
    assert [key[:6] for key in keys] == [bytes(6)] * 2  # a key without a time is never dropped
    assert [ledger_key(one) for one in again] == keys
    assert {ledger_key(one) for one in lines_of(other).messages()}.isdisjoint(keys)


def test_a_file_that_cannot_be_read_or_is_cut_off_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 999)[:-9])
    with pytest.raises(ConfigError, match="damaged or cut off"):
        next(lines_of(tmp_path / "cut.gz").messages())
    with pytest.raises(ConfigError, match="cannot be read"):
        next(lines_of(tmp_path / "none").messages())
