"""Renewing the rows of a range of a table's blocks: found by place, all columns of a row in one new version.

Owns the two statements and what they carry. Whoever calls it has begun a transaction, and knows which blocks are next
(``sofetch.load.rotation.tokens``). It must not know keys: an ``Upgrade`` renews values, and only pseudonyms pass
through here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, LiteralString, Protocol

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import class_row

from sofetch.load.registry import Fingerprint
from sofetch.load.statements import statement
from sofetch.load.table import Table

RANGES_SINCE: Final = 140_000
"""From PostgreSQL 14 on a range of places is found without reading the whole table."""


class Upgrade(Protocol):
    """How one column's tokens are renewed (``sofetch.mask.upgrade.Upgrade``)."""

    @property
    def column(self) -> str: ...  # noqa: D102
    @property
    def scheme(self) -> str: ...  # noqa: D102
    @property
    def kid(self) -> str: ...  # noqa: D102
    @property
    def kids(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def fingerprints(self) -> Sequence[Fingerprint]: ...  # noqa: D102
    @property
    def renew(self) -> Callable[[Sequence[str]], list[str | None]]: ...  # noqa: D102


class Leaf(Struct, frozen=True, kw_only=True):
    """A table that holds rows: the table itself or a partition."""

    oid: int
    schema: str
    name: str
    blocks: int
    rows_a_block: int

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in a statement."""
        return _identifier(self.schema, self.name)

    @property
    def title(self) -> str:
        """Its name for people, and in the book of rotations."""
        return f"{self.schema}.{self.name}"


def find_leaves(connection: Connection[Any], table: Table) -> list[Leaf]:
    """Where the table's rows are, with its size now."""
    with connection.cursor(row_factory=class_row(Leaf)) as cursor:
        return cursor.execute(statement("leaf_tables"), {"table": table.oid}).fetchall()


def renew_blocks(
    connection: Connection[Any], leaf: Leaf, upgrades: Sequence[Upgrade], *, blocks: tuple[int, int], most_rows: int
) -> tuple[int, bool]:
    """How many rows were renewed, and whether the same blocks may hold more of them. Raises psycopg.Error."""
    patterns = {
        f"patterns_{n}": [f"{one.scheme}.{kid}.%" for kid in sorted(one.kids)] for n, one in enumerate(upgrades)
    }
    first, end = blocks
    query = _select(leaf, upgrades, by_range=connection.info.server_version >= RANGES_SINCE)
    rows = connection.execute(query, {"first": first, "end": end, "most": most_rows, **patterns}).fetchall()
    renewed = _renewed(rows, upgrades)
    if renewed:
        columns = [list(column) for column in zip(*renewed, strict=True)]
        connection.execute(_update(leaf, upgrades), columns)
    return len(renewed), bool(renewed) and len(rows) == most_rows


def _identifier(*names: str) -> sql.Identifier:
    """For statements with parameters, where psycopg reads % in names too."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


IN_RANGE: LiteralString = "ctid >= format('(%%s,0)', %(first)s)::tid AND ctid < format('(%%s,0)', %(end)s)::tid"
ONE_BY_ONE: LiteralString = (
    "ctid = ANY (ARRAY(SELECT format('(%%s,%%s)', block, item)::tid "
    "FROM generate_series(%(first)s::bigint, %(end)s::bigint - 1) AS block, generate_series(1, 291) AS item))"
)


def _select(leaf: Leaf, upgrades: Sequence[Upgrade], *, by_range: bool) -> sql.Composed:
    """Rows of a range of blocks that hold a token to renew, locked against others that would change them."""
    columns = [_identifier(one.column) for one in upgrades]
    any_old = [
        sql.SQL("{}::text LIKE ANY ({})").format(column, sql.Placeholder(f"patterns_{n}"))
        for n, column in enumerate(columns)
    ]
    return sql.SQL(
        "SELECT ctid::text, {columns} FROM ONLY {table} "
        "WHERE {in_blocks} AND ({any_old}) LIMIT {most} FOR NO KEY UPDATE"
    ).format(
        columns=sql.SQL(", ").join(sql.SQL("{}::text").format(column) for column in columns),
        table=leaf.identifier,
        in_blocks=sql.SQL(IN_RANGE if by_range else ONE_BY_ONE),
        most=sql.Placeholder("most"),
        any_old=sql.SQL(" OR ").join(any_old),
    )


def _update(leaf: Leaf, upgrades: Sequence[Upgrade]) -> sql.Composed:
    """All columns of a row at once: one new version of the row, not one for each column."""
    names = [sql.Identifier(f"new_{n}") for n in range(len(upgrades))]
    return sql.SQL(
        "UPDATE ONLY {table} AS t SET {assignments} FROM unnest(%s::tid[], {arrays}) AS m (place, {names}) "
        "WHERE t.ctid = m.place"
    ).format(
        table=leaf.identifier,
        assignments=sql.SQL(", ").join(
            sql.SQL("{column} = coalesce(m.{name}, t.{column})").format(column=_identifier(one.column), name=name)
            for one, name in zip(upgrades, names, strict=True)
        ),
        arrays=sql.SQL(", ").join([sql.SQL("%s::text[]")] * len(upgrades)),
        names=sql.SQL(", ").join(names),
    )


def _renewed(rows: Sequence[tuple[Any, ...]], upgrades: Sequence[Upgrade]) -> list[tuple[Any, ...]]:
    """For each row with something new: its place, and the new value of each column, None where it stays."""
    if not rows:
        return []
    places, *columns = zip(*rows, strict=True)
    new = [_renewed_column(column, one) for column, one in zip(columns, upgrades, strict=True)]
    return [row for row in zip(places, *new, strict=True) if any(value is not None for value in row[1:])]


def _renewed_column(values: Sequence[str | None], upgrade: Upgrade) -> list[str | None]:
    """Each different old value is worked out once."""
    prefixes = tuple(f"{upgrade.scheme}.{kid}." for kid in upgrade.kids)
    old = sorted({value for value in values if value is not None and value.startswith(prefixes)})
    new = dict(zip(old, upgrade.renew(old), strict=True))
    return [None if value is None else new.get(value) for value in values]
