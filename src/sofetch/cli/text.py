"""Text for people: safe for a terminal, aligned, fitted to a width.

Owns how values, numbers and tables look. Everything that came from a queue or a table passes ``terminal_safe``, so
that a hostile value cannot move the cursor, change colours or turn the reading direction. No I/O.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

_GAP = "  "
_SHORTEST = 6
_REPLACED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNS_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Cell = object
"""What a table cell may be: None, a number, a date, or anything with a ``str``."""


def terminal_safe(text: str) -> str:
    """The text with each control character, lone surrogate and direction mark replaced by U+FFFD, so that it shows."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _unsafe(character) else character for character in text)


def shown(value: Cell | dict[str, Any] | list[Any]) -> str:
    """One value for a cell: NULL is ``∅``, so that it differs from the text ``NULL`` and from nothing."""
    match value:
        case None:
            return "∅"
        case bytes():
            return terminal_safe(value.decode("utf-8", "replace"))
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case dict() | list():  # a jsonb column, as Postgres reads it back
            return to_json(value)
        case _:
            return terminal_safe(str(value))


def to_json(value: object, *, indent: bool = False) -> str:
    """JSON in ASCII, which no terminal can misread. Dates, decimals, UUIDs and addresses become strings."""
    return json.dumps(value, indent=2 if indent else None, default=_json_default)


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 message``, ``12,000 messages``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """A duration in its largest one or two units: ``3.2 s``, ``4 min 10 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for size, unit, small, small_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {unit} {rest} {small_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def ago(moment: datetime, now: float) -> str:
    """How long ago it was, ``now`` in seconds since the epoch; in one unit, so that a line stays short."""
    amount, unit = duration(max(0.0, now - moment.timestamp())).split(" ")[:2]
    return f"{amount} {unit}"


def table(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, width: int | None = None, grouped: bool = True
) -> list[str]:
    """Lines of an aligned table: numbers to the right, text to the left, long values shortened to fit ``width``.

    ``grouped`` writes whole numbers as 12,345: right for counts, wrong for values of a table.
    """
    held = [list(row) for row in rows]
    right = [_numeric([row[index] for row in held]) for index in range(len(header))]
    texts = [[_cell_text(value, grouped=grouped) for value in row] for row in held]
    names = [terminal_safe(name) for name in header]
    needed = [max((display_width(row[index]) for row in texts), default=0) for index in range(len(header))]
    heads, widths = _fitted([names], needed, width)
    return [_line(line, widths, right) for line in [*heads, ["─" * size for size in widths], *texts]]


def fits_as_table(columns: int, width: int) -> bool:
    """Whether that many columns can stand side by side with anything left to read in them."""
    return columns * (_SHORTEST + len(_GAP)) <= width + len(_GAP)


def shorten(text: str, width: int) -> str:
    """The text in at most ``width`` columns: words lose their end, one long word (a token, an id) its middle."""
    if display_width(text) <= width:
        return text
    if " " in text or width < _SHORTEST:
        return _head(text, width - 1) + "…"
    tail = (width - 1) // 2
    return _head(text, width - 1 - tail) + "…" + _head(text[::-1], tail)[::-1]


def display_width(text: str) -> int:
    """Columns that the text takes in a terminal: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _unsafe(character: str) -> bool:
    return character in _TURNS_DIRECTION or unicodedata.category(character) in _REPLACED


def _json_default(value: object) -> object:
    match value:
        case bytes():
            return json.loads(value)
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


def _cell_text(value: Cell, *, grouped: bool) -> str:
    if grouped and isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return shown(value)


def _numeric(values: Sequence[Cell]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in present
    )


def _fitted(heads: list[list[str]], needed: list[int], width: int | None) -> tuple[list[list[str]], list[int]]:
    """Lines of the head, and widths of the columns, that fit.

    A long name over short values gives way first: it is broken at its underscores. Then the widest values do.
    """
    [names] = heads
    widths = [max(size, display_width(name)) for size, name in zip(needed, names, strict=True)]
    if width is None or sum(widths) <= (available := width - len(_GAP) * (len(names) - 1)):
        return heads, widths
    _, least = _break(names, needed, _fit(needed, available))
    # Once more, to what is left beside the longest parts of the other names.
    broken, least = _break(names, needed, _fit(least, available))
    return _stacked(broken), _fit(least, available)


def _break(names: list[str], needed: list[int], widths: list[int]) -> tuple[list[list[str]], list[int]]:
    """The names broken to ``widths``, and how wide values and parts then want to be."""
    broken = [_broken(name, size) for name, size in zip(names, widths, strict=True)]
    return broken, [max(size, *map(display_width, parts)) for size, parts in zip(needed, broken, strict=True)]


def _broken(name: str, width: int) -> list[str]:
    """The name in parts of at most ``width`` columns, as far as its underscores allow."""
    parts = [""]
    for word in re.findall(r"[^_]*_+|[^_]+", name):
        if parts[-1] and display_width(parts[-1] + word) > width:
            parts.append("")
        parts[-1] += word
    return parts


def _stacked(columns: Sequence[Sequence[str]]) -> list[list[str]]:
    """Lines of the columns' parts, the last parts on one line."""
    height = max(map(len, columns))
    padded = [[""] * (height - len(parts)) + list(parts) for parts in columns]
    return [[parts[line] for parts in padded] for line in range(height)]


def _fit(widths: list[int], available: int) -> list[int]:
    fitted = [min(size, max(available, _SHORTEST)) for size in widths]
    while sum(fitted) > available and max(fitted) > _SHORTEST:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for text, width, to_right in zip(texts, widths, right, strict=True):
        cell = shorten(text, width)
        padding = " " * (width - display_width(cell))
        cells.append(padding + cell if to_right else cell + padding)
    return _GAP.join(cells).rstrip()


def _head(text: str, width: int) -> str:
    taken = 0
    for index, character in enumerate(text):
        taken += _character_width(character)
        if taken > width:
            return text[:index]
    return text


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
