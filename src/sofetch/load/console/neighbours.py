"""The tables of the other pipelines of a configuration: what joins with ours there, and where a token stands in them.

Owns which of them are looked at: those in the same database and under the same keys, that are there and may be read.
Each question is a small one, and no longer than some seconds: whoever asks wants to see our table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from psycopg import Connection, errors, sql

from sofetch.load.console.session import reading
from sofetch.load.console.tokens import columns_of_tokens, joining
from sofetch.load.dsn import same_database
from sofetch.load.limits import no_longer
from sofetch.load.table import Table, find_table
from sofetch.settings import ColumnSettings, Settings

MOST_SECONDS: Final = 5.0

_NOT_TO_BE_HAD: Final = (
    errors.InsufficientPrivilege,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.UndefinedTable,
    errors.UndefinedColumn,
)
"""Another pipeline's table: not ours to read, too slow, locked, or changed since it was looked at."""


def shared(settings: Settings, others: Sequence[Settings], *, environ: Mapping[str, str]) -> list[Settings]:
    """Those that load into the same database, with the same keys."""
    return [
        other
        for other in others
        if other.keys == settings.keys and same_database(settings.sink, other.sink, environ=environ)
    ]


def read_joins(settings: Settings, others: Sequence[Settings], *, dsn: str) -> dict[str, list[str]]:
    """By column of ours the columns of the others' tables whose equal values have equal tokens, as TABLE.COLUMN."""
    ours, found = columns_of_tokens(settings), dict[str, list[str]]()
    with reading(settings, dsn=dsn) as connection:
        for other, table, columns in _joined(connection, settings, others):
            for column in columns:
                if column.name in table.columns:
                    for own in joining(column, ours):
                        found.setdefault(own.name, []).append(_named(other, column))
    return found


def count_beside(
    connection: Connection[Any], settings: Settings, others: Sequence[Settings], *, token: str, mask: str
) -> dict[str, int | None]:
    """In how many rows the token stands, by TABLE.COLUMN; None where that is not to be had: it may not be read, or
    takes too long.
    """
    counts: dict[str, int | None] = {}
    for other, table, columns in _joined(connection, settings, others):
        for column in columns:
            if column.mask == mask and column.name in table.columns:
                counts[_named(other, column)] = _counted(connection, table, column, token)
    return counts


def count_token(connection: Connection[Any], table: Table, column: str, token: str) -> int:
    """In how many rows of the table it stands in this column."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}::text = %s").format(table.identifier, sql.Identifier(column))
    row = connection.execute(query, [token]).fetchone()
    return row[0] if row else 0


def _counted(connection: Connection[Any], table: Table, column: ColumnSettings, token: str) -> int | None:
    try:
        with connection.transaction():
            return count_token(connection, table, column.name, token)
    except _NOT_TO_BE_HAD:
        return None


def _joined(
    connection: Connection[Any], settings: Settings, others: Sequence[Settings]
) -> Iterator[tuple[Settings, Table, list[ColumnSettings]]]:
    """The others' tables that are there and can be seen, each with its columns that join any of ours."""
    ours = columns_of_tokens(settings)
    if others:
        no_longer(connection, MOST_SECONDS, in_transaction=True)
    for other in others:
        columns = [column for column in columns_of_tokens(other) if any(joining(column, ours))]
        if _in_public(other) == _in_public(settings):  # two pipelines load into one table
            columns = [column for column in columns if column.name not in {own.name for own in ours}]
        table = _seen(connection, other) if columns else None
        if table is not None:
            yield other, table, columns


def _seen(connection: Connection[Any], other: Settings) -> Table | None:
    try:
        with connection.transaction():
            return find_table(connection, other)
    except _NOT_TO_BE_HAD:
        return None


def _named(other: Settings, column: ColumnSettings) -> str:
    return f"{other.sink.table}.{column.name}"


def _in_public(settings: Settings) -> str:
    return settings.sink.table.removeprefix("public.")
