"""The target table beside the configuration: its columns as they are, where the two disagree, and the SQL between them.

Owns what `sofetch schema diff` knows of the database. Changes nothing in it; what of the SQL loses something is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import psycopg
from msgspec import Struct
from psycopg import Connection, sql

from sofetch.columns import produced
from sofetch.load.cells import TEXT_TYPES, Misfit
from sofetch.load.connection import connect, require_version, sink_error
from sofetch.load.key_index import never_null
from sofetch.load.rows import fit_columns, narrow_columns
from sofetch.load.setup.schema import column_step, further_steps, table_steps
from sofetch.load.table import Table, TableColumn, find_table
from sofetch.settings import ColumnSettings, Settings

FaultCode = Literal[
    "table_missing",
    "column_missing",
    "column_misfit",
    "column_narrow",
    "column_not_null",
    "column_unfilled",
    "column_leftover",
    "table_step",
]

REWRITES: Final = "it rewrites the table under an exclusive lock, and fails on, or alters, what does not fit"
_PRIMARY_KEY: Final = """
SELECT a.attname::text FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid
WHERE i.indrelid = %s::oid AND i.indisprimary AND a.attnum = ANY (i.indkey)
"""


class ColumnThere(Struct, frozen=True, kw_only=True):
    """One column of the table; ``type`` as DDL says it. ``filled`` where Postgres gives what an INSERT leaves out."""

    name: str
    type: str
    not_null: bool
    filled: bool


class Fault(Struct, frozen=True, kw_only=True):
    """One disagreement of table and configuration. ``column`` is None where it is about the whole table.

    ``sql`` is what reconciles the two, None where nothing does; ``caution`` why nobody should run it unread.
    """

    code: FaultCode
    column: str | None
    what: str
    hint: str = ""
    sql: str | None = None
    caution: str = ""


class Layout(Struct, frozen=True, kw_only=True):
    """The table by its configured name; without columns where there is none. ``proposed`` is the SQL that adds each of
    the proposed columns that it lacks.
    """

    table: str
    columns: list[ColumnThere]
    faults: list[Fault]
    proposed: dict[str, str]


def read_layout(settings: Settings, *, dsn: str, proposed: Sequence[ColumnSettings] = ()) -> Layout:
    """Look at the table. ``proposed`` are columns that the configuration could have. Raises SinkUnavailable."""
    connection = connect(dsn, settings.sink, role=" schema")
    try:
        require_version(connection)
        table = find_table(connection, settings)
        if table is None:
            return Layout(table=settings.sink.table, columns=[], faults=[_no_table(connection, settings)], proposed={})
        return Layout(
            table=settings.sink.table,
            columns=[_there(column) for column in table.columns.values()],
            faults=list(_faults(connection, settings, table)),
            proposed=_additions(connection, table, proposed),
        )
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def _no_table(connection: Connection[Any], settings: Settings) -> Fault:
    steps = table_steps(connection, settings)
    return Fault(
        code="table_missing",
        column=None,
        what=f"table {settings.sink.table} does not exist in this database",
        hint="`sofetch schema --apply` makes it",
        sql=";\n".join(step.sql for step in steps),
    )


def _there(column: TableColumn) -> ColumnThere:
    return ColumnThere(
        name=column.name,
        type=column.declared,
        not_null=column.not_null,
        filled=column.has_default or column.generated,
    )


def _additions(connection: Connection[Any], table: Table, proposed: Sequence[ColumnSettings]) -> dict[str, str]:
    steps = {column.name: column_step(connection, table, column) for column in proposed}
    return {name: step.sql for name, step in steps.items() if step is not None and name not in table.columns}


def _faults(connection: Connection[Any], settings: Settings, table: Table) -> Iterator[Fault]:
    configured = {column.name: column for column in settings.column}
    alter = _Alter(connection, table)
    for fit in fit_columns(settings, table):
        if isinstance(fit, Misfit):
            yield _misfit(connection, table, configured[fit.column], fit, alter)
    for misfit in narrow_columns(settings, table):
        yield _narrow(table.columns[misfit.column], configured[misfit.column], misfit, alter)
    keyed = {*never_null(settings), *_primary_key(connection, table)}
    for column in table.columns.values():
        if column.name in configured:
            yield from _not_null(configured[column.name], column, keyed, alter)
        elif not column.has_default and not column.generated:
            yield _unwritten(column, keyed, alter)
    for step in further_steps(connection, settings, table):
        yield Fault(code="table_step", column=None, what=f"to do: {step.what}", sql=step.sql)


def _misfit(connection: Connection[Any], table: Table, column: ColumnSettings, misfit: Misfit, alter: _Alter) -> Fault:
    step = column_step(connection, table, column)
    there = table.columns.get(misfit.column)
    if there is None:
        added = step.sql if step is not None else None
        return Fault(code="column_missing", column=misfit.column, what=misfit.what, hint=misfit.hint, sql=added)
    if there.generated:
        return Fault(code="column_misfit", column=misfit.column, what=misfit.what, hint=misfit.hint)
    changed = step.sql if step is not None else alter.type_of(there, produced(column).sql_type)
    caution = "" if _only_widens(there, column) else REWRITES
    return Fault(
        code="column_misfit", column=misfit.column, what=misfit.what, hint=misfit.hint, sql=changed, caution=caution
    )


def _narrow(there: TableColumn, column: ColumnSettings, misfit: Misfit, alter: _Alter) -> Fault:
    return Fault(
        code="column_narrow",
        column=misfit.column,
        what=f"column {misfit.column} is {there.declared}, longer values go to quarantine",
        hint=misfit.hint,
        sql=alter.type_of(there, produced(column).sql_type),
        caution="" if _only_widens(there, column) else REWRITES,
    )


def _only_widens(there: TableColumn, column: ColumnSettings) -> bool:
    """Whether the change leaves the table's pages and every value as they are: varchar(n) to a longer one, or text."""
    return there.base_type == "varchar" and produced(column).type == "text"


