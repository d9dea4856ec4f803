"""The key that rows are written by, as the table has it: columns that are never NULL, and a unique index.

Owns what the table must be for a write mode, and the DDL that makes it so. The rows are ``sofetch.load.keyed``'s.
"""

from __future__ import annotations

from typing import Any, assert_never

from psycopg import Connection, sql

from sofetch.columns import version_column
from sofetch.errors import SinkRefused
from sofetch.load.cells import Misfit
from sofetch.load.statements import statement
from sofetch.load.table import Table
from sofetch.settings import Settings


def require_key(connection: Connection[Any], settings: Settings, table: Table) -> None:
    """SinkRefused, naming all that is missing, where rows cannot be told by their key."""
    misfits = key_misfits(connection, settings, table)
    if misfits:
        raise SinkRefused(
            f"table {settings.sink.table}: " + "; ".join(misfit.what for misfit in misfits),
            hint="; ".join(dict.fromkeys(misfit.hint for misfit in misfits)),
            sqlstate="42P10",
        )


def key_misfits(connection: Connection[Any], settings: Settings, table: Table) -> list[Misfit]:
    """What keeps the table from being written by key; nothing for a table that is only inserted into."""
    if settings.sink.write == "insert":
        return []
    nullable = [
        Misfit(
            column=name,
            what=f"column {name} may be NULL, and rows are told by it",
            hint=_render(connection, set_not_null(table.identifier, name)),
        )
        for name in never_null(settings)
        if name in table.columns and not table.columns[name].not_null
    ]
    if has_unique_index(connection, settings, table):
        return nullable
    what = f"no unique index is on exactly the key ({', '.join(settings.sink.key)}), or it is partial or deferrable"
    index = _render(connection, create_index(table.identifier, settings))
    hint = f"{index}; CONCURRENTLY after INDEX lets others load meanwhile"
    return [*nullable, Misfit(column=settings.sink.key[0], what=what, hint=hint)]


def has_unique_index(connection: Connection[Any], settings: Settings, table: Table) -> bool:
    """Whether a unique index makes rows of one key impossible, whatever the order of its columns."""
    rows = connection.execute(statement("unique_indexes"), {"table": table.oid}).fetchall()
    return any(sorted(columns) == sorted(settings.sink.key) for (columns,) in rows)


def never_null(settings: Settings) -> list[str]:
    """The columns that say which row is meant, and how new it is."""
    version = version_column(settings)
    newest = [version.name] if settings.sink.write == "upsert" and version is not None else []
    return list(dict.fromkeys([*settings.sink.key, *newest]))


def privileges(settings: Settings) -> dict[str, list[str]]:
    """What a loader's role needs on columns of the table beside INSERT: to see which row is meant, and to renew it."""
    everything = [column.name for column in settings.column]
    match settings.sink.write:
        case "insert":
            return {}
        case "insert_ignore":
            return {"SELECT": settings.sink.key}
        case "upsert":
            return {"SELECT": everything, "UPDATE": everything}
        case _:
            assert_never(settings.sink.write)


def may(settings: Settings) -> sql.Composed:
    """What GRANT gives a loader on the table."""
    parts: list[sql.Composable] = [sql.SQL("INSERT")]
    for privilege, names in privileges(settings).items():
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        parts.append(sql.SQL("{} ({})").format(sql.SQL(privilege), columns))
    return sql.SQL(", ").join(parts)


def create_index(table: sql.Identifier, settings: Settings) -> sql.Composed:
    """CREATE UNIQUE INDEX on the key."""
    columns = sql.SQL(", ").join(map(sql.Identifier, settings.sink.key))
    return sql.SQL("CREATE UNIQUE INDEX ON {} ({})").format(table, columns)


def set_not_null(table: sql.Identifier, column: str) -> sql.Composed:
    """ALTER TABLE for a column of ``never_null``."""
    return sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(table, sql.Identifier(column))


def _render(connection: Connection[Any], statement_: sql.Composed) -> str:
    return statement_.as_string(connection)
