"""The ledger of seen messages: taking keys, in the transaction that stores what they stand for.

Owns the two ways to take keys (all at once, or finding out which are new) and the daily partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, LiteralString

import psycopg
from psycopg import Connection

from sofetch.load.statements import with_ledger
from sofetch.settings import Settings

# COPY BINARY by hand: a key is 16 bytes whatever it says, and joining ready-made pieces costs 60 ns a key.
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
_TRAILER = b"\xff\xff"
_BEFORE_KEY = b"\0\x02" + (16).to_bytes(4, "big")
_LENGTH_OF_ID = (4).to_bytes(4, "big")


class Ledger:
    """The ledger of one pipeline: ``sofetch.ledger`` for message keys, ``ledger_content`` for keys made of content."""

    def __init__(self, settings: Settings, *, pipeline_id: int) -> None:
        self._table = "ledger" if settings.sink.dedupe == "message" else "ledger_content"
        self._pipeline_id = pipeline_id
        self._after_key = _LENGTH_OF_ID + pipeline_id.to_bytes(4, "big")
        self._copy = f"COPY sofetch.{self._table} (key, pipeline_id) FROM STDIN (FORMAT BINARY)".encode()
        self._claim = with_ledger("claim_keys", self._table)

    def copy(self, connection: Connection[Any], keys: Sequence[bytes]) -> None:
        """Take all keys, the fast way; a unique violation (``is_taken``) if one of them is there already."""
        between = self._after_key + _BEFORE_KEY
        body = between.join(keys)
        with connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            copy.write(_SIGNATURE + _BEFORE_KEY + body + self._after_key + _TRAILER)

    def claim(self, connection: Connection[Any], keys: Sequence[bytes]) -> frozenset[bytes]:
        """Take the keys that are new and name them. Waits for others that are taking the same ones now."""
        rows = connection.execute(
            self._claim, {"pipeline_id": self._pipeline_id, "keys": as_uuid_array(keys)}, binary=True
        )
        return frozenset(row[0].bytes for row in rows)

    def is_taken(self, error: psycopg.Error) -> bool:
        """True if ``copy`` failed for a key that is in the ledger already."""
        diagnosis = error.diag
        of_ledger = diagnosis.schema_name == "sofetch" and (diagnosis.table_name or "").startswith("ledger")
        return diagnosis.sqlstate == "23505" and of_ledger


def as_uuid_array(keys: Iterable[bytes]) -> list[str]:
    """Keys as Postgres reads uuids: hexadecimal digits. Cheaper than making UUID objects of them."""
    return [key.hex() for key in keys]


def keep_partitions(connection: Connection[Any], settings: Settings) -> bool:
    """Make the days that are missing and drop those that are past keeping; False if there is more to do soon.

    Messages can be as old as SQS keeps them, 14 days. Days that are missing cost speed and tidiness, not correctness:
    their keys go into the default partition. So a reader who holds a lock, pg_dump say, must not stop the loading.
    Past keeping is what no pipeline of the database asks for: the ledger is one for all. So this one asks first.
    """
    days = settings.sink.ledger_days
    behind = min(days, LONGEST_RETENTION_DAYS)
    made = _called(connection, "SELECT sofetch.make_ledger_partitions(%s, %s)", [behind, DAYS_AHEAD])
    if not _called(connection, "SELECT sofetch.ask_for_ledger(%s, %s)", [settings.pipeline_name, days]):
        return False
    dropped = _called(connection, "SELECT sofetch.drop_ledger_partitions(%s)", [days])
    return made and dropped and not _has_old_content(connection)


def forgotten_before(connection: Connection[Any]) -> date | None:
    """The day before which keys were removed; None where none ever were. Raises psycopg.Error."""
    row = connection.execute("SELECT forgotten_before FROM sofetch.ledger_memory").fetchone()
    day: date | None = row[0] if row else None
    return day


def in_passing(connection: Connection[Any], change: Callable[[], None]) -> bool:
    """Make a change in a transaction of its own, unless it would have to wait; False if it would, and is undone.

    Whoever waits for a lock on a partitioned table makes all others wait behind it.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [LONGEST_WAIT])
            change()
    except psycopg.Error as error:
        if error.diag.sqlstate not in {"55P03", "40P01", "57014"}:  # no lock in time, a deadlock, too slow
            raise
        return False
    return True


def _called(connection: Connection[Any], query: LiteralString, parameters: Sequence[int | str]) -> bool:
    def call() -> None:
        connection.execute(query, parameters)

    return in_passing(connection, call)


def _has_old_content(connection: Connection[Any]) -> bool:
    query = (
        "SELECT EXISTS (SELECT FROM sofetch.ledger_content AS c, sofetch.ledger_memory AS m"
        " WHERE c.seen < m.forgotten_before)"
    )
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


LONGEST_WAIT = "500ms"
LONGEST_RETENTION_DAYS = 14
DAYS_AHEAD = 3
