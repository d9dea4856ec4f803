"""Lenient: a body whose types changed, read column by column; what does not fit stays empty where it may.

Owns which reasons are a change of type, and the slow way to values, which only messages take that failed the fast one.
For what the fast one can read it gives the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from sofetch.decode.envelope import envelope_reader
from sofetch.decode.single import json_reader
from sofetch.decode.unfit import Unfit
from sofetch.paths import Path
from sofetch.record import Message, Reason, Value
from sofetch.settings import ColumnSettings, LimitSettings

CHANGED: Final = frozenset({Reason.WRONG_TYPE, Reason.BAD_VALUE})
"""Another type, or another form of it. A value out of range or too long is of the type."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw] | None).decode
_ARRAY: Final = msgspec.json.Decoder(list[Raw] | None).decode

_Read = Callable[["_Body", Message], Value]


class LenientReader:
    """Reads the columns of ``read``, by their places in the row; those in ``forgiven`` may be of another type."""

    def __init__(
        self, read: Sequence[tuple[int, ColumnSettings, Path | None]], limits: LimitSettings, forgiven: frozenset[int]
    ) -> None:
        """``read`` has the place in the row, the column, and its path in the body, None if it is not from there."""
        self._columns = [(at, column.name, _reader(column, path, limits)) for at, column, path in read]
        self._forgiven = forgiven

    def values(self, body: bytes, message: Message) -> tuple[dict[int, Value], dict[int, str]]:
        """The values by their places, and the names of the columns that stay empty since their type changed.

        Raises Unfit for what is not forgiven.
        """
        parts = _Body(body)
        values: dict[int, Value] = {}
        empty: dict[int, str] = {}
        for at, name, read in self._columns:
            try:
                values[at] = read(parts, message)
            except Unfit as unfit:
                if unfit.reason not in CHANGED or at not in self._forgiven:
                    raise Unfit(unfit.reason, name) from None
                values[at], empty[at] = None, name
        return values, empty


class _Body:
    """A body in pieces, each object and array in it taken apart once."""

    def __init__(self, body: bytes) -> None:
        self._parts: dict[Path, Any] = {(): Raw(body)}

    def at(self, path: Path) -> bytes | None:
        """The JSON of the value there; None if it is missing. Raises Unfit where its parents are none."""
        for depth, step in enumerate(path, start=1):
            if path[:depth] not in self._parts:
                self._parts[path[:depth]] = _member(self._parts[path[: depth - 1]], step)
        raw = self._parts[path]
        return None if raw is None else bytes(raw)


def _member(parent: Raw | None, step: str | int) -> Raw | None:
    if parent is None:
        return None
    try:
        if isinstance(step, str):
            return (_OBJECT(parent) or {}).get(step)
        members = _ARRAY(parent) or []
        return members[step] if step < len(members) else None
    except msgspec.DecodeError:
        raise Unfit(Reason.WRONG_TYPE) from None


def _reader(column: ColumnSettings, path: Path | None, limits: LimitSettings) -> _Read:
    if path is None:
        read_envelope = envelope_reader(column, limits)
        return lambda _, message: read_envelope(message)
    read = json_reader(column, limits)

    def read_body(parts: _Body, _: Message) -> Value:
        text = parts.at(path)
        return None if text is None else read(text)

    return read_body
