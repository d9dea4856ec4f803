"""Fields that no column reads: found wherever they are, and no text of theirs reaches the column in the clear."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from masking import message, ring, settings
from sofetch.cli.peeked import HIDDEN, look
from sofetch.decode import compile_decoder
from sofetch.mask import compile_masker
from sofetch.record import Reason
from sofetch.settings import ColumnSettings, DriftSettings, Settings

CANARY = "Anna Kowalska 1984"
EXTRA = ColumnSettings(name="extra", type="jsonb")
COLUMNS = (
    EXTRA,
    ColumnSettings(name="user", mask="token", from_="user.id"),
    ColumnSettings(name="first", from_="items[0].sku"),
    ColumnSettings(name="queue", value="queue"),
)


def collecting(policy: Any = "collect") -> Settings:
    return replace(settings(*COLUMNS), drift=DriftSettings(unknown_fields=policy, collect_into="extra"))


def collected(document: Any, policy: Any = "collect") -> Any:
    configured = collecting(policy)
    decoded = compile_decoder(configured)([message(json.dumps(document).encode())])
    assert not decoded.rejections
    masked = compile_masker(configured, ring()).mask(decoded.records)
    cell = masked.records[0].values[0]
    return json.loads(cell) if isinstance(cell, bytes) else cell


TEXTS = st.sampled_from([CANARY, f"x{CANARY}", f"{CANARY}@example.org", "anna@example.org", "4111111111111111"])
DOCUMENTS = st.recursive(
    TEXTS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.sampled_from(["a", "b"]), inner, max_size=3),
    max_leaves=30,
)


@given(DOCUMENTS)
def test_no_text_and_no_personal_key_reaches_the_column(document: Any) -> None:
    cell = json.dumps(collected({"user": {"id": "u", "more": document}, "new": document}))
    for personal in (CANARY, "anna@example.org", "4111111111111111", "Anna"):
        assert personal not in cell


@given(st.text(min_size=1))
def test_every_text_becomes_a_token_of_its_path(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    cell = collected({"tier": text, "level": text})
    assert cell["tier"].startswith("u1.k1.")
    assert cell["tier"] != cell["level"]


def test_what_columns_read_is_not_collected() -> None:
    document = {"user": {"id": "u", "age_group": 3}, "items": [{"sku": "s"}, {"sku": "t"}], "ok": True}
    cell = collected(document)
    assert cell["user"] == {"age_group": 3}
    assert list(cell["items"][0]) == ["sku"]
    assert cell["ok"] is True
    assert collected({"user": {"id": "u"}, "items": [{"sku": "s"}]}) is None


@pytest.mark.parametrize("number", [4111111111111111, 15551234567, 52.520008, 52.52, 13.4, 123456789])
def test_a_long_number_or_one_with_a_fraction_becomes_a_token(number: float) -> None:
    assert str(collected({"n": number})["n"]).startswith("u1.k1.")


def test_a_number_in_a_field_named_for_a_person_becomes_a_token() -> None:
    assert str(collected({"postcode": 90210})["postcode"]).startswith("u1.k1.")


def test_a_yes_or_no_that_says_something_personal_is_left_out_and_another_is_not() -> None:
    cell = collected({"is_pregnant": True, "user": {"id": "u", "has_disability": False}, "email_verified": True})
    assert cell == {"is_pregnant": {"?": 1}, "user": {"has_disability": {"?": 1}}, "email_verified": True}


@pytest.mark.parametrize("value", [1, "yes", "asthma", True, 3.5])
def test_of_a_special_category_not_even_a_token_is_collected(value: object) -> None:
    found = collected({"diagnosis": value, "more": {"diagnoses": [value, value], "allergies": {"nuts": value}}})
    assert found == {"diagnosis": {"?": 1}, "more": {"diagnoses": {"?": 2}, "allergies": {"?": 1}}}


def test_the_column_is_never_read_from_the_body() -> None:
    assert CANARY not in json.dumps(collected({"extra": {"a": CANARY}}))
    assert collected({"extra": {"a": CANARY}}, policy="ignore") is None


def test_peek_without_a_keyring_hides_what_is_collected() -> None:
    body = json.dumps({"user": {"id": "u"}, "new": CANARY}).encode()
    [seen] = look([message(body)], settings=collecting(), keyring=None, in_the_clear=False)
    assert seen.columns is not None
    assert seen.columns["extra"] == HIDDEN


def test_a_large_body_is_collected_in_part_and_says_so() -> None:
    cell = collected({f"{'k' * (1 + at // 26)}{chr(97 + at % 26)}": at for at in range(100)})
    assert len(cell) == 65
    assert cell["?"] == 36
    deep: Any = {"a": 1, "b": CANARY}
    for _ in range(20):
        deep = {"d": deep}
    assert '{"?": 1}' in json.dumps(collected(deep))


def test_a_message_with_an_unknown_field_is_rejected_where_the_policy_says_so() -> None:
    decode = compile_decoder(collecting("quarantine"))
    decoded = decode([message(b'{"user":{"id":"u","x":1}}'), message(b'{"user":{"id":"u"}}')])
    assert [rejection.reason for rejection in decoded.rejections] == [Reason.UNKNOWN_FIELD]
    assert len(decoded.records) == 1
