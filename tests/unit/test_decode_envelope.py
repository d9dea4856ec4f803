from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Interface
from typing import Any
from uuid import UUID

import pytest

from decoding import decoder, outcome
from sofetch.errors import ConfigError
from sofetch.record import Reason, Value

_ID = "424cdd21-0000-4000-8000-0123456789ab"
_LAST_MS = 1_700_006_399_999  # 2023-11-14T23:59:59.999Z

TAKEN: list[tuple[str, str, Value]] = [
    ("message_id", "text", _ID),
    ("message_id", "uuid", UUID(_ID)),
    ("queue", "text", "login-queue"),
    ("group_id", "text", "g-1"),
    ("sent_time", "timestamp", datetime(2023, 11, 14, 23, 59, 59, 999_000, tzinfo=UTC)),
    ("sent_time", "date", date(2023, 11, 14)),
    ("sent_time", "bigint", _LAST_MS),
    ("sent_time", "text", "2023-11-14T23:59:59.999Z"),
    ("sent_date", "date", date(2023, 11, 14)),
    ("sent_date", "text", "2023-11-14"),
    ("receive_time", "timestamp", datetime(2023, 11, 15, tzinfo=UTC)),
    ("attribute:plain", "text", "12"),
    ("attribute:plain", "int", 12),
    ("attribute:plain", "numeric", Decimal(12)),
    ("attribute:plain", "jsonb", b"12"),
    ("attribute:ip", "inet", IPv4Interface("10.0.0.1")),
    ("attribute:flag", "bool", True),
    ("attribute:a:b", "text", "colon"),
]


def _outcome(column: dict[str, Any], **fields: Any) -> object:
    given: dict[str, Any] = {
        "id": _ID,
        "queue": "login-queue",
        "group_id": "g-1",
        "sent_ms": _LAST_MS,
        "received_ms": _LAST_MS + 1,
        "attributes": {"plain": "12", "ip": "10.0.0.1", "flag": "true", "a:b": "colon"},
    }
    return outcome(decoder({"name": "e", **column}), b"{}", **{**given, **fields})


@pytest.mark.parametrize(("value", "column_type", "cell"), TAKEN)
def test_value_of_the_envelope_becomes_its_cell(value: str, column_type: str, cell: Value) -> None:
    assert _outcome({"value": value, "type": column_type}) == (cell,)


@pytest.mark.parametrize("value", ["sent_time", "sent_date"])
def test_message_without_a_sent_timestamp_has_no_time_and_never_the_clocks(value: str) -> None:
    column = {"value": value, "type": "date"}
    assert _outcome(column, sent_ms=None) == (None,)
    assert _outcome({**column, "required": True}, sent_ms=None) == (Reason.MISSING_FIELD, "e")
    assert _outcome({**column, "default": "2000-01-01"}, sent_ms=None) == (date(2000, 1, 1),)


def test_sent_date_is_the_day_in_utc_from_its_first_to_its_last_millisecond() -> None:
    column = {"value": "sent_date", "type": "date"}
    assert _outcome(column, sent_ms=_LAST_MS) == (date(2023, 11, 14),)
    assert _outcome(column, sent_ms=_LAST_MS + 1) == (date(2023, 11, 15),)
    assert _outcome(column, sent_ms=0) == (date(1970, 1, 1),)
    assert _outcome(column, sent_ms=-1) == (date(1969, 12, 31),)


@pytest.mark.parametrize("sent_ms", [10**15, -(10**15), 10**30, -(10**30)])
@pytest.mark.parametrize(
    ("value", "column_type"),
    [("sent_time", "timestamp"), ("sent_time", "bigint"), ("sent_time", "text"), ("sent_date", "date")],
)
def test_time_that_no_calendar_holds_is_out_of_range(value: str, column_type: str, sent_ms: int) -> None:
    assert _outcome({"value": value, "type": column_type}, sent_ms=sent_ms) == (Reason.OUT_OF_RANGE, "e")


def test_missing_group_or_attribute_is_missing() -> None:
    assert _outcome({"value": "group_id"}, group_id=None) == (None,)
    assert _outcome({"value": "attribute:other"}) == (None,)
    assert _outcome({"value": "attribute:other", "required": True}) == (Reason.MISSING_FIELD, "e")


@pytest.mark.parametrize(
    ("column_type", "text", "reason"),
    [
        ("text", "a\0b", Reason.NUL_CHARACTER),
        ("text", "\ud800", Reason.INVALID_UNICODE),
        ("text", "x" * 9, Reason.TOO_LONG),
        ("int", "twelve", Reason.BAD_VALUE),
        ("int", "", Reason.BAD_VALUE),
        ("int", "1.0", Reason.WRONG_TYPE),
        ("int", "\udfff", Reason.INVALID_UNICODE),
        ("int", "2147483648", Reason.OUT_OF_RANGE),
        ("uuid", "u", Reason.BAD_VALUE),
        ("jsonb", '"\\u0000"', Reason.NUL_CHARACTER),
        ("jsonb", "[" * 20_000, Reason.TOO_DEEP),
        ("numeric", '1"', Reason.BAD_VALUE),
    ],
)
def test_attribute_passes_the_same_checks_as_a_value_of_the_body(column_type: str, text: str, reason: Reason) -> None:
    column = {"value": "attribute:x", "type": column_type, "max_length": 8}
    assert _outcome(column, attributes={"x": text}) == (reason, "e")


def test_masked_envelope_value_is_its_text() -> None:
    assert _outcome({"value": "attribute:plain", "mask": "token", "type": "int"}) == ("12",)
    assert _outcome({"value": "sent_time", "mask": "token"}) == ("2023-11-14T23:59:59.999Z",)


def test_envelope_and_body_columns_keep_the_configured_order() -> None:
    decode = decoder(
        {"name": "m", "value": "message_id"}, {"name": "a"}, {"name": "q", "value": "queue"}, {"name": "b"}
    )
    assert outcome(decode, b'{"b":"B","a":"A"}') == ("m-1", "A", "q", "B")


def test_body_must_be_an_object_even_if_no_column_reads_it() -> None:
    decode = decoder({"name": "m", "value": "message_id"})
    assert outcome(decode, b"{}") == ("m-1",)
    assert outcome(decode, b"[]") == (Reason.NOT_AN_OBJECT, None)
    assert outcome(decode, b"") == (Reason.EMPTY_BODY, None)


@pytest.mark.parametrize("value", ["sent_tim", "attribute:", "attribute", "", "id"])
def test_unknown_envelope_value_is_a_config_error(value: str) -> None:
    with pytest.raises(ConfigError, match="column `e`"):
        decoder({"name": "e", "value": value})


def test_time_as_a_type_that_holds_none_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="cannot be stored as uuid"):
        decoder({"name": "e", "value": "sent_time", "type": "uuid"})
