"""Erasing a subject's rows and quarantine entries in Postgres, each table in a transaction of its own.

Owns the statements. Whom they are about is ``sofetch.governance``'s; a subject's names come to Postgres by COPY into a
temporary table, since a parameter of a statement can end in the server's log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import msgspec
import psycopg
from psycopg import Connection, sql

from sofetch.errors import SinkRefused
from sofetch.faults import crash_point
from sofetch.governance.erasure import SealedEntry, TablePlan
from sofetch.load.connection import connect, sink_error
from sofetch.load.registry import require_schema
from sofetch.load.table import Table, TableColumn, find_table
from sofetch.settings import Settings

QUARANTINE_BATCH: Final = 50
"""Bodies opened at a time: a body can be 1 MiB."""


class ErasureTables:
    """The sink's database, for one who may erase. Connects when made; a context manager."""

    def __init__(self, settings: Settings, *, dsn: str) -> None:
        self._settings = settings
        self._connection = connect(dsn, settings.sink, role=" erase")
        with _mapped():
            try:
                require_schema(self._connection)
            except BaseException:
                self.close()
                raise

    def require(self, plans: Sequence[TablePlan]) -> None:
        """SinkRefused for a table, column or privilege that is missing, or a type that cannot be randomised."""
        with _mapped():
            for plan in plans:
                table = self._table(plan)
                _require_privilege(self._connection, plan, table)
                for name in _changed(plan, table):
                    _random(table.columns[name], kid="k")

    def count(self, plan: TablePlan, spellings: Sequence[str]) -> int:
        """Rows whose subject column holds one of the spellings."""
        query = sql.SQL("SELECT count(*) FROM {table} AS t WHERE EXISTS ({found})")
        with self._with_names(spellings) as connection:
            table = self._table(plan)
            row = connection.execute(query.format(table=table.identifier, found=_found(plan, table))).fetchone()
        return int(row[0]) if row else 0

    def erase(self, plan: TablePlan, spellings: Sequence[str], *, kid: str) -> int:
        """Delete the rows, or put random values in their place; how many they were. Returns after the commit."""
        crash_point("mid_erasure")  # the vault's keys are destroyed
        with self._with_names(spellings) as connection:
            table = self._table(plan)
            statement = sql.SQL("{change} WHERE EXISTS ({found})").format(
                change=_change(plan, table, kid=kid), found=_found(plan, table)
            )
            return connection.execute(statement).rowcount

    def quarantined(self) -> Iterator[Sequence[SealedEntry]]:
        """All entries of the pipeline, so many at a time, in the order of their keys."""
        last: UUID | None = None
        while batch := self._quarantined_after(last):
            yield [SealedEntry(key.bytes, kid, sealed) for key, kid, sealed in batch]
            last = batch[-1][0]

    def purge(self, keys: Sequence[bytes]) -> int:
        """Delete quarantine entries. Returns after the commit."""
        crash_point("mid_erasure")  # the rows are gone
        with _mapped():
            parameters = [[UUID(bytes=key) for key in keys], self._settings.pipeline_name]
            return self._connection.execute(PURGE, parameters).rowcount

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _quarantined_after(self, last: UUID | None) -> list[tuple[UUID, str, bytes]]:
        with _mapped():
            parameters = {"pipeline": self._settings.pipeline_name, "last": last, "limit": QUARANTINE_BATCH}
            return self._connection.execute(QUARANTINED, parameters).fetchall()

    def _table(self, plan: TablePlan) -> Table:
        sink = msgspec.structs.replace(self._settings.sink, table=plan.table)
        table = find_table(self._connection, msgspec.structs.replace(self._settings, sink=sink))
        if table is None:
            hint = "correct [sink] table or [[erasure.table]]; nothing was erased"
            raise SinkRefused(f"table {plan.table} does not exist in this database", hint=hint, sqlstate="42P01")
        missing = [name for name in dict.fromkeys((plan.subject_column, *plan.columns)) if name not in table.columns]
        if missing:
            hint = "correct [[erasure.table]] or the columns; nothing was erased"
            raise SinkRefused(f"table {plan.table} has no column {', '.join(missing)}", hint=hint, sqlstate="42703")
        return table

    @contextmanager
    def _with_names(self, spellings: Sequence[str]) -> Iterator[Connection[Any]]:
        """A transaction that has the subject's names in a temporary table. One subject's rows take what time they take:
        the limit on a statement's time does not hold in it.
        """
        with _mapped(), self._connection.transaction():
            self._connection.execute("SET LOCAL statement_timeout = 0")
            self._connection.execute("CREATE TEMPORARY TABLE sofetch_erased (name text) ON COMMIT DROP")
            with self._connection.cursor().copy("COPY pg_temp.sofetch_erased FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["text"])
                for name in spellings:
                    if "\0" not in name:  # no column holds one
                        copy.write_row([name])
            yield self._connection


PURGE = """
DELETE FROM sofetch.quarantine
WHERE key = ANY (%s::uuid[]) AND pipeline_id = (SELECT id FROM sofetch.pipeline WHERE name = %s)
"""
QUARANTINED = """
SELECT q.key, q.kid, q.sealed_body
FROM sofetch.quarantine AS q JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
WHERE p.name = %(pipeline)s AND (%(last)s::uuid IS NULL OR q.key > %(last)s::uuid)
ORDER BY q.key
LIMIT %(limit)s
"""


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        cause = sink_error(error)
        what = cause.what.replace("the load", "the erasure")
        raise type(cause)(what, hint=cause.hint, sqlstate=cause.sqlstate) from None


def _found(plan: TablePlan, table: Table) -> sql.Composed:
    """That the row's subject is one of the names. An address is compared without the /32 that its text would have."""
    text = "host(t.{column})" if table.columns[plan.subject_column].base_type == "inet" else "t.{column}::text"
    query = sql.SQL("SELECT FROM pg_temp.sofetch_erased AS e WHERE e.name = " + text)
    return query.format(column=sql.Identifier(plan.subject_column))


def _change(plan: TablePlan, table: Table, *, kid: str) -> sql.Composed:
    if plan.mode == "delete":
        return sql.SQL("DELETE FROM {} AS t").format(table.identifier)
    return sql.SQL("UPDATE {} AS t SET {}").format(table.identifier, _assignments(plan, table, kid=kid))


def _changed(plan: TablePlan, table: Table) -> list[str]:
    return [name for name in plan.columns if not table.columns[name].generated] if plan.mode == "randomise" else []


def _assignments(plan: TablePlan, table: Table, *, kid: str) -> sql.Composed:
    names = _changed(plan, table)
    pairs = [_assignment(table.columns[name], kid=kid) for name in names]
    return sql.SQL(", ").join(pairs)


def _assignment(column: TableColumn, *, kid: str) -> sql.Composed:
    """NULL stays NULL: that there was no value tells of nobody."""
    change = sql.SQL("{column} = CASE WHEN t.{column} IS NULL THEN NULL ELSE {random} END")
    return change.format(column=sql.Identifier(column.name), random=_random(column, kid=kid))


def _random(column: TableColumn, *, kid: str) -> sql.Composable:
    """A fresh random value for each row: of a token's form where there is text. NULL stays for other types."""
    match column.base_type:
        case "text" | "varchar" | "bpchar":
            token = sql.SQL("{} || left(" + RANDOM_HEX + ", 40)").format(sql.Literal(f"h1.{kid}."))
            return sql.SQL("left({}, {})").format(token, sql.Literal(column.max_chars or 256))
        case "uuid":
            return sql.SQL("gen_random_uuid()")
        case "inet":
            return sql.SQL(RANDOM_ADDRESS)
        case _ if column.not_null:
            what = f"column {column.name} is {column.declared} NOT NULL: there is no random value to put there"
            raise SinkRefused(what, hint='use [erasure] mode = "delete", or leave the column out of `token_columns`')
        case _:
            return sql.SQL("NULL::{}").format(sql.SQL(column.declared))


# Random UUIDs are the one strong randomness that Postgres has without an extension.
RANDOM_HEX: Final = "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
RANDOM_ADDRESS: Final = r"regexp_replace(replace(gen_random_uuid()::text, '-', ''), '(....)(?=.)', '\1:', 'g')::inet"


def _require_privilege(connection: Connection[Any], plan: TablePlan, table: Table) -> None:
    wanted = "DELETE" if plan.mode == "delete" else "UPDATE"
    query = "SELECT has_table_privilege(%s::oid, %s) AND has_table_privilege(%s::oid, 'SELECT')"
    row = connection.execute(query, [table.oid, wanted, table.oid]).fetchone()
    if not row or not row[0]:
        hint = "run it as a role that may; nothing was erased"
        raise SinkRefused(f"this role may not {wanted} in table {plan.table}", hint=hint, sqlstate="42501")
