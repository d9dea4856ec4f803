"""What the table gives away by its numbers alone: distinct values, group sizes, the commonest value's share.

Owns the queries of ``sofetch report privacy``: read-only, in one snapshot, set-based, bounded by the statement timeout,
on a sample where the table is large. Values are looked at where a caller asks for that, and never kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import class_row

from sofetch.errors import ConfigError
from sofetch.load.connection import connect, sink_error
from sofetch.load.statements import statement
from sofetch.load.table import Table, TableColumn, require_table
from sofetch.settings import Settings

EXACT_ROWS: Final = 1_000_000
"""A table of more rows than this is sampled."""

LOOKED_AT_ROWS: Final = 2_000
"""Rows whose values are handed to the caller's ``look``."""

_LONGEST_VALUE = 10_000
_SEED = 20_261_123  # the same pages for every query of one report
_STATEMENT_CANCELLED = "57014"
_NO_EQUALITY = frozenset({"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"})
_SAMPLED_KINDS = frozenset({"r", "p", "m"})  # Postgres samples tables, partitioned ones and materialised views only
_BYTES_OF_A_ROW = 100

Look = Callable[[str, str], None]
"""Given a column's name and one value as text."""


class Groups(Struct, frozen=True, kw_only=True):
    """How rows fall into groups of equal values. ``smallest`` and ``largest`` are None where there is no row."""

    groups: int
    rows: int
    singles: int
    smallest: int | None
    largest: int | None
    below_5: int
    below_10: int


class ColumnProfile(Struct, frozen=True, kw_only=True):
    """One column of the table. ``groups`` is None if counting took longer than a statement may."""

    name: str
    declared: str
    groups: Groups | None


class TableProfile(Struct, frozen=True, kw_only=True):
    """The table in numbers. ``rows`` were examined; ``sampled`` of about ``estimated_rows``.

    ``missing`` are configured columns that the table does not have. ``together`` are the groups of the columns
    ``combined``; None if there are none or counting took too long.
    """

    database: str
    server_version: int
    table: str
    rows: int
    sampled: bool
    estimated_rows: int
    columns: list[ColumnProfile]
    missing: list[str]
    combined: list[str] = []
    together: Groups | None = None


def profile_table(
    settings: Settings,
    *,
    dsn: str,
    look: Look,
    combine: Callable[[Sequence[ColumnProfile]], Sequence[str]],
    sample_rows: int = EXACT_ROWS,
) -> TableProfile:
    """Count everything. ``look`` is given the values of some rows; ``combine`` chooses what is counted together.

    Raises SinkRefused if the table is missing, SinkUnavailable if the database is.
    """
    with _snapshot(settings, dsn) as connection:
        table = require_table(connection, settings)
        extent = _extent(connection, table)
        source = _source(table, extent, sample_rows)
        columns = [
            ColumnProfile(name=column.name, declared=column.declared, groups=_groups(connection, source, [column]))
            for column in table.columns.values()
        ]
        rows = _count(connection, source)
        looked_at = _source(table, extent, LOOKED_AT_ROWS)
        if not _look_at_rows(connection, looked_at, list(table.columns.values()), look) and rows:
            _look_at_rows(connection, source, list(table.columns.values()), look)  # the estimate was far too high
        combined = _known(combine(columns), table)
        return TableProfile(
            database=connection.info.dbname,
            server_version=connection.info.server_version,
            table=settings.sink.table,
            rows=rows,
            sampled=extent.rows > sample_rows,
            estimated_rows=max(extent.rows, rows),
            columns=columns,
            missing=[column.name for column in settings.column if column.name not in table.columns],
            combined=[column.name for column in combined],
            together=_groups(connection, source, combined) if combined and rows else None,
        )


class _Extent(Struct, frozen=True, kw_only=True):
    kind: str
    estimate: int
    bytes: int

    @property
    def rows(self) -> int:
        """The planner's estimate; of a table that was never analysed, what its size suggests."""
        return self.estimate if self.estimate > 0 else self.bytes // _BYTES_OF_A_ROW


