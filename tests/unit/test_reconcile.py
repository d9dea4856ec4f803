"""Messages, configuration and table held against one another, without any of the three being there."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from loading import settings_for
from sofetch.load.setup.layout import ColumnThere, Fault, Layout
from sofetch.reconcile import Comparison, Difference, Sample, compare, look_at
from sofetch.record import Message, Reason, Rejection
from sofetch.settings import DriftSettings, Settings

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "type": "int", "required": True},
    {"name": "city", "from": "place.city"},
    {"name": "first_tag", "from": "tags[0]"},
    {"name": "day", "type": "date", "value": "sent_date"},
]
FITTING = {"id": 1, "place": {"city": "Riga"}, "tags": ["a"]}


def message(body: object) -> Message:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(id="m", body=text, queue="q", sent_ms=0, received_ms=0)


def sampled(*bodies: object, settings: Settings | None = None, unopened: tuple[Rejection, ...] = ()) -> Sample:
    return look_at([message(body) for body in bodies], settings or settings_for(COLUMNS), unopened=unopened)


def compared(*bodies: object, ignored: tuple[str, ...] = (), **drift: Any) -> Comparison:
    settings = settings_for(COLUMNS)
    settings = msgspec.structs.replace(settings, drift=DriftSettings(**drift))
    return compare(settings, sampled(*bodies, settings=settings), None, ignored=ignored)


def only(comparison: Comparison) -> Difference:
    [difference] = comparison.differences
    return difference


def test_messages_that_the_configuration_reads_whole_agree_with_it() -> None:
    found = compared(FITTING, FITTING)
    assert (found.agree, found.messages, found.documents, found.refused) == (True, 2, 2, 0)


def test_each_columns_values_are_counted_by_sort_wherever_its_path_leads() -> None:
    seen = sampled(FITTING, {"id": 2, "place": {"city": 7}, "tags": []}, {"id": 3, "place": None}).columns
    assert seen["id"].sorts == {"int": 3}
    assert (seen["city"].present, seen["city"].sorts) == (2, {"text": 1, "int": 1})
    assert seen["first_tag"].present == 1
    assert "day" not in seen  # the envelope's


def test_a_field_that_no_column_reads_comes_with_a_column_that_would_and_is_not_required() -> None:
    found = only(compared(FITTING, FITTING | {"plan": "gold"}))
    assert (found.severity, found.code, found.field) == ("warning", "field_unread", "plan")
    assert "1 of 2 messages have it" in found.what
    assert found.toml is not None
    assert '[[column]]\nname = "plan"' in found.toml
    assert "required" not in found.toml


def test_a_field_that_looks_personal_is_proposed_under_a_mask() -> None:
    found = only(compared(FITTING | {"contact": {"email": "canary@example.org"}}))
    assert found.toml is not None
    assert 'mask = "token"' in found.toml
    assert 'kind = "email"' in found.toml
    assert "canary" not in found.toml


def test_a_document_is_not_proposed_whole_where_a_column_masks_a_part_of_it() -> None:
    masked = settings_for([{"name": "sku", "from": "lines[0].sku", "mask": "token", "domain": "sku"}])
    lines = {"lines": [{"sku": "s1", "pieces": 2}, {"sku": "s2"}], "other": [1, 2]}
    by_name = {one.name: one for one in sampled(lines, settings=masked).unread}
    assert (by_name["lines"].column, by_name["lines"].toml) == (None, None)
    assert "masks a part" in by_name["lines"].why
    assert by_name["other"].column is not None


def test_a_proposed_column_takes_no_name_that_is_taken() -> None:
    [unread] = sampled(FITTING | {"day": "monday"}).unread
    assert unread.column is not None
    assert (unread.column.name, unread.column.from_) == ("day_2", "day")


@pytest.mark.parametrize("key", ["ann@example.org", "+49 30 1234567", "line2address", "78d5"])
def test_a_name_that_is_no_plain_word_is_not_shown(key: str) -> None:
    comparison = compared(FITTING | {key: {"x": "y"}}, FITTING | {"info": {key: 1}})
    assert key not in json.dumps(msgspec.to_builtins(comparison))
    assert [(one.code, one.field) for one in comparison.differences if one.field != "info"] == [("field_unread", None)]
    assert compared(FITTING | {key: {"x": "y"}}, ignored=("?",)).agree


def test_what_is_too_much_to_list_is_counted_and_neither_agrees_nor_hides_the_odd_names() -> None:
    many = {f"{first}{second}_field": 1 for first in "abcdefghijk" for second in "abcdefghijk"}
    found = compared(FITTING | many | {"ann@example.org": 1})
    assert [(one.code, one.field) for one in found.differences[100:]] == [
        ("field_unread", None),
        ("fields_unlisted", None),
    ]
    assert "21 more" in found.differences[-1].what
    listed = tuple(one.field or "?" for one in found.differences[:101])
    assert only(compared(FITTING | many, ignored=listed)).code == "fields_unlisted"


@pytest.mark.parametrize(
    ("policy", "becomes"),
    [
        ("ignore", "left out"),
        ("warn", "left out and counted"),
        ("quarantine", "go to quarantine"),
        ("collect", "collected"),
    ],
)
def test_what_becomes_of_an_unread_field_is_the_policys_to_say(policy: str, becomes: str) -> None:
    found = [one for one in compared(FITTING | {"plan": 1}, unknown_fields=policy).differences if one.field == "plan"]
    assert becomes in only_of(found).what


def only_of(found: list[Difference]) -> Difference:
    [difference] = found
    return difference


def test_what_the_decoder_refuses_is_counted_by_its_reason_and_column() -> None:
    found = compared(FITTING, FITTING | {"id": "1"}, FITTING | {"id": "2"}, {"place": {}}, b"no json")
    told = {(one.column, one.verdict) for one in found.differences if one.code == "messages_refused"}
    assert told == {("id", "2 refused: wrong_type"), ("id", "1 refused: missing_field"), (None, "1 refused: not_json")}
    assert found.refused == 4
    assert all(one.severity == "error" for one in found.differences)


def test_values_that_are_lost_since_their_type_changed_are_a_warning_of_the_column() -> None:
    lost = FITTING | {"place": {"city": 7}}
    found = compared(FITTING, lost, lost, lost | {"id": "x"}, type_changes="null")
    assert [(one.severity, one.column, one.verdict) for one in found.differences] == [
        ("error", "id", "1 refused: wrong_type"),
        ("warning", "city", "2 lost: another type"),
    ]
    assert "of 4 messages" in found.differences[1].what
    assert found.refused == 1


def test_a_type_that_takes_what_was_seen_is_proposed_for_a_refused_column() -> None:
    found = only(compared(FITTING | {"id": 2**31}, FITTING))
    assert found.toml is not None
    assert 'type = "bigint"' in found.toml
    lost = only(compared(FITTING | {"place": {"city": 7}}, type_changes="null"))
    assert lost.toml is not None
    assert 'type = "int"  # now text' in lost.toml


def test_no_type_is_proposed_where_producers_are_of_two_minds() -> None:
    assert only(compared(FITTING | {"id": "one"}, FITTING)).toml is None


def test_what_could_not_be_opened_is_refused_too() -> None:
    rejection = Rejection(message(b"x"), Reason.NOT_AN_ENVELOPE)
    sample = sampled(FITTING, unopened=(rejection,))
    assert (sample.messages, sample.refused_messages) == (2, 1)
    assert only(compare(settings_for(COLUMNS), sample, None)).verdict == "1 refused: not_an_envelope"


def test_a_column_that_no_message_has_is_a_warning_and_one_that_some_have_is_none() -> None:
    assert compared(FITTING, {"id": 2, "place": {"city": "Bonn"}}).agree
    found = only(compared({"id": 2, "tags": ["a"]}))
    assert (found.severity, found.code, found.column, found.field) == ("warning", "field_unsent", "city", "place.city")


def test_messages_without_a_single_document_blame_no_column() -> None:
    found = compared(b"[1]", b"oops")
    assert {one.code for one in found.differences} == {"messages_refused"}


def test_the_collecting_column_is_read_from_no_body() -> None:
    settings = settings_for([*COLUMNS, {"name": "extra", "type": "jsonb"}])
    settings = msgspec.structs.replace(settings, drift=DriftSettings(unknown_fields="collect", collect_into="extra"))
    found = compare(settings, sampled(FITTING | {"extra": 1}, settings=settings), None)
    assert only(found).field == "extra"
    assert only(found).column is None


def layout(*faults: Fault, columns: tuple[str, ...] = ("id", "city", "first_tag", "day")) -> Layout:
    there = [ColumnThere(name=name, type="text", not_null=False, filled=False) for name in columns]
    return Layout(table="events", columns=there, faults=list(faults), proposed={"plan": "ALTER TABLE … ADD plan"})


NOT_NULL = Fault(code="column_not_null", column="city", what="column city is NOT NULL", sql="ALTER …")


def test_a_not_null_matters_by_whether_a_message_would_meet_it() -> None:
    def severity(sample: Sample | None) -> str:
        [found] = compare(settings_for(COLUMNS), sample, layout(NOT_NULL)).differences
        return found.severity

    assert severity(None) == "error"
    assert severity(sampled(FITTING)) == "warning"
    lacking = sampled(FITTING, {"id": 2, "tags": ["a"]})
    assert severity(lacking) == "error"
    [found] = compare(settings_for(COLUMNS), lacking, layout(NOT_NULL)).differences
    assert "1 of 2 messages lack it" in found.what


def test_the_sql_of_a_proposed_column_waits_for_the_column() -> None:
    settings = settings_for(COLUMNS)
    found = only(compare(settings, sampled(FITTING | {"plan": "gold"}), layout()))
    assert found.sql == "ALTER TABLE … ADD plan"
    assert found.caution


def test_every_column_of_either_side_and_every_unread_field_has_a_line_of_its_own() -> None:
    lines = compare(settings_for(COLUMNS), sampled(FITTING | {"plan": 1}), layout(columns=("id", "city", "old"))).lines
    assert [(line.field, line.column) for line in lines] == [
        ("id", "id"), ("place.city", "city"), ("tags[0]", "first_tag"), (None, "day"), ("plan", None), (None, "old"),
    ]  # fmt: skip
    assert [line.table is not None for line in lines] == [True, True, False, False, False, True]


def test_errors_come_first() -> None:
    lacking = Fault(code="column_missing", column="city", what="column city does not exist")
    found = compare(settings_for(COLUMNS), sampled(FITTING | {"plan": 1}), layout(lacking))
    assert [one.code for one in found.differences] == ["column_missing", "field_unread"]


@pytest.mark.parametrize("name", ["plan", "city"])
def test_what_is_ignored_is_no_difference_but_has_its_line(name: str) -> None:
    found = compared({"id": 1, "tags": ["a"], "plan": 1}, ignored=(name,))
    assert {one.field for one in found.differences} == {"plan", "place.city"} - {
        "place.city" if name == "city" else name
    }
    assert len(found.lines) == 5
