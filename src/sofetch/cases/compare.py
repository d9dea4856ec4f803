"""Whether a cell is what was expected, and both in words.

Owns what counts as equal: a value is read as the column's type, so that ``"2026-01-01"`` is a date in a column of
dates and ``1.50`` is ``1.5`` in one of numbers, and text is compared as text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from typing import assert_never
from uuid import UUID

import msgspec

from sofetch.cases.case import Document, Equal, Expected, IsNull, IsPresent, MaskOf, Matches, Plain
from sofetch.record import Address, Cell

NULL = "NULL"


def fits(expected: Expected, cell: Cell, *, mask: Callable[[MaskOf], Cell]) -> bool:
    """Whether the cell is as expected. ``mask`` makes what a mask makes of a value."""
    match expected:
        case IsNull():
            return cell is None
        case IsPresent():
            return cell is not None
        case Matches(pattern):
            return cell is not None and pattern.fullmatch(text_of(cell)) is not None
        case Document(value):
            return isinstance(cell, bytes) and msgspec.json.decode(cell) == _as_json(value)
        case MaskOf():
            return cell is not None and mask(expected) == cell
        case Equal(value):
            return _equal(value, cell)
        case _:
            assert_never(expected)


def in_words(expected: Expected, *, mask: Callable[[MaskOf], Cell]) -> str:
    """What was expected, as a difference shows it."""
    match expected:
        case IsNull():
            return NULL
        case IsPresent():
            return "anything but NULL"
        case Matches(pattern):
            return f"text that matches {pattern.pattern}"
        case Document(value):
            return msgspec.json.encode(_as_json(value)).decode()
        case MaskOf():
            return f"{text_of(mask(expected))} ({expected.mask} of {expected.value})"
        case Equal(value):
            return text_of(value)
        case _:
            assert_never(expected)


def text_of(cell: Cell) -> str:  # noqa: PLR0911  # one case a type
    """The cell as text."""
    match cell:
        case None:
            return NULL
        case bool():
            return "true" if cell else "false"
        case bytes():
            return cell.decode("utf-8", "replace")
        case datetime():
            return cell.isoformat().replace("+00:00", "Z")
        case date():
            return cell.isoformat()
        case IPv4Interface() | IPv6Interface() if cell.network.prefixlen == cell.max_prefixlen:
            return str(cell.ip)
        case _:
            return str(cell)


def _equal(value: Plain, cell: Cell) -> bool:  # noqa: PLR0911  # one case a type
    if isinstance(value, bool) or isinstance(cell, bool):
        return value is cell
    match cell:
        case None:
            return False
        case str():
            return value == cell
        case int() | Decimal():
            return _read(lambda: Decimal(str(value))) == cell
        case datetime():
            return _read(lambda: _instant(value)) == cell
        case date():
            return _read(lambda: date.fromisoformat(str(value))) == cell
        case UUID():
            return _read(lambda: UUID(str(value))) == cell
        case bytes():
            return isinstance(value, str | int | Decimal) and msgspec.json.decode(cell) == value
        case IPv4Address() | IPv6Address():  # an interface is one too
            return _read(lambda: ip_interface(str(value))) == _interface(cell)
        case _:
            assert_never(cell)


def _read(read: Callable[[], object]) -> object:
    """The expected value as the cell's type; an object that equals nothing if it is none."""
    try:
        return read()
    except (ValueError, InvalidOperation):
        return object()


def _instant(value: Plain) -> datetime:
    read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    if read.tzinfo is None:
        raise ValueError
    return read.astimezone(UTC)


def _interface(cell: Address) -> IPv4Interface | IPv6Interface:
    return ip_interface(str(cell))


def _as_json(value: object) -> object:
    """Expected JSON as the cell's is read: numbers of TOML are decimals."""
    match value:
        case Decimal():
            return float(value)
        case date():
            return value.isoformat()
        case list():
            return [_as_json(item) for item in value]
        case dict():
            return {key: _as_json(item) for key, item in value.items()}
        case _:
            return value
