from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any, get_args
from uuid import UUID

import pytest

from decoding import decoder, outcome
from sofetch.errors import ConfigError
from sofetch.record import Cell, Reason
from sofetch.settings import ColumnType

_ID = "424cdd21-0000-4000-8000-0123456789ab"

TAKEN: list[tuple[str, str, Cell]] = [
    ("text", '"RU"', "RU"),
    ("text", '""', ""),
    ("text", '"\\ud83d\\ude00 \\u00e9 \\n \x7f"', "😀 é \n \x7f"),
    ("text", '"Robert\'); DROP TABLE user_logins;--"', "Robert'); DROP TABLE user_logins;--"),
    ("int", "0", 0),
    ("int", "-0", 0),
    ("int", "2147483647", 2_147_483_647),
    ("int", "-2147483648", -2_147_483_648),
    ("bigint", "9223372036854775807", 2**63 - 1),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("numeric", "0.1", Decimal("0.1")),
    ("numeric", "0.10", Decimal("0.10")),
    ("numeric", "12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
    ("numeric", "1e2", Decimal("1e2")),
    ("numeric", "-0.0", Decimal("-0.0")),
    ("numeric", '"12.30"', Decimal("12.30")),
    ("numeric", "1e131071", Decimal("1e131071")),
    ("numeric", "1e-16383", Decimal("1e-16383")),
    ("bool", "true", True),
    ("bool", "false", False),
    ("timestamp", '"2020-01-02T03:04:05Z"', datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("timestamp", '"2020-01-02 03:04:05.25+02:00"', datetime(2020, 1, 2, 1, 4, 5, 250_000, tzinfo=UTC)),
    ("timestamp", '"2020-01-01T00:00:00.9999999Z"', datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ("date", '"2024-02-29"', date(2024, 2, 29)),
    ("uuid", f'"{_ID}"', UUID(_ID)),
    ("uuid", f'"{_ID.replace("-", "").upper()}"', UUID(_ID)),
    ("inet", '"199.172.111.135"', IPv4Interface("199.172.111.135/32")),
    ("inet", '"10.1.2.3/8"', IPv4Interface("10.1.2.3/8")),
    ("inet", '"2001:db8::1/64"', IPv6Interface("2001:db8::1/64")),
    ("inet", '"::ffff:10.0.0.1"', IPv6Interface("::ffff:10.0.0.1")),
    ("jsonb", '{"a": [1, "\\\\u0000"]}', b'{"a": [1, "\\\\u0000"]}'),
    ("jsonb", '"text"', b'"text"'),
    ("jsonb", "1e5", b"1e5"),
    ("jsonb", "false", b"false"),
    ("jsonb", '["1e400000"]', b'["1e400000"]'),
    ("version_int", '"2.3.0"', 2_003_000),
    ("version_int", '"0.96"', 96_000),
    ("version_int", '"3.7"', 3_007_000),
    ("version_int", '"12"', 12_000_000),
    ("version_int", '"2147.483.647"', 2_147_483_647),
]

REFUSED: list[tuple[str, str, Reason]] = [
    ("text", "1", Reason.WRONG_TYPE),
    ("text", "1.5", Reason.WRONG_TYPE),
    ("text", "true", Reason.WRONG_TYPE),
    ("text", "[]", Reason.WRONG_TYPE),
    ("text", "{}", Reason.WRONG_TYPE),
    ("text", '"a\\u0000b"', Reason.NUL_CHARACTER),
    ("int", "1.0", Reason.WRONG_TYPE),
    ("int", "1e2", Reason.WRONG_TYPE),
    ("int", "true", Reason.WRONG_TYPE),
    ("int", '"1"', Reason.WRONG_TYPE),
    ("int", "2147483648", Reason.OUT_OF_RANGE),
    ("int", "-2147483649", Reason.OUT_OF_RANGE),
    ("int", "9" * 30, Reason.OUT_OF_RANGE),
    ("int", "9" * 100_000, Reason.OUT_OF_RANGE),
    ("int", "1e400000", Reason.OUT_OF_RANGE),
    ("bigint", "9223372036854775808", Reason.OUT_OF_RANGE),
    ("bigint", "-9223372036854775809", Reason.OUT_OF_RANGE),
    ("numeric", "true", Reason.WRONG_TYPE),
    ("numeric", "[1]", Reason.WRONG_TYPE),
    ("numeric", '"NaN"', Reason.BAD_VALUE),
    ("numeric", '"Infinity"', Reason.BAD_VALUE),
    ("numeric", '"1_000"', Reason.BAD_VALUE),
    ("numeric", '" 1"', Reason.BAD_VALUE),
    ("numeric", '"1,5"', Reason.BAD_VALUE),
    ("numeric", '""', Reason.BAD_VALUE),
    ("numeric", '"1\\u0000"', Reason.BAD_VALUE),
    ("numeric", "1e131072", Reason.OUT_OF_RANGE),
    ("numeric", "1e400000", Reason.OUT_OF_RANGE),
    ("numeric", "0e400000", Reason.OUT_OF_RANGE),
    ("numeric", "1e-16384", Reason.OUT_OF_RANGE),
    ("numeric", "1.5e-16383", Reason.OUT_OF_RANGE),
    ("numeric", "1e99999999999999999999", Reason.OUT_OF_RANGE),
    ("numeric", "1e-99999999999999999999", Reason.OUT_OF_RANGE),
    ("numeric", "0." + "1" * 20_000, Reason.OUT_OF_RANGE),
    ("numeric", "9" * 140_000, Reason.OUT_OF_RANGE),
    ("bool", "1", Reason.WRONG_TYPE),
    ("bool", '"true"', Reason.WRONG_TYPE),
    ("timestamp", "1700000000", Reason.WRONG_TYPE),
    ("timestamp", '"2020-01-02T03:04:05"', Reason.BAD_VALUE),
    ("timestamp", '"2020-01-02"', Reason.BAD_VALUE),
    ("timestamp", '"2020-02-30T00:00:00Z"', Reason.BAD_VALUE),
    ("timestamp", '"2016-12-31T23:59:60Z"', Reason.BAD_VALUE),
    ("timestamp", '"yesterday"', Reason.BAD_VALUE),
    ("timestamp", '"0001-01-01T00:00:00+05:00"', Reason.OUT_OF_RANGE),
    ("timestamp", '"9999-12-31T23:59:59-05:00"', Reason.OUT_OF_RANGE),
    ("date", "20200101", Reason.WRONG_TYPE),
    ("date", '"2023-02-29"', Reason.BAD_VALUE),
    ("date", '"2020-01-02T03:04:05Z"', Reason.BAD_VALUE),
    ("uuid", "1", Reason.WRONG_TYPE),
    ("uuid", '"424cdd21"', Reason.BAD_VALUE),
    ("uuid", f'"{{{_ID}}}"', Reason.BAD_VALUE),
    ("inet", "1", Reason.WRONG_TYPE),
    ("inet", '"unknown"', Reason.BAD_VALUE),
    ("inet", '"10.0.0.256"', Reason.BAD_VALUE),
    ("inet", '"010.0.0.1"', Reason.BAD_VALUE),
    ("inet", '"10.0.0.1/33"', Reason.BAD_VALUE),
    ("inet", '"10.0.0.1/255.0.0.0"', Reason.BAD_VALUE),
    ("inet", '"fe80::1%eth0"', Reason.BAD_VALUE),
    ("inet", '"[::1]:80"', Reason.BAD_VALUE),
    ("inet", '" 10.0.0.1"', Reason.BAD_VALUE),
    ("inet", '"\\u0661.1.1.1"', Reason.BAD_VALUE),
    ("jsonb", '{"a": "\\u0000"}', Reason.NUL_CHARACTER),
    ("jsonb", '{"\\u0000": 1}', Reason.NUL_CHARACTER),
    ("jsonb", '"\\\\\\u0000"', Reason.NUL_CHARACTER),
    ("jsonb", "[1e400000]", Reason.OUT_OF_RANGE),
    ("jsonb", "[1e-400000]", Reason.OUT_OF_RANGE),
    ("jsonb", "[" + "9" * 140_000 + "]", Reason.OUT_OF_RANGE),
    ("jsonb", "[0." + "1" * 15_900 + "e-999]", Reason.OUT_OF_RANGE),
    ("version_int", "2", Reason.WRONG_TYPE),
    ("version_int", "2.3", Reason.WRONG_TYPE),
    ("version_int", '""', Reason.BAD_VALUE),
    ("version_int", '"v2.3.0"', Reason.BAD_VALUE),
    ("version_int", '"2.3.0-beta"', Reason.BAD_VALUE),
    ("version_int", '"1.2.3.4"', Reason.BAD_VALUE),
    ("version_int", '"1..2"', Reason.BAD_VALUE),
    ("version_int", '"-1.2"', Reason.BAD_VALUE),
    ("version_int", '"٣.1"', Reason.BAD_VALUE),
    ("version_int", '"' + "1" * 10_000 + '"', Reason.BAD_VALUE),
    ("version_int", '"1.1000.0"', Reason.OUT_OF_RANGE),
    ("version_int", '"1.0.1000"', Reason.OUT_OF_RANGE),
    ("version_int", '"2147.483.648"', Reason.OUT_OF_RANGE),
]


def _short(value: object) -> str:
    return repr(value)[:40]


def _body(value: str) -> bytes:
    return f'{{"f": {value}, "other": 1}}'.encode()


@pytest.mark.parametrize(("column_type", "value", "cell"), TAKEN, ids=_short)
def test_value_of_its_type_becomes_its_cell(column_type: str, value: str, cell: Cell) -> None:
    (made,) = outcome(decoder({"name": "f", "type": column_type}), _body(value))
    assert (made, type(made), str(made)) == (cell, type(cell), str(cell))


@pytest.mark.parametrize(("column_type", "value", "reason"), REFUSED, ids=_short)
def test_value_of_another_type_is_refused_with_its_reason_and_column(
    column_type: str, value: str, reason: Reason
) -> None:
    decode = decoder({"name": "the_column", "from": "f", "type": column_type}, max_number_chars=200_000)
    assert outcome(decode, _body(value)) == (reason, "the_column")


def test_every_type_is_tried() -> None:
    assert {case[0] for case in TAKEN} == {case[0] for case in REFUSED} == set(get_args(ColumnType))


@pytest.mark.parametrize("column_type", get_args(ColumnType))
@pytest.mark.parametrize("body", [b"{}", b'{"f": null}', b'{"f": null, "f": null, "g": 1}'])
def test_missing_and_null_are_null_or_the_default_or_a_rejection(column_type: str, body: bytes) -> None:
    column = {"name": "f", "type": column_type}
    assert outcome(decoder(column), body) == (None,)
    assert outcome(decoder({**column, "required": True}), body) == (Reason.MISSING_FIELD, "f")


DEFAULTS: list[tuple[str, Any, Cell]] = [
    ("text", "none", "none"),
    ("int", 7, 7),
    ("bigint", 2**40, 2**40),
    ("numeric", 0.1, Decimal("0.1")),
    ("numeric", "0.10", Decimal("0.10")),
    ("bool", False, False),
    ("timestamp", "2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
    ("date", "2020-01-01", date(2020, 1, 1)),
    ("uuid", _ID, UUID(_ID)),
    ("inet", "10.0.0.1", IPv4Interface("10.0.0.1")),
    ("jsonb", '{"a": 1}', b'{"a": 1}'),
    ("jsonb", 3, b"3"),
    ("version_int", "1.2.3", 1_002_003),
]


@pytest.mark.parametrize(("column_type", "default", "cell"), DEFAULTS)
def test_default_stands_where_nothing_came(column_type: str, default: object, cell: Cell) -> None:
    decode = decoder({"name": "f", "type": column_type, "default": default, "required": True})
    assert outcome(decode, b"{}") == outcome(decode, b'{"f": null}') == (cell,)


@pytest.mark.parametrize(
    ("column_type", "default"),
    [("text", 1), ("int", "1"), ("int", 2**31), ("date", "today"), ("jsonb", "{"), ("bool", 1), ("text", "a\0")],
)
def test_default_that_the_column_cannot_hold_is_a_config_error(column_type: str, default: object) -> None:
    with pytest.raises(ConfigError, match="column `f`: `default`"):
        decoder({"name": "f", "type": column_type, "default": default})


def test_length_is_counted_in_characters() -> None:
    decode = decoder({"name": "f", "max_length": 3})
    assert outcome(decode, '{"f": "é😀\\ud83d\\ude00"}'.encode()) == ("é😀😀",)
    assert outcome(decode, b'{"f": "abcd"}') == (Reason.TOO_LONG, "f")


def test_text_without_a_length_of_its_own_has_the_general_limit() -> None:
    decode = decoder({"name": "f"}, max_text_chars=3)
    assert outcome(decode, b'{"f": "abc"}') == ("abc",)
    assert outcome(decode, b'{"f": "abcd"}') == (Reason.TOO_LONG, "f")


MASKED: list[tuple[str, object]] = [
    ('"199.172.111.135"', "199.172.111.135"),
    ('"a\\u0000b"', "a\0b"),
    ("5", 5),
    ("9" * 40, int("9" * 40)),
    ("1.5", 1.5),
    ("true", True),
    ("null", None),
]


@pytest.mark.parametrize(("value", "scalar"), MASKED)
def test_masked_column_comes_out_as_the_scalar_it_was(value: str, scalar: object) -> None:
    (made,) = outcome(decoder({"name": "f", "mask": "token", "type": "text", "max_length": 1}), _body(value))
    assert (made, type(made)) == (scalar, type(scalar))


@pytest.mark.parametrize("value", ["[]", "{}", '["10.0.0.1"]'])
def test_masked_column_refuses_what_is_no_scalar(value: str) -> None:
    assert outcome(decoder({"name": "f", "mask": "token"}), _body(value)) == (Reason.WRONG_TYPE, "f")


@pytest.mark.parametrize("value", ["1e400000", "9" * 5_000])
def test_masked_column_refuses_a_number_that_no_number_type_holds(value: str) -> None:
    decode = decoder({"name": "f", "mask": "token"}, max_number_chars=10_000)
    assert outcome(decode, _body(value)) == (Reason.OUT_OF_RANGE, "f")


def test_masked_column_that_is_required_must_be_there() -> None:
    decode = decoder({"name": "f", "mask": "token", "required": True})
    assert outcome(decode, b'{"f": null}') == (Reason.MISSING_FIELD, "f")
