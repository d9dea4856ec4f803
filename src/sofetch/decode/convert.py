"""Types: what each column type takes from JSON, and the cell it makes of it.

Owns the table from column type to the parser's type (``wire``) and the step after it (``finish``). Must not know of
paths, messages or other columns. A finish step raises Unfit with a reason and no field; the caller knows the column.

| type | takes | makes |
| --- | --- | --- |
| text | a string of at most ``max_length`` characters, no NUL | str |
| int, bigint | a number written as an integer (``1``; not ``1.0``, ``1e2``, ``"1"``, ``true``), in int4 or int8 | int |
| numeric | a number, or a string that is written like one (``"12.30"``), exactly as written; no NaN, no infinity; what Postgres can hold: 131,072 digits before the point, 16,383 after it | Decimal |
| bool | ``true`` or ``false`` | bool |
| timestamp | an RFC 3339 string with its offset; without one it is ``bad_value``, for a guess would be wrong twice a year | datetime in UTC, microseconds (further digits are rounded) |
| date | a string ``YYYY-MM-DD``, not a timestamp | date |
| uuid | a string of 32 hex digits, with or without hyphens | UUID |
| inet | a string with an IPv4 or IPv6 address, with or without ``/prefix``; no zone, port or netmask | interface |
| jsonb | any value but ``null``, which is a missing one; no NUL escape, numbers within numeric | its own bytes |
| version_int | a string of one to three numbers: major × 1,000,000 + minor × 1,000 + patch; minor and patch below 1,000; what is missing counts 0, so ``1.2`` is ``1.2.0`` and ``0.06`` is ``0.6`` | int in int4 |

A masked column takes any scalar as it stands, whatever its type: the mask makes it canonical.
"""  # noqa: E501  # a table's row is one line

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Raw

from sofetch.decode.body import STRING
from sofetch.decode.unfit import Unfit
from sofetch.record import Cell, Reason
from sofetch.settings import ColumnSettings, ColumnType, LimitSettings

Finish = Callable[[Any], Cell]
"""From what the parser gave, never None, to the cell. None means missing."""

_INT4_MAX: Final = 2**31 - 1

_MAX_WEIGHT: Final = 131_072
"""Digits before the point that Postgres' numeric holds."""

_MAX_SCALE: Final = 16_383
"""Digits after the point that Postgres' numeric holds."""

_NULL = b"null"
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_NUMERIC = re.compile(rb'(?P<quote>"?)(?P<number>' + _NUMBER + rb")(?P=quote)")
# Thousands in the exponent or thousands of digits: only such a number can be outside numeric. The look-behind keeps a
# long run of digits from being tried again from each of its digits.
_RISKY_NUMBER = rb"(?<![0-9.])(?:[0-9][0-9.]*+[eE][+-]?[0-9]{4,}+|[0-9.]{8000,}+(?:[eE][+-]?[0-9]++)?)"
_HAS_RISKY_NUMBER = re.compile(_RISKY_NUMBER)
_STRING_OR_RISKY_NUMBER = re.compile(STRING + rb"|(?P<number>" + _RISKY_NUMBER + rb")", re.DOTALL)
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_INET = re.compile(r"[0-9a-fA-F:.]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?")
_VERSION = re.compile(r"([0-9]{1,32})(?:\.([0-9]{1,32}))?(?:\.([0-9]{1,32}))?")


class Conversion(msgspec.Struct, frozen=True):
    """How one column's value is read: the type the parser is given, and the step after it, if there is one."""

    wire: Any
    finish: Finish | None = None


def conversion(column: ColumnSettings, limits: LimitSettings) -> Conversion:
    """How the column's value is read from JSON."""
    if column.mask is not None:
        return _MASKED
    if column.type == "text":
        return Conversion(Annotated[str, Meta(max_length=column.max_length or limits.max_text_chars)] | None)
    return _CONVERSIONS[column.type]


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Unfit(Reason.OUT_OF_RANGE) from None


def _inet(value: str) -> IPv4Interface | IPv6Interface:
    if _INET.fullmatch(value) is None:
        raise Unfit(Reason.BAD_VALUE)
    try:
        return ip_interface(value)
    except ValueError:
        raise Unfit(Reason.BAD_VALUE) from None


def _version_int(value: str) -> int:
    match = _VERSION.fullmatch(value)
    if match is None:
        raise Unfit(Reason.BAD_VALUE)
    major, minor, patch = (int(part) for part in match.groups(default="0"))
    number = major * 1_000_000 + minor * 1_000 + patch
    if max(minor, patch) >= 1_000 or number > _INT4_MAX:
        raise Unfit(Reason.OUT_OF_RANGE)
    return number


def _numeric(value: Raw) -> Decimal | None:
    text = bytes(value)
    if text in (b"", _NULL):
        return None
    match = _NUMERIC.fullmatch(text)
    if match is None:
        raise Unfit(Reason.BAD_VALUE if text.startswith(b'"') else Reason.WRONG_TYPE)
    return _number(match["number"])


def _jsonb(value: Raw) -> bytes | None:
    text = bytes(value)  # a copy, so that a small value does not keep a whole body in memory
    if text in (b"", _NULL):
        return None
    if _NUL_ESCAPE.search(text):
        raise Unfit(Reason.NUL_CHARACTER)
    if _HAS_RISKY_NUMBER.search(text):
        _check_numbers(text)
    return text


def _check_numbers(document: bytes) -> None:
    for match in _STRING_OR_RISKY_NUMBER.finditer(document):
        if match["number"] is not None:
            _number(match["number"])


def _number(text: bytes) -> Decimal:
    try:
        number = Decimal(text.decode())
    except InvalidOperation:  # an exponent beyond even Decimal's
        raise Unfit(Reason.OUT_OF_RANGE) from None
    if not -_MAX_SCALE <= number.adjusted() < _MAX_WEIGHT or _scale(number) > _MAX_SCALE:
        raise Unfit(Reason.OUT_OF_RANGE)
    return number


def _scale(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)  # noqa: S101  # the text was a number, so it is neither NaN nor infinite
    return -exponent


_MASKED: Final = Conversion(str | int | float | bool | None)
_CONVERSIONS: Final[dict[ColumnType, Conversion]] = {
    "int": Conversion(Annotated[int, Meta(ge=-(2**31), le=_INT4_MAX)] | None),
    "bigint": Conversion(Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None),
    "bool": Conversion(bool | None),
    "date": Conversion(date | None),
    "uuid": Conversion(UUID | None),
    "timestamp": Conversion(Annotated[datetime, Meta(tz=True)] | None, _in_utc),
    "inet": Conversion(str | None, _inet),
    "version_int": Conversion(str | None, _version_int),
    "numeric": Conversion(Raw, _numeric),
    "jsonb": Conversion(Raw, _jsonb),
}
