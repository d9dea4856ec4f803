"""Reading the target table for ``sofetch show``: rows, counts, and which values repeat.

Owns the queries. Every one is read-only and limited; names go in as identifiers, values as parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection, sql

from sofetch.errors import ConfigError
from sofetch.load.connection import connect, sink_error
from sofetch.load.table import Table, require_table
from sofetch.settings import Settings


class Rows(Struct, frozen=True, kw_only=True):
    """Rows of the configured columns, as Postgres gives them."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Counts(Struct, frozen=True, kw_only=True):
    """How many rows the table holds, and how many messages of this pipeline sit in quarantine, by reason."""

    rows: int
    quarantined: dict[str, int]


class Repeated(Struct, frozen=True, kw_only=True):
    """A value that stands in more than one row."""

    value: Any
    rows: int


def read_rows(settings: Settings, *, dsn: str, limit: int = 20, newest_by: str | None = None) -> Rows:
    """At most ``limit`` rows; those with the greatest ``newest_by`` (a column) first, or in any order."""
    with _reading(settings, dsn) as (connection, table):
        names = _names(settings, table)
        order = sql.SQL("")
        if newest_by is not None:
            order = sql.SQL("ORDER BY {} DESC NULLS LAST ").format(_column(newest_by, table))  # type: ignore[assignment]  # Composed is as good
        query = sql.SQL("SELECT {} FROM {} {}LIMIT {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), table.identifier, order, sql.Literal(limit)
        )
        return Rows(columns=names, rows=connection.execute(query).fetchall())


def count_rows(settings: Settings, *, dsn: str) -> Counts:
    """Count the table's rows and the quarantine's."""
    with _reading(settings, dsn) as (connection, table):
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier)).fetchone()
        return Counts(rows=row[0] if row else 0, quarantined=_quarantined(connection, settings))


def repeated_values(settings: Settings, column: str, *, dsn: str, limit: int = 10) -> list[Repeated]:
    """The values of ``column`` that stand in most rows, those that stand in one only left out."""
    with _reading(settings, dsn) as (connection, table):
        query = sql.SQL(
            "SELECT {column}, count(*) FROM {table} WHERE {column} IS NOT NULL"
            " GROUP BY {column} HAVING count(*) > 1 ORDER BY count(*) DESC, {column} LIMIT {limit}"
        ).format(column=_column(column, table), table=table.identifier, limit=sql.Literal(limit))
        return [Repeated(value=value, rows=rows) for value, rows in connection.execute(query)]


@contextmanager
def _reading(settings: Settings, dsn: str) -> Iterator[tuple[Connection[Any], Table]]:
    connection = connect(dsn, settings.sink, role=" show")
    try:
        connection.read_only = True
        with connection.transaction():
            yield connection, require_table(connection, settings)
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def _names(settings: Settings, table: Table) -> list[str]:
    return [column.name for column in settings.column if column.name in table.columns]


def _column(name: str, table: Table) -> sql.Identifier:
    if name not in table.columns:
        known: Sequence[str] = sorted(table.columns)
        raise ConfigError(f"the table has no column {name!r}", hint=f"its columns: {', '.join(known)}")
    return sql.Identifier(name)


def _quarantined(connection: Connection[Any], settings: Settings) -> dict[str, int]:
    there = connection.execute("SELECT to_regclass('sofetch.quarantine') IS NOT NULL").fetchone()
    if not there or not there[0]:
        return {}
    query = """
        SELECT q.reason, count(*) FROM sofetch.quarantine AS q JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
        WHERE p.name = %s GROUP BY q.reason ORDER BY count(*) DESC, q.reason
    """
    return dict(connection.execute(query, [settings.pipeline_name]).fetchall())
