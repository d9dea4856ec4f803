"""The console's session: read-only whatever its role may do, and what that role may do beyond reading.

Owns how it is opened. Both the transaction and the session are read-only, so that a mistake in a query changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.load.connection import connect, sink_error
from sofetch.load.registry import require_schema
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.settings import Settings

_CANCELLED = "57014"


@contextmanager
def reading(settings: Settings, *, dsn: str) -> Iterator[Connection[Any]]:
    """A session in one read-only transaction. Raises SinkRefused or SinkUnavailable, also for what fails inside."""
    connection = connect(dsn, settings.sink, role=" console")
    try:
        connection.execute("SET default_transaction_read_only = on")
        require_schema(connection)
        connection.read_only = True
        with connection.transaction():
            yield connection
    except psycopg.Error as error:
        mapped = sink_error(error)
        if error.sqlstate == _CANCELLED:
            mapped.hint = "raise [sink] statement_timeout_seconds, or ask for less"
        raise mapped from None
    finally:
        connection.close()


def powers(settings: Settings, *, dsn: str) -> list[str]:
    """What the session's role may do beyond reading, as ``table: PRIVILEGE``; empty is as it should be."""
    with reading(settings, dsn=dsn) as connection:
        table = require_table(connection, settings)
        parameters = {"table": table.oid, "name": settings.sink.table}
        row = connection.execute(statement("console/powers"), parameters).fetchone()
    return list(row[0]) if row else []
