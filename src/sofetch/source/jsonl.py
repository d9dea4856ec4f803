"""Files of JSON lines as messages, for a backfill: plain or gzip, one message a line, in bounded memory.

Owns the identity of a line: that of the file's content and the line's number, so that the same file again gives the
same messages, wherever it is kept and whether it is compressed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final, assert_never

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import Line, TooLong, inflated, is_gzip, split_lines
from sofetch.errors import ConfigError
from sofetch.record import FIRST_KEY_ATTRIBUTE, Message

_PIECE_BYTES: Final = 65_536
_NO_TIME: Final = bytes(6)
"""In a ledger key: the ledger never forgets it."""


class LinesFile:
    """One file. ``too_long`` are the numbers of lines that were passed over, once it was read."""

    def __init__(self, path: Path, *, queue: str, sent_ms: int | None, received_ms: int, max_bytes: int) -> None:
        self._path = path
        self._queue = queue
        self._sent_ms = sent_ms
        self._received_ms = received_ms
        self._max_bytes = max_bytes
        self.too_long: list[int] = []

    def messages(self) -> Iterator[Message]:
        """A message for each line that is not blank. Reads the file twice. Raises ConfigError if it cannot be read."""
        digest = self._digest()
        for line in split_lines(self._pieces(), max_bytes=self._max_bytes):
            match line:
                case Line():
                    yield self._message(line, digest)
                case TooLong():
                    self.too_long.append(line.number)
                case _:
                    assert_never(line)

    def _message(self, line: Line, digest: str) -> Message:
        name = f"file.{digest}.{line.number}"
        key = _NO_TIME + hashlib.sha256(name.encode()).digest()[:10]
        return Message(
            id=name,
            body=line.body,
            queue=self._queue,
            sent_ms=self._sent_ms,
            received_ms=self._received_ms,
            attributes={FIRST_KEY_ATTRIBUTE: key.hex()},
        )

    def _digest(self) -> str:
        content = hashlib.sha256()
        for piece in self._pieces():
            content.update(piece)
        return content.hexdigest()[:32]

    def _pieces(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as stream:
                pieces = iter(lambda: stream.read(_PIECE_BYTES), b"")
                first = next(pieces, b"")
                whole = chain([first], pieces)
                yield from inflated(whole) if is_gzip(first) else whole
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be read: {error.strerror}", hint="name a file of JSON lines, plain or gzip"
            ) from None
        except Unfit:
            raise ConfigError(
                f"{self._path} is gzip and damaged or cut off", hint="nothing of it was loaded; look for a whole copy"
            ) from None
