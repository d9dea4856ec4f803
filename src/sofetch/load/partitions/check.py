"""What ``sofetch check`` and ``sofetch schema`` say of the table's partitions.

Owns the findings. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from sofetch.findings import Finding, Severity
from sofetch.load.connection import connect, sink_error
from sofetch.load.partitions.found import (
    Partitioning,
    out_of_hands,
    partitioning_of,
    partitions_of,
    rule_of,
    waiting_in_default,
)
from sofetch.load.partitions.plan import Partition, Rule, Unit, has_next, plan_partitions
from sofetch.load.table import Table, find_table
from sofetch.settings import Settings

MAINTAIN = "run `sofetch maintain`, and by a schedule from then on"


def partition_findings(connection: Connection[Any], settings: Settings, table: Table) -> Iterator[Finding]:
    """Is it partitioned as configured, are there partitions ahead, and who keeps them?"""
    rule = rule_of(settings.sink)
    if rule is None:
        return
    where = f"table {settings.sink.table}"
    there = partitioning_of(connection, table)
    hands = out_of_hands(connection, there, settings.sink)
    if hands is not None:
        yield _finding("warning" if hands.fault else "ok", "sink_partitioning", where, hands.what, hands.hint)
        return
    with connection.transaction():
        connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'")
        now, existing = datetime.now(UTC), partitions_of(connection, table)
        yield from _plan_findings(connection, there, table, rule, where, now=now, existing=existing)
    if there.default is None:
        what = "it has no default partition: a row of a time that no partition is for stops the loading"
        yield _finding("warning", "sink_partitioning", where, what, "`sofetch schema --apply` makes it")
    if settings.sink.pooled or not there.may_maintain:
        yield _left_to_others(there, where, unit=rule.unit, kept=has_next(rule.unit, now, existing))


def partition_problems(settings: Settings, *, dsn: str) -> list[Finding]:
    """The findings that are not as they should be. Raises SinkRefused or SinkUnavailable."""
    if not settings.sink.partition_by:
        return []
    connection = connect(dsn, settings.sink, role=" schema")
    try:
        table = find_table(connection, settings)
        found = list(partition_findings(connection, settings, table)) if table is not None else []
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()
    return [finding for finding in found if finding.severity != "ok"]


def _plan_findings(
    connection: Connection[Any],
    there: Partitioning,
    table: Table,
    rule: Rule,
    where: str,
    *,
    now: datetime,
    existing: Sequence[Partition],
) -> Iterator[Finding]:
    waiting = waiting_in_default(connection, there, rule, now=now) if there.reads_default else []
    plan = plan_partitions(rule, there.name, now=now, existing=existing, waiting=waiting)
    if plan.make:
        what = f"{len(plan.make)} partitions are missing; rows of their time are in the default partition, or will be"
        yield _finding("warning", "sink_partitions", where, what, MAINTAIN)
    if plan.drop:
        what = f"{len(plan.drop)} partitions are older than [sink] partition_retention_days"
        yield _finding("warning", "sink_partitions", where, what, MAINTAIN)
    if not plan.make and not plan.drop:
        what = f"{len(existing)} partitions by {rule.unit} of {there.column}, {rule.ahead} of them ahead"
        yield _finding("ok", "sink_partitions", where, what)
    if not _has_index(connection, table, there):
        name = sql.Identifier(there.column or "").as_string(connection)
        hint = f"if queries ask for times within a {rule.unit}: CREATE INDEX ON {there.name} USING brin ({name})"
        yield _finding("ok", "sink_partition_index", where, f"no index begins with {there.column}", hint)


def _left_to_others(there: Partitioning, where: str, *, unit: Unit, kept: bool) -> Finding:
    """The workers do not keep them: is there a sign that somebody does?"""
    if there.may_maintain:
        what = "behind a pooler the worker makes no partitions"
    else:
        what = f"this role may not make partitions ({there.owner} owns the table), so the worker does not"
    hint = "run `sofetch maintain` by a schedule as the owner, past any pooler, once a day or more often"
    if kept:
        return _finding("warning", "sink_maintenance", where, what, f"right for a loader: {hint}")
    what += f", and there is none for the next {unit}: nobody seems to keep them"
    return _finding("warning", "sink_partitions_unkept", where, what, hint)


def _has_index(connection: Connection[Any], table: Table, there: Partitioning) -> bool:
    query = (
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a"
        " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = %s::oid AND a.attname = %s)"
    )
    row = connection.execute(query, [table.oid, there.column]).fetchone()
    return bool(row and row[0])


def _finding(severity: Severity, code: str, where: str, what: str, hint: str = "") -> Finding:
    return Finding(severity=severity, code=code, where=where, what=what, hint=hint)
