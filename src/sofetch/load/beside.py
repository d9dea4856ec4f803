"""A short transaction beside the loading, over a connection of its own.

Owns that it leaves nothing on a session that a pooler shares, and that the database's own errors become ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.load.connection import beginning, connect, sink_error
from sofetch.load.registry import require_schema
from sofetch.settings import Settings


@contextmanager
def beside(settings: Settings, dsn: str, *, role: str) -> Iterator[Connection[Any]]:
    """The connection, in a transaction that is committed where nothing is raised. ``role`` ends the application's name.

    Raises SinkRefused or SinkUnavailable, where our schema is missing too.
    """
    connection = connect(dsn, settings.sink, role=role, pooled=settings.sink.pooled)
    try:
        connection.execute(beginning(settings.sink))
        require_schema(connection)
        yield connection
        connection.execute("COMMIT")
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()
