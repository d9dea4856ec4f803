"""Where in a TOML document each key and value stands, so that a finding can name its line.

Owns nothing but positions: the values come from tomllib, which has accepted the text before it gets here, so this
reader may assume a valid document. Where it meets something it does not know it stops early rather than raise; a
finding then names the nearest line that is known.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")


def find_positions(text: str) -> Positions:
    """The line of every table, key and array element of a document that tomllib accepts."""
    reader = _Reader(text)
    with suppress(_Lost, RecursionError):
        reader.read_document()
    return Positions(reader.lines)


class Positions:
    """Lines by key path, as ``("column", 2, "mask")``; lines count from 1."""

    def __init__(self, lines: dict[Path, int], *, start: int = 1) -> None:
        """``start`` is the line of what has none of its own."""
        self._lines = lines
        self._start = start

    def lines(self) -> Mapping[Path, int]:
        """All that is known."""
        return self._lines

    def line(self, path: Path) -> int:
        """The line of the path, or of the nearest thing above it that has one."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
        return self._start


class _Lost(Exception):
    """The text is not what this reader thought it was; what is known so far is kept."""


class _Reader:
    """One pass over the document. ``lines`` keeps the first line of each path, or for a table its header's."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._array_lengths: dict[Path, int] = {}

    def read_document(self) -> None:
        table: Path = ()
        while self._skip_blank():
            if self._take("[["):
                table = self._open_array_table()
            elif self._take("["):
                table = self._open_table()
            else:
                self._read_pair(table)

    def _open_array_table(self) -> Path:
        line = self._line()
        path = self._inside_arrays(self._read_key_path(), last=False)
        self._expect("]]")
        index = self._array_lengths.get(path, 0)
        self._array_lengths[path] = index + 1
        self._note(path, line)
        return self._note((*path, index), line)

    def _open_table(self) -> Path:
        line = self._line()
        path = self._inside_arrays(self._read_key_path(), last=True)
        self._expect("]")
        return self._note(path, line)

    def _inside_arrays(self, names: tuple[str, ...], *, last: bool) -> Path:
        """Header names with the index of the newest element put in wherever a name is an array of tables."""
        path: Path = ()
        for position, name in enumerate(names):
            path = (*path, name)
            is_end = position == len(names) - 1
            if path in self._array_lengths and (last or not is_end):
                path = (*path, self._array_lengths[path] - 1)
        return path

    def _read_pair(self, table: Path) -> None:
        line = self._line()
        names = self._read_key_path()
        self._match(_EQUALS)
        path = table
        for name in names:
            path = self._note((*path, name), line)
        self._read_value(path)

    def _read_key_path(self) -> tuple[str, ...]:
        self._skip_spaces()
        names = [self._read_key()]
        while (dot := _DOT.match(self.text, self.at)) is not None:
            self.at = dot.end()
            names.append(self._read_key())
        self._skip_spaces()
        return tuple(names)

    def _read_key(self) -> str:
        if self.text[self.at : self.at + 1] in {'"', "'"}:
            return str(tomllib.loads("x = " + self._match(_STRING))["x"])
        return self._match(_BARE_KEY)

    def _read_value(self, path: Path) -> None:
        if self._take("["):
            self._read_array(path)
        elif self._take("{"):
            self._read_inline_table(path)
        elif self.text[self.at : self.at + 1] in {'"', "'"}:
            self._match(_STRING)
        else:
            self._match(_PLAIN_VALUE)

    def _read_array(self, path: Path) -> None:
        index = 0
        while self._skip_blank() and not self._take("]"):
            self._read_value(self._note((*path, index), self._line()))
            index += 1

    def _read_inline_table(self, path: Path) -> None:
        while self._skip_blank() and not self._take("}"):
            self._read_pair(path)

    def _note(self, path: Path, line: int) -> Path:
        self.lines.setdefault(path, line)
        return path

    def _line(self) -> int:
        return bisect_right(self._newlines, self.at - 1) + 1

    def _skip_blank(self) -> bool:
        self._match(_BLANK)
        return self.at < len(self.text)

    def _skip_spaces(self) -> None:
        while self.text[self.at : self.at + 1] in {" ", "\t"}:
            self.at += 1

    def _take(self, opening: str) -> bool:
        if not self.text.startswith(opening, self.at):
            return False
        self.at += len(opening)
        return True

    def _expect(self, closing: str) -> None:
        if not self._take(closing):
            raise _Lost

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found.group()
