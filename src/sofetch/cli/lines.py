"""Reading JSONL for the command line: one message a line, from a file or standard input, in bounded memory.

Owns what a line may be before it goes on a queue. It must not parse it: what is odd in it is for the worker to find.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sofetch.errors import ConfigError

MAX_BODY_BYTES = 1_048_576
"""The largest message that SQS takes: 1 MiB."""

_LONGEST_LINE = MAX_BODY_BYTES + 3
"""One byte more than the longest body with its line end: enough to know that a line is too long."""

STDIN = "-"


class Line(NamedTuple):
    """One line without its end. ``problem`` says why SQS could not take it; ``body`` is then cut off."""

    number: int
    body: bytes
    problem: str | None

    def __repr__(self) -> str:
        return f"<Line {self.number} redacted>"


@contextmanager
def open_lines(path: str) -> Iterator[Iterator[Line]]:
    """The lines of a file, or of standard input, blank ones left out. Raises ConfigError if it cannot be read."""
    if path == STDIN:
        yield _lines(sys.stdin.buffer)
        return
    try:
        with Path(path).open("rb") as file:
            yield _lines(file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or "its name is not one"
        hint = "name a JSONL file, or - for stdin"
        raise ConfigError(f"{path} cannot be read: {why}", hint=hint) from None


def _lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        body = line.removesuffix(b"\n").removesuffix(b"\r")
        if not line.endswith(b"\n"):
            _skip_to_the_next(file)
        if body.strip():
            yield Line(number, body, _problem(body))


def _skip_to_the_next(file: BinaryIO) -> None:
    while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _problem(body: bytes) -> str | None:
    if len(body) > MAX_BODY_BYTES:
        return "longer than 1 MiB"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return None