@contextmanager
def _snapshot(settings: Settings, dsn: str) -> Iterator[Connection[Any]]:
    connection = connect(dsn, settings.sink, role=" report")
    try:
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            yield connection
    except psycopg.Error as error:
        mapped = sink_error(error)
        if error.sqlstate == _STATEMENT_CANCELLED:
            mapped.hint = "raise [sink] statement_timeout_seconds, or sample fewer rows"
        raise mapped from None
    finally:
        connection.close()


def _extent(connection: Connection[Any], table: Table) -> _Extent:
    with connection.cursor(row_factory=class_row(_Extent)) as cursor:
        found = cursor.execute(statement("extent"), {"table": table.oid}).fetchone()
    return found or _Extent(kind="", estimate=0, bytes=0)


def _source(table: Table, extent: _Extent, sample_rows: int) -> sql.Composable:
    """The table, or a part of it with about as many rows as asked for. Pages are drawn, not rows: it stays quick."""
    if extent.rows <= sample_rows:
        return table.identifier
    if extent.kind not in _SAMPLED_KINDS:
        part = sql.SQL("(SELECT * FROM {} LIMIT {}) AS part")
        return part.format(table.identifier, sql.Literal(sample_rows))
    percent = max(100.0 * sample_rows / extent.rows, 0.0001)
    part = sql.SQL("(SELECT * FROM {} TABLESAMPLE SYSTEM ({}) REPEATABLE ({}) LIMIT {}) AS part")
    return part.format(table.identifier, sql.Literal(percent), sql.Literal(_SEED), sql.Literal(sample_rows))


def _count(connection: Connection[Any], source: sql.Composable) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(source)).fetchone()
    return int(row[0]) if row else 0


def _groups(connection: Connection[Any], source: sql.Composable, columns: Sequence[TableColumn]) -> Groups | None:
    """Groups of one column, NULLs left out, or of several together, NULLs among them. None if it takes too long."""
    values = [_comparable(column) for column in columns]
    present = sql.SQL("{} IS NOT NULL").format(values[0]) if len(values) == 1 else sql.SQL("true")
    text = statement("groups").decode()
    query = sql.SQL(text).format(source=source, present=present, values=sql.SQL(", ").join(values))
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Groups)) as cursor:
            return cursor.execute(query).fetchone()
    except psycopg.Error as error:
        if error.sqlstate != _STATEMENT_CANCELLED:
            raise
        return None


def _comparable(column: TableColumn) -> sql.Composable:
    """The column, as text if its type knows no equality."""
    name = sql.Identifier(column.name)
    return sql.SQL("{}::text").format(name) if column.base_type in _NO_EQUALITY else name


def _look_at_rows(
    connection: Connection[Any], source: sql.Composable, columns: Sequence[TableColumn], look: Look
) -> int:
    """How many rows were looked at."""
    if not columns:
        return 0
    seen = 0
    names = sql.SQL(", ").join(
        sql.SQL("left({}::text, {})").format(sql.Identifier(column.name), sql.Literal(_LONGEST_VALUE))
        for column in columns
    )
    query = sql.SQL("SELECT {} FROM {} LIMIT {}").format(names, source, sql.Literal(LOOKED_AT_ROWS))
    with connection.cursor() as cursor:
        for row in cursor.stream(query):
            seen += 1
            for column, value in zip(columns, row, strict=True):
                if value is not None:
                    look(column.name, value)
    return seen


def _known(names: Sequence[str], table: Table) -> list[TableColumn]:
    unknown = [name for name in names if name not in table.columns]
    if unknown:
        raise ConfigError(
            f"the table has no column {unknown[0]!r}", hint=f"its columns: {', '.join(sorted(table.columns))}"
        )
    return [table.columns[name] for name in names]
