"""What must exist in the database: our schema, and the target table; saying it as DDL, and applying it.

Owns the plan: only ever adds, but for the one change that must be asked for (``widen``). Nothing is dropped.
"""

from __future__ import annotations

from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection, sql

from sofetch.columns import produced
from sofetch.load.cells import INT_LIMITS
from sofetch.load.connection import connect, require_version, sink_error
from sofetch.load.key_index import create_index, has_unique_index, never_null, set_not_null
from sofetch.load.ledger import keep_partitions
from sofetch.load.migrations import SINK, migrate, pending_migrations
from sofetch.load.partitions.found import out_of_hands, partitioning_of
from sofetch.load.registry import schema_state
from sofetch.load.statements import table_identifier, table_parts
from sofetch.load.table import Table, TableColumn, find_table
from sofetch.settings import ColumnSettings, Settings


class SchemaStep(Struct, frozen=True, kw_only=True):
    """One step. ``what`` says it in words, ``sql`` as SQL; ``automatic`` is False where it must be asked for."""

    what: str
    sql: str
    automatic: bool = True


def plan_schema(settings: Settings, *, dsn: str) -> list[SchemaStep]:
    """What ``apply_schema`` would do, in order; empty if all is there. Changes nothing."""
    connection = connect(dsn, settings.sink, role=" schema")
    try:
        require_version(connection)
        return _migration_steps(connection) + table_steps(connection, settings)
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def apply_schema(settings: Settings, *, dsn: str, widen: bool = False) -> list[SchemaStep]:
    """Apply what is missing and return it. Integer columns that now get text are changed only with ``widen``.

    Safe to run by many at once: each waits for the other and then finds nothing to do.
    """
    connection = connect(dsn, settings.sink, role=" schema")
    try:
        require_version(connection)
        with connection.transaction():
            done = _apply_migrations(connection)
            steps = [step for step in table_steps(connection, settings) if step.automatic or widen]
            for step in steps:
                connection.execute(step.sql.encode())
            if done:
                keep_partitions(connection, settings)
        return done + steps
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def table_ddl(settings: Settings, connection: Connection[Any] | None = None) -> str:
    """CREATE TABLE for the configured columns."""
    not_null = set(never_null(settings)) if settings.sink.write != "insert" else set()
    columns = [
        sql.SQL("    {} {}").format(sql.Identifier(column.name), _sql_type(column))
        + sql.SQL(" NOT NULL" if column.name in not_null else "")
        for column in settings.column
    ]
    if settings.sink.key:
        columns.append(
            sql.SQL("    PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, settings.sink.key)))
        )
    create = sql.SQL("CREATE TABLE {} (\n{}\n)").format(
        table_identifier(settings.sink.table), sql.SQL(",\n").join(columns)
    )
    if settings.sink.partition_by:
        by = sql.Identifier(settings.sink.partition_column or "")
        create += sql.SQL(" PARTITION BY RANGE ({})").format(by)
    return create.as_string(connection)


def _migration_steps(connection: Connection[Any]) -> list[SchemaStep]:
    state = schema_state(connection)
    steps = [] if state is not None else [_our_step("bookkeeping")]
    return steps + [_our_step(name) for name in pending_migrations(state)]


def _apply_migrations(connection: Connection[Any]) -> list[SchemaStep]:
    was_there = schema_state(connection) is not None
    applied = migrate(connection)
    first = [] if was_there or not applied else [_our_step("bookkeeping")]
    return first + [_our_step(name) for name in applied]


def _our_step(name: str) -> SchemaStep:
    return SchemaStep(what=f"schema sofetch: {name}", sql=SINK.script(name))


def table_steps(connection: Connection[Any], settings: Settings) -> list[SchemaStep]:
    """What the user's own table needs, or all of it if there is none."""
    table = find_table(connection, settings)
    if table is None:
        step = SchemaStep(what=f"make the table {settings.sink.table}", sql=table_ddl(settings, connection))
        default = [_default_step(connection, settings)] if settings.sink.partition_by else []
        return [*_user_schema_steps(connection, settings), step, *default]
    steps = [column_step(connection, table, column) for column in settings.column]
    return [step for step in steps if step is not None] + further_steps(connection, settings, table)


def further_steps(connection: Connection[Any], settings: Settings, table: Table) -> list[SchemaStep]:
    """What a table that is there needs beside columns: for its key, and the default partition."""
    steps = _key_steps(connection, settings, table)
    if settings.sink.partition_by and _lacks_default(connection, settings, table):
        steps.append(_default_step(connection, settings))
    return steps


def _lacks_default(connection: Connection[Any], settings: Settings, table: Table) -> bool:
    there = partitioning_of(connection, table)
    return there.default is None and out_of_hands(connection, there, settings.sink) is None


def _default_step(connection: Connection[Any], settings: Settings) -> SchemaStep:
    """What takes the rows of a time that no partition is for: none is refused for want of one."""
    *schema, name = table_parts(settings.sink.table)
    create = sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT").format(
        sql.Identifier(*schema, f"{name}_default"), table_identifier(settings.sink.table)
    )
    what = f"make the default partition {name}_default"
    return SchemaStep(what=what, sql=create.as_string(connection))


