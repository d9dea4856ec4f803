"""Lines: an object of JSON lines, one record a line, as its bytes come.

Owns where a line ends and which lines are none. It must not hold more than one line and one piece of data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from sofetch.record import Private

_BLANK: Final = b" \t\r"


class Line(Private, frozen=True):
    """A line that is not blank, without its end; the first line is number 1, and blank ones are counted."""

    number: int
    body: bytes


class TooLong(Struct, frozen=True):
    """A line longer than what may be held: it is passed over, and what follows it is read."""

    number: int


def split_lines(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[Line | TooLong]:
    """The lines of the data, the last with or without an end. Raises what ``chunks`` raises."""
    number, held, size = 1, list[bytes](), 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            size += end - start
            held.append(chunk[start:end])
            yield from _line(number, held if size <= max_bytes else None)
            number, held, size, start = number + 1, [], 0, end + 1
        size += len(chunk) - start
        held.append(chunk[start:])
        if size > max_bytes:
            held.clear()
    yield from _line(number, held if size <= max_bytes else None)


def _line(number: int, held: list[bytes] | None) -> Iterator[Line | TooLong]:
    if held is None:
        yield TooLong(number)
    elif (body := b"".join(held)).strip(_BLANK):
        yield Line(number, body.rstrip(b"\r"))