def _not_null(column: ColumnSettings, there: TableColumn, keyed: set[str], alter: _Alter) -> Iterator[Fault]:
    """Rows may lack it by the configuration and must not by the table. Envelope values are nearly all always there."""
    may_lack = column.value is None or column.value.startswith(("attribute:", "group_id"))
    if there.not_null and may_lack and not column.required and column.default is None and not there.generated:
        yield Fault(
            code="column_not_null",
            column=column.name,
            what=f"column {column.name} is NOT NULL in the table, and the configuration lets it be missing",
            hint="set required = true, or a `default`, or let the table take rows without it",
            sql=None if column.name in keyed else alter.drop_not_null(there),
        )


def _unwritten(column: TableColumn, keyed: set[str], alter: _Alter) -> Fault:
    if column.not_null:
        return Fault(
            code="column_unfilled",
            column=column.name,
            what=f"column {column.name} is NOT NULL without a default, and the configuration does not fill it: "
            "no row can be loaded",
            hint=f"add a [[column]] named {column.name}, give the table's column a default, or let it be NULL",
            sql=None if column.name in keyed else alter.drop_not_null(column),
        )
    return Fault(
        code="column_leftover",
        column=column.name,
        what=f"column {column.name} of the table is filled by nothing: it is NULL in every new row",
        hint=f"add a [[column]] named {column.name}, or drop it by hand once nobody reads it",
        sql=alter.drop(column),
        caution="what is in the column is lost",
    )


class _Alter:
    """ALTER TABLE of one table, as text."""

    def __init__(self, connection: Connection[Any], table: Table) -> None:
        self._connection = connection
        self._table = table

    def type_of(self, column: TableColumn, to: str) -> str:
        """Another type; what stands there is cast, but for text, which becomes text by itself."""
        using = "" if column.base_type in TEXT_TYPES and to.startswith(("varchar", "text")) else " USING {column}::{to}"
        return self._text("ALTER COLUMN {column} TYPE {to}" + using, column, to)

    def drop_not_null(self, column: TableColumn) -> str:
        """The column may be NULL."""
        return self._text("ALTER COLUMN {column} DROP NOT NULL", column)

    def drop(self, column: TableColumn) -> str:
        """The column and all that is in it."""
        return self._text("DROP COLUMN {column}", column)

    def _text(self, change: str, column: TableColumn, to: str = "") -> str:
        made = sql.SQL("ALTER TABLE {table} " + change).format(
            table=self._table.identifier,
            column=sql.Identifier(column.name),
            to=sql.SQL(to),
        )
        return made.as_string(self._connection)


def _primary_key(connection: Connection[Any], table: Table) -> set[str]:
    return {name for (name,) in connection.execute(_PRIMARY_KEY, [table.oid]).fetchall()}
