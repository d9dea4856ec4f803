"""Reconciling: each archived message is there, in quarantine, missing, not there yet, or beyond what anybody knows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import msgspec
import pytest
from msgspec import Struct

from archiving import NOON_MS, MemoryPlace, message, writer
from loading import logins
from sofetch.archive.distinct import DistinctKeys
from sofetch.archive.place import HOUR_MS
from sofetch.errors import ConfigError
from sofetch.mask.identity import ledger_key
from sofetch.record import Message
from sofetch.settings import UnwrapSettings
from sofetch.testing import FakeClock
from sofetch.verify import DAY_MS, Missing, Range, Verification, VerifiedHour, gather, require_comparable

ALL = Range(NOON_MS - 40 * DAY_MS, NOON_MS + HOUR_MS, timeless=True)


class Held(Struct, frozen=True):
    messages: int
    quarantined: int


class MemoryLedger:
    """A ledger of these messages; those of ``refused`` are in quarantine."""

    def __init__(self, messages: Sequence[Message], refused: Sequence[Message] = ()) -> None:
        self._keys = {ledger_key(one): False for one in messages} | {ledger_key(one): True for one in refused}

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bool]:
        assert list(keys) == sorted(set(keys))
        return {key: self._keys[key] for key in keys if key in self._keys}

    def held(self, first: bytes, end: bytes) -> Held:
        found = [refused for key, refused in self._keys.items() if first <= key < end]
        return Held(len(found), sum(found))


def archive_of(*batches: tuple[int, Sequence[Message]]) -> MemoryPlace:
    """Batches, each with when it was archived; a writer each."""
    place = MemoryPlace()
    for archived_ms, messages in batches:
        archive, _ = writer(place, FakeClock(now_ms=archived_ms))
        archive.keep(messages)
        archive.close()
    return place


def verified(
    place: MemoryPlace, ledger: MemoryLedger, wanted: Range = ALL, *, oldest_ms: int = 0, most_keys: int = 10
) -> tuple[list[VerifiedHour], Missing]:
    with closing(gather(place, logins(), wanted).keys) as keys:
        verification = Verification(
            ledger, oldest_ms=oldest_ms, settled_ms=NOON_MS - 900_000, most_keys=most_keys, keys=keys
        )
        return list(verification.hours(wanted)), verification.missing


def sent(number: int, hours_ago: float) -> Message:
    return message(number, sent_ms=NOON_MS - int(hours_ago * HOUR_MS))


def test_each_message_counts_once_in_the_hour_it_was_sent_in_however_often_it_was_archived() -> None:
    first, second, later = sent(1, 5), sent(2, 5), sent(3, 2)
    place = archive_of((NOON_MS - 4 * HOUR_MS, [first, second]), (NOON_MS - HOUR_MS, [second, later, later]))
    found, missing = verified(place, MemoryLedger([first, later], refused=[second]))
    assert [(one.hour, one.sent, one.loaded, one.quarantined) for one in found] == [
        ("2026-11-26T07", 2, 1, 1),
        ("2026-11-26T10", 1, 1, 0),
    ]
    assert missing == Missing(messages=0, keys=[], first_archived=None, last_archived=None)


def test_what_is_missing_is_told_with_the_hours_of_the_archive_that_hold_it() -> None:
    gone = [sent(number, 6) for number in range(5)]
    there = sent(9, 6)
    place = archive_of((NOON_MS - 5 * HOUR_MS, [*gone[:3], there]), (NOON_MS - 3 * HOUR_MS, gone[2:]))
    [hour], missing = verified(place, MemoryLedger([there]), most_keys=2)
    assert (hour.sent, hour.loaded, hour.missing, hour.not_yet) == (6, 1, 5, 0)
    assert (missing.messages, missing.first_archived, missing.last_archived) == (5, "2026-11-26T07", "2026-11-26T09")
    assert missing.keys == sorted(ledger_key(one).hex() for one in gone)[:2]


def test_what_was_archived_a_moment_ago_is_not_there_yet_and_not_missing() -> None:
    old, in_hand, again = sent(1, 3), sent(2, 3), sent(3, 3)
    place = archive_of((NOON_MS - 2 * HOUR_MS, [old, again]), (NOON_MS - 60_000, [in_hand, again]))
    [hour], missing = verified(place, MemoryLedger([]))
    assert (hour.missing, hour.not_yet, missing.keys) == (1, 2, [ledger_key(old).hex()])


def test_hours_that_the_ledger_has_forgotten_are_not_known_and_nothing_of_them_is_missing() -> None:
    forgotten, lost = sent(1, 30), sent(2, 3)
    place = archive_of((NOON_MS - 29 * HOUR_MS, [forgotten]), (NOON_MS - 2 * HOUR_MS, [lost]))
    found, missing = verified(place, MemoryLedger([]), oldest_ms=NOON_MS - 12 * HOUR_MS)
    assert [(one.known, one.sent, one.missing) for one in found] == [(False, 1, 0), (True, 1, 1)]
    assert missing.messages == 1


def test_an_hour_that_the_archive_lacks_is_told_by_the_ledger() -> None:
    there, unarchived = sent(1, 3), sent(2, 2)
    found, missing = verified(archive_of((NOON_MS - 2 * HOUR_MS, [there])), MemoryLedger([there, unarchived]))
    assert [(one.sent, one.loaded, one.only_in_ledger) for one in found] == [(1, 1, 0), (0, 1, 1)]
    assert missing.messages == 0


def test_messages_without_a_sent_time_are_verified_too_unless_hours_are_chosen() -> None:
    timeless = message(1, sent_ms=None)
    place = archive_of((NOON_MS - 2 * HOUR_MS, [timeless]))
    [hour], missing = verified(place, MemoryLedger([]))
    assert (hour.hour, hour.missing, missing.messages) == ("unknown", 1, 1)
    assert verified(place, MemoryLedger([]), Range(NOON_MS - DAY_MS, NOON_MS))[0] == []


def test_without_an_archive_what_is_there_is_shown_and_nothing_is_claimed_to_be_sent() -> None:
    ledger = MemoryLedger([sent(1, 3)], refused=[sent(2, 3)])
    verification = Verification(ledger, oldest_ms=0, settled_ms=NOON_MS, most_keys=1, keys=None)
    [hour] = verification.hours(Range(NOON_MS - DAY_MS, NOON_MS))
    assert (hour.sent, hour.loaded, hour.quarantined, hour.missing, hour.only_in_ledger) == (None, 1, 1, 0, 0)


def test_rows_of_an_hour_stand_beside_its_messages_and_decide_nothing() -> None:
    first, second, forgotten, timeless = sent(1, 5), sent(2, 3), sent(3, 30), message(4, sent_ms=None)
    place = archive_of((NOON_MS - HOUR_MS, [first, second, forgotten, timeless]))
    at = {hours: (NOON_MS - hours * HOUR_MS) // HOUR_MS * HOUR_MS for hours in (30, 5, 4)}
    with closing(gather(place, logins(), ALL).keys) as keys:
        verification = Verification(
            MemoryLedger([first, second, timeless]),
            oldest_ms=NOON_MS - 12 * HOUR_MS,
            settled_ms=NOON_MS - 900_000,
            most_keys=10,
            keys=keys,
            rows={at[30]: 9, at[5]: 2, at[4]: 1},
        )
        found = list(verification.hours(ALL))
    assert [(one.known, one.loaded, one.rows) for one in found] == [
        (False, 0, None),
        (True, 1, 2),
        (True, 0, 1),
        (True, 1, 0),
        (True, 1, None),
    ]
    assert verification.missing.messages == 0


def test_keys_come_in_order_in_pages_and_without_end() -> None:
    messages = [sent(number, number % 7) for number in range(100)]
    place = archive_of((NOON_MS - HOUR_MS, messages[:60]), (NOON_MS - HOUR_MS, messages[40:]))
    with closing(gather(place, logins(), ALL).keys) as keys:
        pages = list(keys.between(0, 2**48 - 1, size=30))
        assert keys.extent() == (NOON_MS - 6 * HOUR_MS, NOON_MS)
    assert [len(page) for page in pages] == [30, 30, 30, 10]
    assert [one.key for page in pages for one in page] == sorted(map(ledger_key, messages))
    with closing(DistinctKeys()) as empty:
        assert empty.extent() is None


def test_files_of_another_dedupe_are_passed_over_by_name() -> None:
    place = MemoryPlace()
    archive, _ = writer(place, FakeClock(now_ms=NOON_MS), logins(dedupe="content"))
    archive.keep([sent(1, 3)])
    archive.close()
    gathered = gather(place, logins(), ALL)
    with closing(gathered.keys) as keys:
        assert keys.extent() is None
    assert gathered.passed_over == [name for name in place.files if name.endswith(".sfa")]


def test_where_the_ledger_has_other_keys_than_the_archive_it_is_refused() -> None:
    require_comparable(logins())
    with pytest.raises(ConfigError, match="dedupe"):
        require_comparable(logins(dedupe="content"))
    objects = msgspec.structs.replace(logins(), unwrap=UnwrapSettings(layers=["s3_objects"]))
    with pytest.raises(ConfigError, match="s3_objects"):
        require_comparable(objects)
