"""Messages looked at place by place, and what a configuration does with each place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from loading import settings_for
from sofetch.detect.bodies import KEYS_OF_A_MAP, Survey, survey
from sofetch.detect.exposure import FieldSeen, configured_places, fields_seen
from sofetch.settings import DriftSettings

EMAIL = "jane@example.org"


def looked(
    *documents: object, columns: list[dict[str, Any]] | None = None, drift: DriftSettings | None = None
) -> dict[str, FieldSeen]:
    settings = None if columns is None else replace(settings_for(columns), drift=drift or DriftSettings())
    bodies = (json.dumps(document).encode() for document in documents)
    fields = fields_seen(survey(bodies, places=configured_places(settings)), settings)
    return {field.path: field for field in fields}


def detectors(field: FieldSeen) -> list[str]:
    return [sign.detector for sign in field.signs]


def test_each_place_is_told_by_its_path() -> None:
    found = looked({"a": {"b": [{"mail": EMAIL}, {"mail": EMAIL}]}, "c.d": EMAIL, "n": 1})
    assert set(found) == {"a.b[].mail", '"c.d"', "n"}
    assert found["a.b[].mail"].values == 2


def test_a_pair_of_numbers_on_a_map_is_told_at_the_list() -> None:
    found = looked({"at": [13.38011, 52.53012], "share": [0.5, 0.25]})
    assert {path: detectors(field) for path, field in found.items()} == {
        "at": ["coordinates"],
        "at[]": [],
        "share[]": [],
    }


@pytest.mark.parametrize("document", [EMAIL, [EMAIL], [[EMAIL]]])
def test_a_body_that_is_no_object_is_looked_at_too(document: object) -> None:
    [field] = looked(document).values()
    assert field.path.startswith("(body)")
    assert detectors(field) == ["email"]


def test_a_key_that_is_personal_is_data_and_not_shown() -> None:
    found = looked({"users": {EMAIL: {"seen": 1}}})
    assert set(found) == {"users.* (keys)", "users.*.seen"}
    assert detectors(found["users.* (keys)"]) == ["email"]
    assert EMAIL not in repr(found)


def test_an_object_with_very_many_keys_is_a_map() -> None:
    found = looked({"m": {f"key{n}": n for n in range(KEYS_OF_A_MAP + 50)}})
    assert len(found) == KEYS_OF_A_MAP + 1
    assert found["m.*"].values == 50


def test_a_configured_key_is_told_apart_among_very_many() -> None:
    crowd = {f"key{n}": n for n in range(KEYS_OF_A_MAP + 50)}
    found = looked({"m": {**crowd, "contact": EMAIL}}, columns=[{"name": "contact", "from": "m.contact"}])
    assert found["m.contact"].exposed


def test_places_are_bounded() -> None:
    seen = survey([json.dumps([{f"k{n}": {f"x{m}": 1 for m in range(150)}} for n in range(30)]).encode()])
    assert len(seen.places) == 2_000
    assert seen.unplaced == 30 * 150 - 2_000


@pytest.mark.parametrize("body", [b"", b"oops", b"\xff\xfe", b"{" * 30_000, b'{"a":1}{"b":2}', b"NaN"])
def test_what_is_no_json_is_counted_and_left(body: bytes) -> None:
    seen = survey([body])
    assert (seen.messages, seen.unreadable, seen.places) == (1, 1, {})


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_body_is_survived(body: bytes) -> None:
    assert survey([body]).messages == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_any_json_is_looked_at(document: object) -> None:
    assert looked(document) is not None


def test_numbers_and_lone_surrogates_are_looked_at_as_text() -> None:
    found = looked({"phone": 12125550123, "n": 1.5, "huge": 10**300, "s": "\ud800"})
    assert detectors(found["phone"]) == ["phone"]


def test_a_flag_is_not_what_it_is_a_flag_of() -> None:
    assert looked({"phone": True}) == {}


def test_a_flag_of_a_special_category_is_the_very_thing_and_is_exposed_in_the_clear() -> None:
    columns = [{"name": "is_pregnant", "type": "bool"}, {"name": "kept", "from": "has_disability", "mask": "redact"}]
    found = looked({"is_pregnant": False, "has_disability": True, "account": {"is_disabled": True}}, columns=columns)
    assert {path for path, field in found.items() if detectors(field) == ["special"]} == {*found}
    assert {*found} == {"is_pregnant", "has_disability"}
    assert {path for path, field in found.items() if field.exposed} == {"is_pregnant"}


@pytest.mark.parametrize(
    ("column", "handling", "exposed"),
    [
        ({"name": "contact"}, "clear", True),
        ({"name": "c", "from": "contact"}, "clear", True),
        ({"name": "contact", "mask": "token", "kind": "email"}, "masked", False),
        ({"name": "contact", "personal": False}, "declared", False),
        ({"name": "other"}, "not_loaded", False),
        ({"name": "contact", "value": "message_id"}, "not_loaded", False),
    ],
)
def test_what_the_configuration_does_with_a_field_is_told(
    column: dict[str, Any], handling: str, *, exposed: bool
) -> None:
    found = looked({"contact": EMAIL}, columns=[column])["contact"]
    assert (found.handling, found.exposed) == (handling, exposed)


@pytest.mark.parametrize(("policy", "handling"), [("collect", "collected"), ("quarantine", "not_loaded")])
def test_an_unknown_field_is_collected_where_the_policy_says_so_and_exposes_nothing(policy: Any, handling: str) -> None:
    columns = [{"name": "id"}, {"name": "extra", "type": "jsonb"}]
    drift = DriftSettings(unknown_fields=policy, collect_into="extra")
    body = {"id": 1, "contact": EMAIL, "extra": {"mail": EMAIL}}
    found = looked(body, columns=columns, drift=drift)
    for path in ("contact", "extra.mail"):
        assert (found[path].handling, found[path].exposed) == (handling, False)
        assert found[path].columns == (["extra"] if policy == "collect" else [])
    assert found["id"].handling == "clear"


def test_one_column_in_the_clear_is_enough_to_expose_a_field() -> None:
    columns = [{"name": "contact", "mask": "token"}, {"name": "plain", "from": "contact"}]
    found = looked({"contact": EMAIL}, columns=columns)["contact"]
    assert (found.handling, found.columns, found.exposed) == ("clear", ["contact", "plain"], True)


def test_a_document_loaded_whole_exposes_what_is_in_it() -> None:
    columns = [{"name": "profile", "type": "jsonb"}]
    found = looked({"profile": {"a": [{"mail": EMAIL}], EMAIL: 1}}, columns=columns)
    assert found["profile.a[].mail"].exposed
    assert found["profile.* (keys)"].exposed


def test_one_position_of_an_array_exposes_the_array() -> None:
    found = looked({"a": [EMAIL]}, columns=[{"name": "first", "from": "a[0]"}])
    assert found["a[]"].exposed


def test_without_a_configuration_all_that_is_personal_is_exposed() -> None:
    found = looked({"contact": EMAIL, "user": "424cdd21-063a-43a7-b91b-7ca1a833afae"})
    assert found["contact"].exposed
    assert not found["user"].exposed


def test_a_survey_shows_no_value() -> None:
    seen = Survey()
    seen.look(json.dumps({"a": EMAIL, EMAIL: EMAIL}).encode())
    assert EMAIL not in repr(seen)
