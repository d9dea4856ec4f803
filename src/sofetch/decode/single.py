"""Single: one JSON value on its own, for one column. Message attributes and configured defaults are such.

Owns that they pass the same checks as a value of a body. Must not know where the value came from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sofetch.decode.body import body_check
from sofetch.decode.convert import conversion
from sofetch.decode.unfit import Unfit, reason_of
from sofetch.errors import ConfigError
from sofetch.record import Cell, Reason, Value
from sofetch.settings import ColumnSettings, LimitSettings

_JSON_IN_TEXT = ("int", "bigint", "bool", "jsonb")


def text_reader(column: ColumnSettings, limits: LimitSettings) -> Callable[[str], Value]:
    """A function from text to the column's cell, for text that is a value by itself. It raises Unfit with the column.

    For ``int``, ``bigint``, ``bool`` and ``jsonb`` the text is JSON; for every other type it is the string itself.
    """
    if column.mask is not None:
        return lambda text: text
    read = json_reader(column, limits)

    def read_text(text: str) -> Value:
        try:
            return read(text.encode() if column.type in _JSON_IN_TEXT else msgspec.json.encode(text))
        except UnicodeEncodeError:
            raise Unfit(Reason.INVALID_UNICODE, column.name) from None

    return read_text


def default_cell(column: ColumnSettings, limits: LimitSettings) -> Cell:
    """The configured default as a cell, None if there is none. ConfigError if the column's type cannot hold it."""
    if column.default is None or column.mask is not None:
        return None
    is_document = column.type == "jsonb" and isinstance(column.default, str)
    text = str(column.default).encode() if is_document else msgspec.json.encode(column.default)
    try:
        cell: Cell = json_reader(column, limits)(text)  # type: ignore[assignment]  # a float only under a mask
    except Unfit as unfit:
        raise ConfigError(
            f"column `{column.name}`: `default` is no {column.type} that the column can hold ({unfit.reason})",
            hint=f"write it as a message would have to write it for a column of type {column.type}",
        ) from None
    return cell


def json_reader(column: ColumnSettings, limits: LimitSettings) -> Callable[[bytes], Value]:
    """A function from one JSON value to the column's cell, None for null. It raises Unfit with the column."""
    how = conversion(column, limits)
    plain_text = column.type == "text" and column.mask is None
    parse = msgspec.json.Decoder(how.wire).decode
    readable = body_check(limits)

    def read(text: bytes) -> Value:
        try:
            value = _parsed(parse, readable(text))
            if plain_text and value is not None and "\0" in value:  # a mask takes a NUL as any other character
                raise Unfit(Reason.NUL_CHARACTER)
            return value if how.finish is None or value is None else how.finish(value)
        except Unfit as unfit:
            raise Unfit(unfit.reason, column.name) from None

    return read


def _parsed(parse: Callable[[bytes], Any], text: bytes) -> Any:
    try:
        return parse(text)
    except msgspec.ValidationError as error:
        raise Unfit(reason_of(str(error))) from None
    except (msgspec.DecodeError, RecursionError):
        raise Unfit(Reason.BAD_VALUE) from None
