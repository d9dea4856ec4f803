"""Since when the ledger remembers: its own word, by the database's clock.

Owns the look-up, for whoever loads what may have been loaded long ago. Changes nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from msgspec import Struct
from psycopg import Connection

from sofetch.load.beside import beside
from sofetch.load.ledger import forgotten_before
from sofetch.settings import Settings


class Remembered(Struct, frozen=True, kw_only=True):
    """``now_ms`` is the database's time. Keys from before ``forgotten_before`` were removed; None: none ever were."""

    now_ms: int
    forgotten_before: date | None = None

    @property
    def forgotten_ms(self) -> int:
        """The first millisecond of which no key was removed; 0 where none ever was."""
        if self.forgotten_before is None:
            return 0
        return int(datetime.combine(self.forgotten_before, time(), UTC).timestamp()) * 1_000


def remembered(settings: Settings, *, dsn: str) -> Remembered:
    """What the ledger of this database says. Raises SinkUnavailable or SinkRefused."""
    with beside(settings, dsn, role=" memory") as connection:
        return remembered_by(connection)


def remembered_by(connection: Connection[Any]) -> Remembered:
    """The same over a connection that is there. Raises psycopg.Error."""
    row = connection.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint").fetchone()
    assert row is not None  # noqa: S101  # it has no FROM
    return Remembered(now_ms=int(row[0]), forgotten_before=forgotten_before(connection))
