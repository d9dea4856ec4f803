"""The distinct ledger keys of an archive, in order, whatever the archive's size.

Owns that memory is bounded: the keys are sorted in a temporary file that goes with the process. Keys hold times and
parts of message ids, nothing of a body. Must not ask the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from sofetch.archive.frames import Clear

_CACHE_KIB: Final = 65_536
_SENT_BITS: Final = 48
_REST_BYTES: Final = 10


class Archived(Struct, frozen=True):
    """One message: its ledger key, and when it was archived last, in ms. It may have been archived more than once."""

    key: bytes
    last_ms: int


class DistinctKeys:
    """Each key once. ``close`` gives the file back."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # without a name: SQLite's own temporary file
        self._file.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._file.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, last_ms INTEGER NOT NULL) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def add(self, clear: Clear) -> None:
        """The keys of one frame."""
        self._file.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET last_ms = max(last_ms, excluded.last_ms)",
            ((key, clear.archived_ms) for key in clear.each_key()),
        )

    def extent(self) -> tuple[int, int] | None:
        """The first and the last sent time in ms, of those that have one."""
        row = self._file.execute("SELECT min(key), max(key) FROM seen WHERE key >= ?", [lowest_key(1)]).fetchone()
        return None if row[0] is None else (_sent_ms(row[0]), _sent_ms(row[1]))

    def between(self, first_ms: int, end_ms: int, *, size: int) -> Iterator[list[Archived]]:
        """What was sent from ``first_ms`` to before ``end_ms``, ordered by key, at most ``size`` at a time."""
        rows = self._file.execute(
            "SELECT key, last_ms FROM seen WHERE key >= ? AND key < ? ORDER BY key",
            [lowest_key(first_ms), lowest_key(end_ms)],
        )
        while page := rows.fetchmany(size):
            yield [Archived(key, last_ms) for key, last_ms in page]

    def close(self) -> None:
        """The file is gone. Idempotent."""
        self._file.close()


def lowest_key(sent_ms: int) -> bytes:
    """What no key of a message that was sent then, or later, is below. ``sent_ms`` is from 0 to 2^48 - 1."""
    return sent_ms.to_bytes(_SENT_BITS // 8, "big") + bytes(_REST_BYTES)


def _sent_ms(key: bytes) -> int:
    return int.from_bytes(key[: _SENT_BITS // 8], "big")
