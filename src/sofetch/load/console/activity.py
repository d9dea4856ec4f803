"""What Postgres itself counted: rows that went into the table and the quarantine, and workers that are connected.

Owns one connection that is kept for it. These are the server's statistics: they lag by about a second, count what was
rolled back too, and need no worker that answers.
"""

from __future__ import annotations

from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from sofetch.load.connection import connect, sink_error
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.settings import Settings


class Activity(Struct, frozen=True, kw_only=True):
    """Since the statistics began: rows inserted, messages quarantined; and the workers' sessions now."""

    rows_inserted: int
    quarantined: int
    sessions: int


class ActivityReader:
    """Reads it again and again. For one thread. A connection that broke is made anew at the next reading."""

    def __init__(self, settings: Settings, *, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._connection: Connection[Any] | None = None
        self._table = 0

    def read(self) -> Activity:
        """The counts now. Raises SinkRefused or SinkUnavailable."""
        try:
            connection = self._connection or self._connect()
            parameters = {"table": self._table, "worker": self._settings.sink.application_name}
            with connection.cursor(row_factory=class_row(Activity)) as cursor:
                found = cursor.execute(statement("console/activity"), parameters).fetchone()
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        return found or Activity(rows_inserted=0, quarantined=0, sessions=0)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Connection[Any]:
        connection = connect(self._dsn, self._settings.sink, role=" console")
        connection.execute("SET default_transaction_read_only = on")
        self._table = require_table(connection, self._settings).oid
        self._connection = connection
        return connection
