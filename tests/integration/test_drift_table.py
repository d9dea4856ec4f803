"""Counts of drift in a real Postgres: they add up, and the table stays small."""

from __future__ import annotations

import pytest

from loading import logins, open_sink, query
from sofetch.errors import SinkRefused
from sofetch.load import drift as of_drift
from sofetch.load.drift import forget_drift, note_drift, read_drift
from sofetch.record import Drift, DriftKind

SETTINGS = logins()
TIER = Drift(DriftKind.UNKNOWN_FIELD, "tier")
LOCALE = Drift(DriftKind.MISSING_FIELD, "locale")


@pytest.fixture
def prepared(database: str) -> str:
    with open_sink(SETTINGS, database):
        return database


def test_counts_add_up_and_only_what_was_never_seen_is_new(prepared: str) -> None:
    assert note_drift(SETTINGS, {TIER: 2}, dsn=prepared) == [TIER]
    before = read_drift(SETTINGS, dsn=prepared)
    assert note_drift(SETTINGS, {LOCALE: 1, TIER: 3}, dsn=prepared) == [LOCALE]
    after = {(one.kind, one.field): one for one in read_drift(SETTINGS, dsn=prepared)}
    assert {key: one.messages for key, one in after.items()} == {
        ("unknown_field", "tier"): 5,
        ("missing_field", "locale"): 1,
    }
    tier = after["unknown_field", "tier"]
    assert before[0].first_seen == before[0].last_seen == tier.first_seen < tier.last_seen


def test_past_the_limit_new_fields_share_a_row_and_known_ones_keep_theirs(
    prepared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_drift, "MOST_FIELDS", 2)
    note_drift(SETTINGS, {Drift(DriftKind.UNKNOWN_FIELD, name): 1 for name in "abcd"}, dsn=prepared)
    note_drift(SETTINGS, {Drift(DriftKind.UNKNOWN_FIELD, name): 1 for name in "ae"} | {LOCALE: 1}, dsn=prepared)
    counts = query(prepared, "SELECT kind, field, messages FROM sofetch.drift ORDER BY 1, 2")
    assert counts == [
        ("missing_field", "locale", 1),
        ("unknown_field", "*", 3),
        ("unknown_field", "a", 2),
        ("unknown_field", "b", 1),
    ]


def test_fields_that_are_known_take_no_room_from_new_ones_written_with_them(
    prepared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_drift, "MOST_FIELDS", 3)
    known = {Drift(DriftKind.UNKNOWN_FIELD, name): 1 for name in "ab"}
    note_drift(SETTINGS, known, dsn=prepared)
    new = Drift(DriftKind.UNKNOWN_FIELD, "c")
    assert note_drift(SETTINGS, known | {new: 1}, dsn=prepared) == [new]


def test_what_is_forgotten_is_new_again_and_nothing_else_is_touched(prepared: str) -> None:
    note_drift(SETTINGS, {LOCALE: 1, TIER: 2}, dsn=prepared)
    query(
        prepared, "INSERT INTO sofetch.drift SELECT pipeline_id + 1, kind, field, 7 FROM sofetch.drift RETURNING kind"
    )
    assert [one.field for one in forget_drift(SETTINGS, ["unknown_field"], dsn=prepared)] == ["tier"]
    assert [one.field for one in read_drift(SETTINGS, dsn=prepared)] == ["locale"]
    assert query(prepared, "SELECT count(*) FROM sofetch.drift WHERE messages = 7") == [(2,)]
    assert note_drift(SETTINGS, {TIER: 3}, dsn=prepared) == [TIER]
    assert {one.field: one.messages for one in read_drift(SETTINGS, dsn=prepared)} == {"locale": 1, "tier": 3}


def test_without_the_schema_it_says_what_to_do(database: str) -> None:
    with pytest.raises(SinkRefused) as refused:
        note_drift(SETTINGS, {TIER: 1}, dsn=database)
    assert "sofetch schema" in (refused.value.hint or "")
