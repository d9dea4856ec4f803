"""The target table as it really is: its columns, their types and limits, looked up in the catalog.

Owns the look-up. What fits into a column is ``sofetch.load.cells``'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import class_row, scalar_row

from sofetch.errors import SinkRefused
from sofetch.load.statements import statement, table_identifier
from sofetch.settings import Settings


class TableColumn(Struct, frozen=True, kw_only=True):
    """One column. ``declared`` is its type as DDL says it; ``base_type`` what it is made of, domains resolved.

    ``kind`` is pg_type.typtype (``b`` base, ``e`` enum); ``mark`` changes when the column's type does.
    """

    name: str
    declared: str
    base_type: str
    kind: str
    typmod: int
    not_null: bool
    has_default: bool
    generated: bool
    labels: Sequence[str] | None
    mark: str

    @property
    def max_chars(self) -> int | None:
        """The limit of a ``varchar(n)`` or ``char(n)``."""
        return self.typmod - 4 if self.base_type in {"varchar", "bpchar"} and self.typmod >= 4 else None

    @property
    def precision_and_scale(self) -> tuple[int, int] | None:
        """(p, s) of ``numeric(p, s)``; the scale may be negative from PG 15 on."""
        if self.base_type != "numeric" or self.typmod < 4:
            return None
        packed = self.typmod - 4
        return packed >> 16, ((packed & 0x7FF) ^ 1024) - 1024


class Table(Struct, frozen=True, kw_only=True):
    """A table and its columns by name."""

    oid: int
    identifier: sql.Identifier
    name: str
    columns: dict[str, TableColumn]

    def mark(self, names: Sequence[str]) -> str:
        """What must be as it was for rows encoded for this table to be right."""
        return " ".join(sorted(self.columns[name].mark for name in names))


def find_table(connection: Connection[Any], settings: Settings) -> Table | None:
    """The configured table, or None if there is none by this name on the search path."""
    identifier = table_identifier(settings.sink.table)
    quoted = identifier.as_string(connection)
    with connection.cursor(row_factory=scalar_row) as cursor:
        oid = cursor.execute("SELECT to_regclass(%s)::oid", [quoted]).fetchone()
    if oid is None:
        return None
    with connection.cursor(row_factory=class_row(TableColumn)) as cursor:
        columns = cursor.execute(statement("layout"), {"table": oid}).fetchall()
    return Table(
        oid=oid,
        identifier=identifier,
        name=_bare_name(connection, oid),
        columns={column.name: column for column in columns},
    )


def require_table(connection: Connection[Any], settings: Settings) -> Table:
    """The configured table; SinkRefused if it is not there."""
    table = find_table(connection, settings)
    if table is None:
        raise SinkRefused(
            f"table {settings.sink.table} does not exist in this database",
            hint="`sofetch schema` shows the table this configuration needs; `sofetch schema --apply` makes it",
            sqlstate="42P01",
        )
    return table


def _bare_name(connection: Connection[Any], oid: int) -> str:
    """The table's bare name, as COPY names it in its errors."""
    row = connection.execute("SELECT relname::text FROM pg_catalog.pg_class WHERE oid = %s", [oid]).fetchone()
    return str(row[0]) if row else ""
