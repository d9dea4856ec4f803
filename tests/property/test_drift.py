"""Messages that are not as the configuration expects: what becomes of them, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from masking import message, settings
from sofetch.decode import compile_decoder
from sofetch.decode.lenient import CHANGED, LenientReader
from sofetch.paths import parse_path
from sofetch.record import Decoded, Drift, DriftKind, Reason
from sofetch.settings import (
    ColumnSettings,
    DriftSettings,
    ErasureSettings,
    ErasureTableSettings,
    LimitSettings,
    Settings,
    SinkSettings,
    VaultSettings,
)

CANARY = "Anna Kowalska 1984"
COLUMNS = (
    ColumnSettings(name="id", required=True),
    ColumnSettings(name="age", type="int", from_="person.age"),
    ColumnSettings(name="mail", mask="token", from_="person.mail"),
    ColumnSettings(name="price", type="numeric"),
    ColumnSettings(name="tags", type="jsonb"),
    ColumnSettings(name="second", from_="items[1].sku"),
    ColumnSettings(name="at", type="timestamp"),
    ColumnSettings(name="from_where", type="inet"),
    ColumnSettings(name="state", default="new"),
    ColumnSettings(name="queue", value="queue"),
)
NAMES = [column.name for column in COLUMNS]
GOOD: dict[str, Any] = {
    "id": "a",
    "person": {"age": 30, "mail": "anna@example.org"},
    "price": "1.50",
    "tags": [1],
    "items": [{}, {"sku": "s"}],
    "at": "2026-01-01T00:00:00Z",
    "from_where": "192.0.2.1",
    "state": "old",
}
ALL = frozenset(range(len(COLUMNS)))


def configured(sink: SinkSettings | None = None, **drift: Any) -> Settings:
    return replace(settings(*COLUMNS), drift=DriftSettings(**drift), sink=sink or settings(*COLUMNS).sink)


def decoded(document: Any, **drift: Any) -> Decoded:
    return compile_decoder(configured(**drift))([message(json.dumps(document).encode())])


def row(document: Any, **drift: Any) -> dict[str, Any]:
    [record] = decoded(document, **drift).records
    return dict(zip(NAMES, record.values, strict=True))


def noted(document: Any, **drift: Any) -> dict[tuple[str, str], int]:
    return {(one.kind.value, one.field): count for one, count in decoded(document, **drift).drifted.items()}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.one_of(
    *(st.just(value) for value in [*GOOD.values(), 30, "", "1.5", "12", 7.5, "192.0.2.7/24", "\0", 2**40]),
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["age", "mail", "sku"]), SCALARS, max_size=3),
    st.lists(st.dictionaries(st.just("sku"), SCALARS, max_size=1), max_size=3),
)
DOCUMENTS = st.dictionaries(st.sampled_from([*GOOD, "new"]), VALUES, max_size=8).map(lambda some: GOOD | some)


@given(DOCUMENTS)
def test_the_patient_way_gives_the_values_of_the_fast_one(document: dict[str, Any]) -> None:
    lenient = LenientReader(
        [
            (at, column, None if column.value else parse_path(column.from_ or column.name))
            for at, column in enumerate(COLUMNS)
        ],
        LimitSettings(),
        ALL,
    )
    fast = decoded(document)
    for record in fast.records:
        values, changed = lenient.values(record.message.body, record.message)
        # A default is filled in after either.
        assert [*values.values()] == [
            None if a is None else b for a, b in zip(values.values(), record.values, strict=True)
        ]
        assert changed == {}
    for rejection in fast.rejections:
        if rejection.reason in CHANGED and "u0000" not in json.dumps(document):
            _, changed = lenient.values(rejection.message.body, rejection.message)
            assert rejection.field in changed.values()


@given(DOCUMENTS)
def test_a_changed_type_empties_its_own_columns_and_no_other(document: dict[str, Any]) -> None:
    fitting = {key: value for key, value in document.items() if not decoded(GOOD | {key: value}).rejections}
    for key in document.keys() - fitting.keys():
        was = decoded(GOOD | {key: document[key]}).rejections[0]
        if was.reason in CHANGED and was.field != "id":
            now = row(GOOD | {key: document[key]}, type_changes="null")
            full = row(GOOD)
            emptied = {name for name in NAMES if now[name] is None} | ({"state"} if now["state"] == "new" else set())
            below = {"person": {"age", "mail"}, "items": {"second"}}.get(key, {key})
            assert was.field in emptied <= below
            assert {name: now[name] for name in NAMES if name not in below} == {
                name: full[name] for name in NAMES if name not in below
            }


@pytest.mark.parametrize("value", ["thirty", 3.5, [3], {"years": 3}])
def test_a_value_of_another_type_is_a_rejection_or_null_and_counted_either_way(value: Any) -> None:
    changed = GOOD | {"person": {"age": value, "mail": "m"}}
    [rejection] = decoded(changed).rejections
    assert (rejection.reason, rejection.field) == (Reason.WRONG_TYPE, "age")
    now = row(changed, type_changes="null")
    assert (now["age"], now["mail"]) == (None, "m")
    assert noted(changed) == noted(changed, type_changes="null") == {("type_change", "age"): 1}


def test_another_form_of_a_value_counts_as_another_type_but_one_out_of_range_does_not() -> None:
    assert row(GOOD | {"at": "01.01.2026"}, type_changes="null")["at"] is None
    [rejection] = decoded(GOOD | {"person": {"age": 2**40}}, type_changes="null").rejections
    assert rejection.reason is Reason.OUT_OF_RANGE
    [rejection] = decoded({"at": 5} | GOOD | {"at": 5, "person": {"age": 2**40}}, type_changes="null").rejections
    assert (rejection.reason, rejection.field) == (Reason.OUT_OF_RANGE, "age")


def test_a_column_with_a_default_gets_it_where_the_type_changed() -> None:
    assert row(GOOD | {"state": 5}, type_changes="null")["state"] == "new"


def test_a_required_column_rejects_and_one_that_says_which_row_it_is_does_too() -> None:
    [rejection] = decoded(GOOD | {"id": 5, "price": []}, type_changes="null").rejections
    assert (rejection.reason, rejection.field) == (Reason.WRONG_TYPE, "id")
    sink = SinkSettings(table="t", dedupe=["price"])
    decode = compile_decoder(configured(sink, type_changes="null"))
    [rejection] = decode([message(json.dumps(GOOD | {"price": []}).encode())]).rejections
    assert rejection.field == "price"


def test_a_changed_type_is_no_missing_field() -> None:
    changed = GOOD | {"price": []}
    policies: dict[str, Any] = {"type_changes": "null", "missing_fields": "quarantine"}
    assert row(changed, **policies)["price"] is None
    assert noted(changed, **policies) == {("type_change", "price"): 1}
    del changed["tags"]
    [rejection] = decoded(changed, **policies).rejections
    assert (rejection.reason, rejection.field) == (Reason.MISSING_FIELD, "tags")


def test_missing_fields_are_passed_over_counted_or_rejected() -> None:
    without = {key: value for key, value in GOOD.items() if key not in {"tags", "state"}} | {"at": None}
    assert noted(without) == {}
    assert noted(without, missing_fields="warn") == {("missing_field", "tags"): 1, ("missing_field", "at"): 1}
    assert row(without, missing_fields="warn")["state"] == "new"
    [rejection] = decoded(without, missing_fields="quarantine").rejections
    assert (rejection.reason, rejection.field) == (Reason.MISSING_FIELD, "tags")


def test_a_missing_required_field_is_counted_under_every_policy() -> None:
    without = {key: value for key, value in GOOD.items() if key != "id"}
    assert noted(without) == {("missing_field", "id"): 1}


@pytest.mark.parametrize("policy", ["warn", "quarantine"])
def test_unknown_fields_are_named_by_the_topmost_path_and_hidden_where_they_are_not_plain(policy: str) -> None:
    more = {
        "tier": {"deep": 1},
        "person": {**GOOD["person"], "nick": CANARY, CANARY: 1, "anna@example.org": 2},
        "items": [{"color": 1}, {"sku": "s", "color": 2}, 5],
    }
    told = noted(GOOD | more, unknown_fields=policy)
    # items[0] and items[2] are read by nobody, as a whole.
    fields = {"tier", "person.nick", "person.*", "items[]", "items[].color"}
    assert told == {("unknown_field", field): 1 for field in fields}
    assert CANARY not in str(told)
    assert noted(GOOD | more) == {}


def test_warned_of_unknown_fields_a_message_is_loaded_as_if_they_were_not_there() -> None:
    assert row(GOOD | {"tier": CANARY}, unknown_fields="warn") == row(GOOD)


def test_a_message_drifts_once_a_field_and_a_batch_is_summed_up() -> None:
    decode = compile_decoder(configured(unknown_fields="warn", type_changes="null"))
    bodies = [json.dumps(GOOD | {"tier": 1, "from_where": "nowhere"}).encode(), json.dumps(GOOD | {"tier": 2}).encode()]
    assert decode([message(body) for body in bodies]).drifted == {
        Drift(DriftKind.UNKNOWN_FIELD, "tier"): 2,
        Drift(DriftKind.UNKNOWN_FIELD, "items[]"): 2,
        Drift(DriftKind.TYPE_CHANGE, "from_where"): 1,
    }


def test_so_many_unknown_fields_of_one_message_are_named_and_no_more() -> None:
    more = {f"{'k' * (1 + at // 26)}{chr(97 + at % 26)}": at for at in range(200)}
    assert len(noted(GOOD | more, unknown_fields="warn")) == 64


def test_what_repeats_in_an_array_takes_no_room_from_other_unknown_fields() -> None:
    more = {"items": [{}, {"sku": "s"}, *({"color": at} for at in range(100))], "tier": 1}
    assert noted(GOOD | more, unknown_fields="warn")["unknown_field", "tier"] == 1


def test_warned_of_unknown_fields_a_message_is_loaded_even_if_they_cannot_be_read() -> None:
    body = json.dumps(GOOD)[:-1].encode() + b', "far": 1e99999999999999999999}'
    decode = compile_decoder(configured(unknown_fields="warn"))
    found = decode([message(body)])
    assert (len(found.records), found.drifted) == (1, {Drift(DriftKind.UNKNOWN_FIELD, "*"): 1})
    for policy in ("quarantine", "collect"):
        [rejection] = compile_decoder(configured(unknown_fields=policy))([message(body)]).rejections
        assert (rejection.reason, rejection.field) == (Reason.BAD_VALUE, None)


@pytest.mark.parametrize(
    "erasure",
    [
        ErasureSettings(subject="shown"),
        ErasureSettings(table=[ErasureTableSettings(name="public.user_logins", subject_column="user_id")]),
    ],
)
def test_whatever_column_an_erasure_finds_the_rows_by_is_never_left_empty(erasure: ErasureSettings) -> None:
    columns = (
        ColumnSettings(name="shown", from_="user_id", mask="partial", keep_last=2),
        ColumnSettings(name="user_id"),
    )
    configured = replace(settings(*columns), drift=DriftSettings(type_changes="null"), erasure=erasure)
    found = compile_decoder(configured)([message(b'{"user_id": 4711}')])
    assert [(one.reason, one.field) for one in found.rejections] == [(Reason.WRONG_TYPE, "user_id")]


@pytest.mark.parametrize(
    "say",
    [
        {"sink": SinkSettings(table="t", write="upsert", key=["day"])},
        {"sink": SinkSettings(table="t", partition_by="day", partition_column="day")},
        {"vault": VaultSettings(subject="day")},
        {"erasure": ErasureSettings(subject="day")},
        {"column": [ColumnSettings(name="born", mask="date_shift", shift_days=3, subject="day")]},
    ],
)
def test_a_column_that_is_named_for_what_it_holds_is_never_left_empty(say: dict[str, Any]) -> None:
    columns = [ColumnSettings(name="day", type="date"), *say.get("column", [])]
    configured = replace(settings(), drift=DriftSettings(type_changes="null"), **say | {"column": columns})
    found = compile_decoder(configured)([message(b'{"day": "01.02.2026", "born": "2000-01-01"}')])
    assert [(one.reason, one.field) for one in found.rejections] == [(Reason.BAD_VALUE, "day")]


def test_a_character_that_no_text_can_hold_is_refused_beside_a_changed_type_too() -> None:
    changed = GOOD | {"person": {"age": "thirty"}, "id": "a\0"}
    [rejection] = decoded(changed, type_changes="null").rejections
    assert (rejection.reason, rejection.field) == (Reason.NUL_CHARACTER, "id")
