"""How the target table is partitioned now: looked up in the catalog, and held against what is configured.

Owns the look-up, and why a table's partitions are not sofetch's to keep. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import class_row

from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load.partitions.plan import Partition, Rule, bounds
from sofetch.load.statements import statement
from sofetch.load.table import Table
from sofetch.settings import SinkSettings


class Partitioning(Struct, frozen=True, kw_only=True):
    """How a table is partitioned. ``kind`` is pg_class.relkind, ``strategy`` ``r`` for ranges; ``column`` its only key.

    ``may_maintain`` says whether this role may make and drop partitions.
    """

    schema: str
    name: str
    kind: str
    strategy: str | None
    column: str | None
    type: str | None
    default_schema: str | None
    default_name: str | None
    reads_default: bool
    may_maintain: bool
    owner: str
    owned: bool

    @property
    def table(self) -> sql.Identifier:
        """The table by its full name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def default(self) -> sql.Identifier | None:
        """The default partition by its full name."""
        if self.default_schema is None or self.default_name is None:
            return None
        return sql.Identifier(self.default_schema, self.default_name)

    def value(self, at: datetime) -> date:
        """An instant as a value of the partition column."""
        return at.date() if self.type == "date" else at


class Hands(Struct, frozen=True):
    """Why the partitions are not sofetch's to keep. ``fault`` is False where that is as it should be."""

    what: str
    hint: str
    fault: bool = True


def database_now(connection: Connection[Any]) -> datetime:
    """The database's time, which is one for all. Of a transaction the time at which it began."""
    row = connection.execute("SELECT now()").fetchone()
    if row is None or not isinstance(row[0], datetime):
        raise SinkRefused("the database does not say what time it is", hint="`sofetch check` tries the connection")
    return row[0]


def rule_of(sink: SinkSettings) -> Rule | None:
    """What is configured, or None where the table is not to be partitioned."""
    if not sink.partition_by:
        return None
    return Rule(unit=sink.partition_by, ahead=sink.partition_ahead, retention_days=sink.partition_retention_days)


def partitioning_of(connection: Connection[Any], table: Table) -> Partitioning:
    """How the table is partitioned, if it is."""
    with connection.cursor(row_factory=class_row(Partitioning)) as cursor:
        found = cursor.execute(statement("partitioned"), {"table": table.oid}).fetchone()
    if found is None:
        raise SinkUnavailable(f"table {table.name} was dropped since it was looked up")
    return found


def partitions_of(connection: Connection[Any], table: Table) -> list[Partition]:
    """Its partitions but the default one. The session's TimeZone must be UTC, its DateStyle ISO."""
    rows = connection.execute(statement("partition_bounds"), {"table": table.oid})
    return [
        Partition(schema=schema, name=name, start=start, end=end)
        for schema, name, bound in rows
        for start, end in [bounds(bound)]
    ]


def waiting_in_default(
    connection: Connection[Any], there: Partitioning, rule: Rule, *, now: datetime
) -> list[datetime]:
    """Days on which rows of the default partition are, of those that may get a partition. Needs SELECT on it."""
    if there.default is None or there.column is None:
        return []
    query = sql.SQL(
        "SELECT DISTINCT {column}::date::timestamp FROM {default} WHERE {column} >= %s AND {column} < %s"
    ).format(column=sql.Identifier(there.column), default=there.default)
    between = [there.value(rule.look_back(now)), there.value(rule.horizon(now))]
    return [day.replace(tzinfo=UTC) for (day,) in connection.execute(query, between)]


def out_of_hands(connection: Connection[Any], there: Partitioning, sink: SinkSettings) -> Hands | None:
    """Why sofetch does not keep this table's partitions; None if it does."""
    return next(_reasons(connection, there, sink), None)


def _reasons(connection: Connection[Any], there: Partitioning, sink: SinkSettings) -> Iterator[Hands]:
    if there.kind != "p":
        yield Hands("it is not partitioned, and a table cannot be made so in place", _replace(there, sink))
    elif there.strategy != "r" or there.column != sink.partition_column or there.type not in {"date", "timestamptz"}:
        what = f"it is not partitioned by ranges of `{sink.partition_column}` as a date or timestamptz"
        yield Hands(what, 'name the column that it is partitioned by, or set [sink] partition_by = ""')
    elif _is_managed(connection, there):
        what = "pg_partman manages its partitions: sofetch leaves them alone"
        yield Hands(what, "its own part_config says how many are made and how long they are kept", fault=False)


def _replace(there: Partitioning, sink: SinkSettings) -> str:
    return (
        f"rename it ({there.name} to {there.name}_before), run `sofetch schema --apply`, which makes it anew, "
        f'and copy the rows over; or set [sink] partition_by = "". Unique keys must include {sink.partition_column}'
    )


def _is_managed(connection: Connection[Any], there: Partitioning) -> bool:
    row = connection.execute(PARTMAN_SCHEMA).fetchone()
    if row is None or row[0] is None:
        return False
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE parent_table = %s)").format(
        sql.Identifier(row[0], "part_config")
    )
    managed = connection.execute(query, [f"{there.schema}.{there.name}"]).fetchone()
    return bool(managed and managed[0])


# Only where this role may ask it: one that may not is no owner of partitions either.
PARTMAN_SCHEMA = """
SELECT n.nspname::text
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'part_config' AND c.relkind = 'r' AND has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'SELECT')
  AND (n.nspname = 'partman' OR EXISTS (
      SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_partman' AND e.extnamespace = n.oid))
LIMIT 1
"""