def _user_schema_steps(connection: Connection[Any], settings: Settings) -> list[SchemaStep]:
    """The schema of the table, where the configuration names one that is not there."""
    *schema, _ = table_parts(settings.sink.table)
    there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ANY (%s::text[]))"
    row = connection.execute(there, [schema]).fetchone()
    if not schema or (row and row[0]):
        return []
    create = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(*schema))
    return [SchemaStep(what=f"make the schema {schema[0]}", sql=create.as_string(connection))]


def column_step(connection: Connection[Any], table: Table, column: ColumnSettings) -> SchemaStep | None:
    """What makes room for a column, if there is none or only for integers. Another type is left alone."""
    there = table.columns.get(column.name)
    if there is None:
        return _alter(connection, table, column, "ADD COLUMN {column} {type}", what="add the column")
    if _needs_widening(column, there):
        what = f"keep versions such as 0.60 as they are: {there.declared} becomes {produced(column).sql_type} in"
        change = "ALTER COLUMN {column} TYPE {type} USING {column}::text"
        return _alter(connection, table, column, change, what=what, automatic=False)
    return None


def _key_steps(connection: Connection[Any], settings: Settings, table: Table) -> list[SchemaStep]:
    """What ``insert_ignore`` and ``upsert`` need of the table: columns that are never NULL, and the unique index."""
    if settings.sink.write == "insert":
        return []
    statements = {
        f"let the column {name} never be NULL": set_not_null(table.identifier, name)
        for name in never_null(settings)
        if name not in table.columns or not table.columns[name].not_null
    }
    if not has_unique_index(connection, settings, table):
        what = f"let no two rows share their key ({', '.join(settings.sink.key)})"
        statements[what] = create_index(table.identifier, settings)
    return [SchemaStep(what=what, sql=text.as_string(connection)) for what, text in statements.items()]


def _needs_widening(column: ColumnSettings, there: TableColumn) -> bool:
    """An integer column that is to hold text: what is in it stays, as text."""
    return there.base_type in INT_LIMITS and column.mask is None and produced(column).type == "text"


def _alter(
    connection: Connection[Any], table: Table, column: ColumnSettings, change: str, *, what: str, automatic: bool = True
) -> SchemaStep:
    statement_ = sql.SQL("ALTER TABLE {table} " + change).format(
        table=table.identifier,
        column=sql.Identifier(column.name),
        type=_sql_type(column),
    )
    return SchemaStep(what=f"{what} {column.name}", sql=statement_.as_string(connection), automatic=automatic)


def _sql_type(column: ColumnSettings) -> sql.SQL:
    return sql.SQL(produced(column).sql_type)
