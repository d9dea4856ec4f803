"""The audit chain finds every change, and names the row."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import K2, entry, ring
from sofetch.errors import ConfigError, KeyringError
from sofetch.governance.audit import (
    AuditEntry,
    AuditKeys,
    AuditRow,
    Head,
    Verdict,
    detail_text,
    next_row,
    parse_head,
    verify_chain,
)

KEYS = AuditKeys(ring())
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def act(number: int) -> AuditEntry:
    return AuditEntry(
        actor="ana", action="recover", purpose=f"why {number}", ticket=f"T-{number}", detail={"count": number}
    )


def chain(length: int, *, keys: AuditKeys = KEYS) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(length):
        last = rows[-1].head if rows else Head()
        rows.append(next_row(act(number), last=last, at=NOON + timedelta(seconds=number), role="r", keys=keys))
    return rows


def changed(row: AuditRow, **changes: object) -> AuditRow:
    return AuditRow(**({name: getattr(row, name) for name in row.__struct_fields__} | changes))


def faults(rows: list[AuditRow], *, expected: Head | None = None) -> list[tuple[str, int]]:
    return [(fault.code, fault.seq) for fault in check(rows, expected=expected).faults]


def check(rows: list[AuditRow], *, expected: Head | None = None) -> Verdict:
    return verify_chain(sorted(rows, key=lambda row: row.seq), keys=KEYS, expected=expected)


def test_a_chain_as_it_was_written_has_no_fault() -> None:
    rows = chain(5)
    verdict = check(rows, expected=rows[2].head)
    assert (verdict.rows, verdict.head, verdict.faults) == (5, rows[-1].head, [])


def test_an_empty_chain_has_no_fault() -> None:
    assert check([]).faults == []
    assert check([], expected=Head()).faults == []


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "bob"},
        {"action": "look"},
        {"purpose": "other"},
        {"ticket": "T-9"},
        {"at": NOON + timedelta(microseconds=1)},
        {"detail": {"count": 3, "database_role": "r"}},
        {"detail": {"count": 2.0, "database_role": "r"}},
        {"digest": bytes(32)},
        {"previous": bytes(32)},
        {"actor": "anarecover", "action": ""},
    ],
    ids=str,
)
def test_any_change_of_a_row_is_found_and_the_row_named(change: dict[str, object]) -> None:
    rows = chain(5)
    rows[2] = changed(rows[2], **change)
    assert faults(rows) == [("altered", 3)]


def test_a_row_whose_key_is_said_to_be_another_is_found() -> None:
    rows = chain(3)
    rows[1] = changed(rows[1], kid="k9")
    assert faults(rows) == [("unverifiable", 2)]


def test_equal_details_are_equal_however_a_database_orders_them() -> None:
    rows = chain(1)
    assert isinstance(rows[0].detail, dict)
    rows[0] = changed(rows[0], detail=dict(reversed(rows[0].detail.items())))
    assert faults(rows) == []
    assert detail_text({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'


@pytest.mark.parametrize(("gone", "expected"), [(0, ("removed", 1)), (2, ("removed", 3))])
def test_a_removed_row_is_found(gone: int, expected: tuple[str, int]) -> None:
    rows = chain(5)
    del rows[gone]
    assert faults(rows) == [expected]


def test_a_run_of_removed_rows_is_told_as_one() -> None:
    rows = chain(9)
    assert [fault.what for fault in check(rows[:3] + rows[6:]).faults] == ["rows 4 to 6 are missing"]


def test_rows_that_close_up_over_a_removed_one_are_found() -> None:
    rows = chain(4)
    closed = [*rows[:1], changed(rows[2], seq=2), changed(rows[3], seq=3)]
    assert {seq for _, seq in faults(closed)} == {2, 3}


def test_rows_that_changed_places_are_told_with_their_home() -> None:
    rows = chain(5)
    rows[1], rows[3] = changed(rows[3], seq=2), changed(rows[1], seq=4)
    assert faults(rows) == [("reordered", 2), ("reordered", 4)]
    assert "was written as row 4" in check(rows).faults[0].what


def test_a_cut_off_end_is_found_only_against_a_noted_head() -> None:
    rows = chain(5)
    assert faults(rows[:3]) == []
    assert faults(rows[:3], expected=rows[4].head) == [("truncated", 4)]
    assert faults([], expected=rows[4].head) == [("truncated", 1)]


def test_a_cut_off_end_that_was_written_anew_is_found_against_a_noted_head() -> None:
    rows = chain(3)
    forked = [*rows[:2], next_row(act(77), last=rows[1].head, at=NOON, role="r", keys=KEYS)]
    assert faults(forked) == []
    assert faults(forked, expected=rows[2].head) == [("altered", 3)]


def test_a_sound_row_after_another_than_it_names_is_found() -> None:
    rows, other = chain(3), next_row(act(77), last=chain(1)[0].head, at=NOON, role="r", keys=KEYS)
    assert faults([rows[0], other, rows[2]]) == [("unlinked", 3)]


def test_another_key_cannot_write_a_row() -> None:
    stranger = AuditKeys(ring(entry("k1", K2)))
    assert faults(chain(2, keys=stranger)) == [("altered", 1), ("altered", 2)]


def test_rows_of_an_older_key_verify_while_the_ring_keeps_it_and_not_once_it_is_destroyed() -> None:
    rows = chain(2)
    rotated = AuditKeys(ring(entry(status="active"), entry("k2", K2)))
    rows.append(next_row(act(3), last=rows[-1].head, at=NOON, role="r", keys=rotated))
    assert rows[-1].kid == "k2"
    assert verify_chain(rows, keys=rotated).faults == []
    destroyed = AuditKeys(ring(entry(material=None, status="destroyed"), entry("k2", K2)))
    assert [fault.code for fault in verify_chain(rows, keys=destroyed).faults] == ["unverifiable", "unverifiable"]


@given(length=st.integers(2, 12), seed=st.integers(0, 2**32), kind=st.sampled_from(["drop", "swap", "edit"]))
def test_no_single_change_before_the_end_goes_unseen(length: int, seed: int, kind: str) -> None:
    rows, dice = chain(length), random.Random(seed)
    at = dice.randrange(length - 1)
    changes: dict[str, Callable[[], object]] = {
        "drop": lambda: rows.pop(at),
        "swap": lambda: rows.__setitem__(
            slice(at, at + 2), [changed(rows[at + 1], seq=at + 1), changed(rows[at], seq=at + 2)]
        ),
        "edit": lambda: rows.__setitem__(at, changed(rows[at], ticket="T-x")),
    }
    changes[kind]()
    assert at + 1 in {seq for _, seq in faults(rows)}


def test_fingerprints_tell_kinds_and_keys_apart_and_hold_nothing_of_the_text() -> None:
    both = AuditKeys(ring(entry(status="active"), entry("k2", K2)))
    one = KEYS.fingerprint("token", "h1.k1.aa")
    assert one == KEYS.fingerprint("token", "h1.k1.aa") != KEYS.fingerprint("subject", "h1.k1.aa")
    assert one in both.fingerprints("token", "h1.k1.aa")
    assert len(both.fingerprints("token", "h1.k1.aa")) == 2


def test_a_head_is_read_as_it_is_written_and_anything_else_refused() -> None:
    head = chain(2)[-1].head
    assert parse_head(str(head)) == head
    for text in ("", "3", "3:", f"x:{'0' * 64}", f"3:{'0' * 63}", f"-1:{'0' * 64}"):
        with pytest.raises(ConfigError):
            parse_head(text)


def test_a_digest_under_a_key_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyringError):
        KEYS.digest(changed(chain(1)[0], kid="zz"))
