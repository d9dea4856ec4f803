"""How many rows the target table has of each hour of sending, where the rows say when their message was sent.

Owns that it stays cheap: one look at the table, of the hours asked for, given up after some seconds. Reads only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg import Connection, errors, sql

from sofetch.columns import version_column
from sofetch.load.connection import sink_error
from sofetch.load.limits import no_longer
from sofetch.load.table import find_table
from sofetch.settings import Settings

MOST_SECONDS: Final = 10
"""So long a look may take. With an index on the sent time, or partitions by it, it reads no other hours."""

_HOUR_MS: Final = 3_600_000
_HOURS: Final = {
    "timestamptz": "floor(extract(epoch FROM {column}) / 3600)::bigint",
    "timestamp": "floor(extract(epoch FROM {column}) / 3600)::bigint",
    "int8": "{column} / 3600000",
}
"""The hour, from 1970 on, by the type of the column. Without a zone it is in UTC: so it is loaded."""


class Counted(Struct, frozen=True):
    """Rows of each hour that has any, by the first millisecond of the hour."""

    rows: dict[int, int]


class NotCounted(Struct, frozen=True):
    """Why they were not."""

    why: str


def count_rows(connection: Connection[Any], settings: Settings, *, first_ms: int, end_ms: int) -> Counted | NotCounted:
    """The rows of what was sent from ``first_ms`` to before ``end_ms``, in a transaction of its own.

    Raises SinkUnavailable and SinkRefused where the connection is of no more use.
    """
    sent = version_column(settings)
    if sent is None:
        return NotCounted('no column tells the sent time (value = "sent_time", type = "timestamp")')
    try:
        with connection.transaction():
            table = find_table(connection, settings)
            column = table.columns.get(sent.name) if table is not None else None
            if table is None or column is None or column.base_type not in _HOURS:
                return NotCounted(f"{settings.sink.table} has no column {sent.name} that tells the sent time")
            no_longer(connection, MOST_SECONDS, in_transaction=True)
            bounds = [_bound(at_ms, column.base_type) for at_ms in (first_ms, end_ms)]
            found = connection.execute(_query(table.identifier, sent.name, column.base_type), bounds).fetchall()
    except (errors.QueryCanceled, errors.LockNotAvailable):
        return NotCounted(f"{settings.sink.table} did not answer in time: ask for fewer hours, or index {sent.name}")
    except errors.InsufficientPrivilege:
        return NotCounted(f"this role may not read {sent.name} of {settings.sink.table}")
    except psycopg.Error as error:
        raise sink_error(error) from None
    return Counted({int(hour) * _HOUR_MS: int(rows) for hour, rows in found})


def _query(table: sql.Identifier, column: str, base_type: str) -> sql.Composed:
    name = sql.Identifier(column)
    return sql.SQL(
        "SELECT {hour} AS hour, count(*) FROM {table} WHERE {column} >= %s AND {column} < %s GROUP BY 1"
    ).format(hour=sql.SQL(_HOURS[base_type]).format(column=name), table=table, column=name)


def _bound(at_ms: int, base_type: str) -> datetime | int:
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    match base_type:
        case "int8":
            return at_ms
        case "timestamp":
            return at.replace(tzinfo=None)
        case _:
            return at
