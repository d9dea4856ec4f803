"""Which keys made what is stored: kids in the tokens of a table, in the quarantine, in the audit. Reads only.

Owns reading the kid out of ``h1.<kid>.…`` and ``r1.<kid>.…``. An address names no kid: of those columns nothing can be
told here, and ``sofetch.load.rotation.tokens`` keeps book of them. It must not know keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import class_row

from sofetch.findings import Finding
from sofetch.load.connection import connect, sink_error
from sofetch.load.statements import statement
from sofetch.load.table import Table, find_table
from sofetch.settings import MaskName, Settings

PREFIX_OF_MASK: Final[dict[MaskName, str]] = {"token": "h1", "reversible": "r1"}
"""Masks whose values name their key, and how those begin."""

_BESIDE: Final = {
    "kids_in_quarantine": "sofetch.quarantine",
    "kids_in_audit": "sofetch.audit",
    "kids_in_addresses": "sofetch.key_fingerprint",
}

LOOK_SECONDS: Final = 5
"""How long ``check`` looks through a table for tokens of other keys."""


class KidUse(Struct, frozen=True, kw_only=True):
    """So many ``rows`` of ``where`` (a table, or quarantine or audit) and ``column`` are under key ``kid``.

    Of addresses (scheme ``ip`` or ``ip_prefix``) ``column`` is the domain, and nobody counted.
    """

    where: str
    column: str
    scheme: str
    kid: str
    rows: int


def kids_in_use(settings: Settings, *, dsn: str) -> list[KidUse]:
    """Every kid in the configured table's token columns, and in our quarantine and audit. Reads the whole table.

    A table or schema that is not there uses none. Raises SinkUnavailable or SinkRefused.
    """
    with _reading(settings, dsn) as connection:
        table = find_table(connection, settings)
        found = kids_in_table(connection, settings, table) if table else []
        return found + _kids_beside(connection, settings)


def kids_in_table(connection: Connection[Any], settings: Settings, table: Table) -> list[KidUse]:
    """The kids in one table's token columns, by column and kid."""
    found: list[KidUse] = []
    for column, scheme in token_columns(settings, table):
        query = sql.SQL(statement("kids_in_column").decode()).format(
            table=table.identifier, column=sql.Identifier(column)
        )
        with connection.transaction(), connection.cursor(row_factory=class_row(KidUse)) as cursor:
            connection.execute("SET LOCAL statement_timeout = 0")
            names = {"where": settings.sink.table, "column": column, "scheme": scheme}
            found += cursor.execute(query, names | {"pattern": f"{scheme}.%"}).fetchall()
    return found


def token_columns(settings: Settings, table: Table) -> list[tuple[str, str]]:
    """Names of the columns whose values name their key, those that the table has, each with its scheme."""
    schemes = [(column.name, PREFIX_OF_MASK.get(column.mask)) for column in settings.column if column.mask]
    return [(name, scheme) for name, scheme in schemes if scheme is not None and name in table.columns]


def check_kids(settings: Settings, *, dsn: str, kid_of_scheme: dict[str, str]) -> list[Finding]:
    """A warning for each column that holds tokens of another key than the one that new tokens get.

    ``kid_of_scheme`` gives the primary's kid for ``h1`` and ``r1``. A column too large to be looked through in
    ``LOOK_SECONDS`` is left out, as is one that this role may not read: a loader need read nothing. Raises
    SinkUnavailable or SinkRefused.
    """
    with _reading(settings, dsn) as connection:
        table = find_table(connection, settings)
        columns = token_columns(settings, table) if table else []
        mixed = [
            column
            for column, scheme in columns
            if table
            and _is_readable(connection, table, column)
            and holds_other(connection, table, column, scheme=scheme, kid=kid_of_scheme[scheme])
        ]
    return [_mixed(settings.sink.table, column) for column in mixed]


def _mixed(table: str, column: str) -> Finding:
    return Finding(
        severity="warning",
        code="kids_mixed",
        where=f"{table}.{column}",
        what="it holds tokens of an earlier key, which do not join the new ones",
        hint="`sofetch rotate` upgrades them, while workers run",
    )


def _is_readable(connection: Connection[Any], table: Table, column: str) -> bool:
    row = connection.execute("SELECT has_column_privilege(%s::oid, %s, 'SELECT')", [table.oid, column]).fetchone()
    return bool(row and row[0])


def holds_other(connection: Connection[Any], table: Table, column: str, *, scheme: str, kid: str) -> bool:
    """Whether tokens of another key than ``kid`` were found within ``LOOK_SECONDS``. Leaves a transaction usable."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {column} LIKE %s AND {column} NOT LIKE %s)").format(
        table.identifier, column=sql.Identifier(column)
    )
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{LOOK_SECONDS}s"])
            row = connection.execute(query, [f"{scheme}.%", f"{scheme}.{kid}.%"]).fetchone()
    except psycopg.errors.QueryCanceled:
        return False
    return bool(row and row[0])


def _kids_beside(connection: Connection[Any], settings: Settings) -> list[KidUse]:
    """Kids of sealed bodies of this pipeline, of audit rows, and of columns of addresses."""
    found: list[KidUse] = []
    for name, table in _BESIDE.items():
        exists = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
        if exists and exists[0]:
            with connection.cursor(row_factory=class_row(KidUse)) as cursor:
                query = statement(name)
                found += cursor.execute(query, {"pipeline": settings.pipeline_name}).fetchall()
    return found


@contextmanager
def _reading(settings: Settings, dsn: str) -> Iterator[Connection[Any]]:
    connection = connect(dsn, settings.sink, role=" keys")
    try:
        yield connection
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()
