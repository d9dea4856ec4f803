"""Reading JSONL for the command line: one message a line, from a file or standard input, in bounded memory.

Owns what a line may be before it goes on a queue. It must not parse more than it needs to warn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sofetch.errors import ConfigError

MAX_BODY_BYTES = 1_048_576
"""The largest message that SQS takes: 1 MiB."""

_LONGEST_LINE = MAX_BODY_BYTES + 3
"""One byte more than the longest body with its line end: enough to know that a line is too long."""

STDIN = "-"


@contextmanager
def open_lines(path: str) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Numbered lines without their line ends, blank ones left out. Raises ConfigError for what cannot be a message."""
    if path == STDIN:
        yield _numbered(sys.stdin.buffer, "stdin")
        return
    try:
        with Path(path).open("rb") as file:
            yield _numbered(file, path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _numbered(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        body = line.removesuffix(b"\n").removesuffix(b"\r")
        if not body.strip():
            continue
        _refuse_unsendable(body, f"{name}:{number}")
        yield number, body


def _refuse_unsendable(body: bytes, where: str) -> None:
    if len(body) > MAX_BODY_BYTES:
        hint = "SQS takes messages of at most 1 MiB (1,048,576 bytes); the lines before this one are sent"
        raise ConfigError(f"{where}: the line is longer than 1 MiB", hint=hint)
    try:
        body.decode()
    except UnicodeDecodeError as error:
        hint = "an SQS message is text; the lines before this one are sent"
        raise ConfigError(f"{where}: byte {error.start} is not UTF-8", hint=hint) from None


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError(f"{path} cannot be read: {error.strerror}", hint="name a JSONL file, or - for stdin")
