"""Whether a column's default is a value that the column could hold.

Owns the check only; what a type takes from JSON is the decoder's, and the decoder turns the default into a cell.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import ip_interface
from typing import Annotated, Any, Final, assert_never
from uuid import UUID

import msgspec
from msgspec import Meta

from sofetch.settings import ColumnSettings


def default_fits(column: ColumnSettings) -> bool:
    """Whether the default reads as the column's type, as the same JSON value in a message would."""
    match column.type:
        case "text":
            return _fits_text(column.default, column.max_length)
        case "numeric":
            return _fits_numeric(column.default)
        case "inet":
            return _fits_inet(column.default)
        case "jsonb":
            return True
        case "int" | "bigint" | "bool" | "timestamp" | "date" | "uuid" | "version_int":
            return _converts(column.default, _TYPES[column.type])
        case _:
            assert_never(column.type)


_TYPES: Final[dict[str, Any]] = {
    "int": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "bigint": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "bool": bool,
    "timestamp": Annotated[datetime, Meta(tz=True)],
    "date": date,
    "uuid": UUID,
    "version_int": Annotated[str, Meta(pattern=r"^[0-9]{1,4}(\.[0-9]{1,3}){0,2}$")],
}


def _converts(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _fits_text(value: object, max_length: int | None) -> bool:
    return isinstance(value, str) and "\0" not in value and (max_length is None or len(value) <= max_length)


def _fits_numeric(value: object) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _fits_inet(value: object) -> bool:
    try:
        ip_interface(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return isinstance(value, str) and "%" not in value
