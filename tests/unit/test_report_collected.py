"""What the privacy report says of the column that [drift] collects into."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from loading import settings_for
from masking import K2, entry, message, ring
from reporting import groups, profile, report_of
from sofetch.decode import compile_decoder
from sofetch.mask import compile_masker
from sofetch.report import ColumnReport, Observer, PrivacyReport, html_page
from sofetch.report.collected import CollectedTally
from sofetch.report.words import headline, limits, summary
from sofetch.settings import DriftSettings

SETTINGS = replace(
    settings_for([{"name": "id"}, {"name": "extra", "type": "jsonb"}]),
    drift=DriftSettings(unknown_fields="collect", collect_into="extra"),
)
UNKNOWN: dict[str, Any] = {
    "tier": "gold", "visits": 12, "ok": True, "anna@example.org": "x",
    "items": [{"sku": "a", "card": 4111111111111111}],
    **{f"{'k' * (1 + at // 26)}{chr(97 + at % 26)}": at for at in range(80)},
}  # fmt: skip


def cells(*documents: dict[str, Any], keys: Any = None) -> list[str]:
    """What the masker makes of these unknown fields."""
    decoded = compile_decoder(SETTINGS)([message(json.dumps({"id": "1"} | one).encode()) for one in documents])
    masked = compile_masker(SETTINGS, keys or ring()).mask(decoded.records)
    found = [record.values[1] for record in masked.records]
    return [cell.decode() for cell in found if isinstance(cell, bytes)]


def made(texts: Sequence[str], *, rows: int = 100) -> PrivacyReport:
    counted = profile({"id": groups(*[10] * 10), "extra": groups(*[1] * len(texts))}, rows=rows)
    return report_of(SETTINGS, counted, {"id": ["1"] * 10, "extra": texts})


def extra(report: PrivacyReport) -> ColumnReport:
    return next(column for column in report.columns if column.name == "extra")


def test_what_the_masker_collects_is_told_as_such_with_its_key_and_its_limits() -> None:
    texts = cells(UNKNOWN, {"tier": "silver"})
    column = extra(report := made(texts))
    assert (column.scheme, column.source) == ("collected", "fields that no column reads")
    assert column.collected is not None
    assert column.collected.kids == {"k1": column.collected.tokens}
    assert (column.collected.documents, column.collected.strangers, column.token_share) == (2, 0, 1.0)
    assert column.verdict.severity == "warning"
    for words in ("collects fields that no column reads", "keyed token of key k1", "plain names of fields"):
        assert words in column.verdict.what
    assert "[[column]]" in column.verdict.hint
    page = html_page(report)
    for said in ("extra: it collects", "rotation renews none", "mode randomise", "from fields that no column reads"):
        assert said in page
    assert all(value not in page + repr(report) for value in ("gold", "silver", "u1.k1.", "tier", "visits"))


def test_it_is_counted_neither_among_the_masked_nor_together_with_what_is_in_the_clear() -> None:
    report = made(cells(UNKNOWN))
    assert "0 of them masked" in summary(report)[0]
    assert "extra" not in "".join(summary(report)[:1])
    assert not any("cannot read what is masked" in said for said in summary(report))
    observer = Observer(SETTINGS)
    assert observer.combine(profile({"id": groups(*[10] * 10), "extra": groups(*[1] * 100)}).columns) == ["id"]
    assert observer.left_out == []
    assert report.values_seen == 11


def test_two_keys_are_told_since_nothing_renews_the_older_tokens() -> None:
    both = [*cells({"tier": "gold"}), *cells({"tier": "gold"}, keys=ring(entry("k2", K2)))]
    column = extra(made(both))
    assert column.collected is not None
    assert list(column.collected.kids.values()) == [1, 1]
    assert f"of keys {' and '.join(column.collected.kids)}, between which" in column.verdict.what


@pytest.mark.parametrize(
    "stranger",
    [
        '{"tier": "anna"}',
        '{"a": [{"b": "h1.k1.' + "0a" * 20 + '"}]}',
        '{"anna@example.org": 1}',
        '{"card": 4111111111111111}',
        '{"postcode": 90210}',
        '{"lat": 52.52}',
        '{"is_pregnant": true}',
        '["anna"]',
        '"anna"',
        '{"tier": "u1.k1.' + "0a" * 20 + '", "cut of',
    ],
)
def test_what_no_masker_collects_must_be_deleted_and_is_not_shown(stranger: str) -> None:
    report = made([*cells(UNKNOWN), stranger])
    [column] = report.errors
    assert column.collected is not None
    assert (column.name, column.collected.strangers) == ("extra", 1)
    assert "nothing that is collected" in column.verdict.what
    assert headline(report).severity == "error"
    assert "anna" not in html_page(report) + repr(report)


def test_a_column_without_a_document_is_fine_and_its_limits_are_told_all_the_same() -> None:
    report = made([])
    assert extra(report).verdict.severity == "ok"
    assert "holds none yet" in extra(report).verdict.what
    assert "a rotation renews none" in limits(report)[-1]
    assert "rotation renews none" not in html_page(report_of(settings_for([{"name": "id"}]), profile({}), {}))
    assert "empty" in extra(made([], rows=0)).verdict.what


def test_a_document_too_deep_to_look_through_is_a_stranger_wherever_the_interpreter_gives_up() -> None:
    tally = CollectedTally()
    depths = range(900, 1_100, 2)  # on some of them it can be parsed, and not be looked through
    for depth in depths:
        tally.look('{"a":' * depth + '"Anna"' + "}" * depth)
    found = tally.collected()
    assert (found.documents, found.strangers) == (len(depths), len(depths))
