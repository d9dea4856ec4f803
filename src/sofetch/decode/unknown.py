"""Unknown fields: what of a body no column reads.

Owns the comparison of a body with the columns' paths. Runs only where a policy asks, since it reads the whole body.
Must not judge what a field holds: the document that is found here is in the clear, and the masker's to hide. The names
of the fields are judged here, since they are told and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from sofetch.decode.unfit import Unfit
from sofetch.detect import is_plain_name
from sofetch.paths import Path
from sofetch.record import Private, Reason

MOST_FIELDS: Final = 64
"""So many unknown fields of one message are named; more are found and not named."""

NAMELESS: Final = "*"
"""Stands for each name that is not told."""

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")

_Known = dict[str | int, Any]
"""Each step that columns take, to the steps below it; none below is a value that a column reads as a whole."""


class Found(Private, frozen=True):
    """The unknown fields of one body: a JSON object of them, in the clear, and their paths, fit to be told."""

    document: bytes
    fields: frozenset[str]


class UnknownFields:
    """Finds what no path leads to. Changes nothing in itself."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._known: _Known = {}
        paths = list(paths)
        for path in paths:
            if not any(path[: len(whole)] == whole for whole in paths if len(whole) < len(path)):
                node = self._known
                for step in path:
                    node = node.setdefault(step, {})

    def of(self, body: bytes) -> Found | None:
        """The unknown fields of a readable body, None without any. Raises Unfit for a number or text that cannot be
        read.
        """
        try:
            value = _DECODER.decode(body)
            rest = _rest(value, self._known)
            if not rest:
                return None
            return Found(_ENCODER.encode(rest), _first_few(_fields(value, self._known, "")))
        except (msgspec.DecodeError, ArithmeticError, ValueError, RecursionError):
            pass  # the error may carry the value
        raise Unfit(Reason.BAD_VALUE)


def _first_few(names: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for name in names:
        found.add(name)
        if len(found) == MOST_FIELDS:
            break
    return frozenset(found)


def _rest(value: Any, known: _Known) -> Any:
    """The value without what is known; an empty object or array where nothing is left."""
    match value:
        case dict():
            return _left((key, member, known.get(key)) for key, member in value.items())
        case list():
            return list(_left((at, member, known.get(at)) for at, member in enumerate(value)).values())
        case _:
            return {}


def _left(members: Iterable[tuple[str | int, Any, _Known | None]]) -> dict[str | int, Any]:
    left = {}
    for step, member, below in members:
        if below is None:
            left[step] = member
        elif below and (rest := _rest(member, below)):
            left[step] = rest
    return left


def _fields(value: Any, known: _Known, path: str) -> Iterator[str]:
    """Where the known ends: the topmost fields that no column reads, and nothing of what is in them."""
    match value:
        case dict():
            members: Iterable[tuple[str | int, Any]] = value.items()
        case list():
            members = enumerate(value)
        case _:
            return
    for step, member in members:
        below = known.get(step)
        if below is None:
            yield _joined(path, step)
        elif below:
            yield from _fields(member, below, _joined(path, step))


def _joined(path: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{path}[]"
    name = step if is_plain_name(step) else NAMELESS
    return f"{path}.{name}" if path else name
