"""Keeping the partitions of the target table and of the ledger: the plan of ``load.partitions.plan``, carried out.

Owns the locks and the transactions. Each step is one transaction that waits for a lock for half a second at most and is
else put off to the next time: loading comes first. DETACH … CONCURRENTLY is not for these tables: Postgres refuses it
beside a default partition.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Any, Final

import psycopg
from msgspec import Struct, field
from psycopg import Connection, sql

from sofetch.errors import SinkRefused
from sofetch.load.connection import connect, require_version, sink_error
from sofetch.load.ledger import in_passing, keep_partitions
from sofetch.load.limits import no_longer
from sofetch.load.migrations import LOCK_ID
from sofetch.load.partitions.found import (
    Partitioning,
    database_now,
    out_of_hands,
    partitioning_of,
    partitions_of,
    rule_of,
    waiting_in_default,
)
from sofetch.load.partitions.plan import Make, Partition, Plan, Rule, covered_until, plan_partitions
from sofetch.load.registry import require_schema
from sofetch.load.table import Table, require_table
from sofetch.settings import Settings

MAINTENANCE_LOCK_ID: Final = LOCK_ID + 2
LEDGER_ROUNDS: Final = 20
"""How often the ledger is gone over in one maintenance: each round removes 50,000 keys made of content."""


class Maintenance(Struct, kw_only=True):
    """What was done, or would be. ``busy``: another maintenance of this database is under way, and nothing was done.

    ``left_alone`` says why the table's partitions were not touched; ``postponed`` names what a lock was in the way of,
    what there was no time for, or whose name another relation has. ``moved_rows`` came out of the default partition,
    ``expired_rows`` were in it and past keeping. ``ledger_done`` is False where the ledger needs another round. Until
    ``ends`` there is a partition for every instant from now on; None where that was not looked up.
    """

    dry_run: bool
    busy: bool = False
    left_alone: str | None = None
    hint: str = ""
    made: list[str] = field(default_factory=list)
    moved_rows: int = 0
    dropped: list[str] = field(default_factory=list)
    expired_rows: int = 0
    postponed: list[str] = field(default_factory=list)
    ledger_done: bool = True
    ends: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is left that should have been done."""
        return not self.postponed and self.ledger_done


def maintain(
    settings: Settings,
    *,
    dsn: str,
    dry_run: bool = False,
    if_allowed: bool = False,
    within_seconds: float | None = None,
    now: datetime | None = None,
) -> Maintenance:
    """Make and drop partitions by the configuration, or with ``dry_run`` say what would be. Safe to run by many.

    With ``if_allowed`` a role that may not is no error: nothing is done; and the ledger is left to whoever loads.
    ``within_seconds`` is for whoever has loading to do: no step begins later, no statement takes longer, and what is
    not done by then is postponed. ``now`` is for tests; by default it is the database's clock, one for all. Raises
    SinkUnavailable, or SinkRefused where a person must act. What was done before stays done, each step whole.
    """
    done = Maintenance(dry_run=dry_run)
    deadline = math.inf if within_seconds is None else time.monotonic() + within_seconds
    try:
        with closing(connect(dsn, settings.sink, role=" maintain")) as connection:
            require_version(connection)
            require_schema(connection)
            table = require_table(connection, settings)
            connection.execute("SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false)")
            if within_seconds is not None:
                no_longer(connection, within_seconds, in_transaction=False)
            done.busy = not _alone(connection)
            if not done.busy:
                now = now or database_now(connection)
                _maintain(connection, settings, table, done, if_allowed=if_allowed, deadline=deadline, now=now)
                connection.execute("SELECT pg_advisory_unlock(%s)", [MAINTENANCE_LOCK_ID])
    except psycopg.Error as error:
        raise sink_error(error) from None
    return done


def _alone(connection: Connection[Any]) -> bool:
    """Take the lock of whoever maintains this database, unless another has it. At the latest it ends with the session,
    which is some time after the connection was closed: the next pipeline's would still find it held.
    """
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [MAINTENANCE_LOCK_ID]).fetchone()
    return bool(row and row[0])


def _maintain(
    connection: Connection[Any],
    settings: Settings,
    table: Table,
    done: Maintenance,
    *,
    if_allowed: bool,
    deadline: float,
    now: datetime,
) -> None:
    rule = rule_of(settings.sink)
    if rule is None:
        done.left_alone = "[sink] partition_by is not set"
    else:
        there = partitioning_of(connection, table)
        hands = out_of_hands(connection, there, settings.sink)
        if hands is not None:
            done.left_alone, done.hint = hands.what, hands.hint
        elif there.may_maintain:
            plan = _plan(connection, table, there, rule, now=now)
            _carry_out(connection, table, there, plan, done, deadline=deadline)
        elif not if_allowed:
            raise _may_not(connection, there)
        if hands is None or not hands.fault:
            done.ends = covered_until(now, partitions_of(connection, table))
    if not done.dry_run and not if_allowed:  # a worker keeps the ledger between its batches
        done.ledger_done = any(keep_partitions(connection, settings) for _ in range(LEDGER_ROUNDS))


def _plan(connection: Connection[Any], table: Table, there: Partitioning, rule: Rule, *, now: datetime) -> Plan:
    query = "SELECT relname::text FROM pg_class WHERE relnamespace = %s::regnamespace AND starts_with(relname, %s)"
    schema = sql.Identifier(there.schema).as_string(connection)
    return plan_partitions(
        rule,
        there.name,
        now=now,
        existing=partitions_of(connection, table),
        waiting=waiting_in_default(connection, there, rule, now=now),
        taken={name for (name,) in connection.execute(query, [schema, f"{there.name}_p"])},
    )


def _carry_out(
    connection: Connection[Any], table: Table, there: Partitioning, plan: Plan, done: Maintenance, *, deadline: float
) -> None:
    columns = [name for name, column in table.columns.items() if not column.generated]
    done.postponed += plan.blocked

    def step(names: list[str], name: str, change: Callable[[], None], *, before: float) -> None:
        if done.dry_run or (time.monotonic() < before and in_passing(connection, change)):
            names.append(name)
        else:
            done.postponed.append(name)

    half = (time.monotonic() + deadline) / 2  # who reads the whole table holds up each drop: the rest is for making
    for drop in plan.drop:
        step(done.dropped, drop.name, partial(_drop, connection, there, drop), before=half)
    for make in plan.make:
        step(done.made, make.name, partial(_make, connection, there, make, columns, done), before=deadline)
    if plan.expire_before is not None and there.default is not None and time.monotonic() < deadline:
        _expire(connection, there, plan.expire_before, done)


def _drop(connection: Connection[Any], there: Partitioning, partition: Partition) -> None:
    """Detached first: that asks the foreign keys that refer to the table, and DROP does not say which row it was."""
    name = sql.Identifier(partition.schema, partition.name)
    connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(there.table, name))
    connection.execute(sql.SQL("DROP TABLE {}").format(name))


def _make(connection: Connection[Any], there: Partitioning, make: Make, columns: list[str], done: Maintenance) -> None:
    """Made apart and attached: that lets others go on loading, which PARTITION OF does not."""
    name = sql.Identifier(there.schema, make.name)
    like = sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING IDENTITY)")
    connection.execute(like.format(name, there.table))
    if not there.owned:
        connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(name, sql.Identifier(there.owner)))
    moved = _move(connection, there, make, name, columns) if there.default is not None else 0
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    between = [sql.Literal(there.value(at).isoformat()) for at in (make.start, make.end)]
    connection.execute(attach.format(there.table, name, *between))
    done.moved_rows += moved


def _move(
    connection: Connection[Any], there: Partitioning, make: Make, name: sql.Identifier, columns: list[str]
) -> int:
    """Rows of the default partition that belong into the new one. Nobody adds to it from here to the commit."""
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(there.default))
    query = sql.SQL(
        "WITH moved AS (DELETE FROM {default} WHERE {column} >= %s AND {column} < %s RETURNING {columns}) "
        "INSERT INTO {name} ({columns}) SELECT {columns} FROM moved"
    ).format(
        default=there.default,
        column=sql.Identifier(there.column or ""),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        name=name,
    )
    return connection.execute(query, [there.value(make.start), there.value(make.end)]).rowcount


def _expire(connection: Connection[Any], there: Partitioning, before: datetime, done: Maintenance) -> None:
    """Rows that came so late that their partition is gone, or would be."""
    where = sql.SQL("FROM {} WHERE {} < %s").format(there.default, sql.Identifier(there.column or ""))
    if done.dry_run:
        row = connection.execute(sql.SQL("SELECT count(*) ") + where, [there.value(before)]).fetchone()
        done.expired_rows = int(row[0]) if row else 0
        return

    def remove() -> None:
        done.expired_rows = connection.execute(sql.SQL("DELETE ") + where, [there.value(before)]).rowcount

    if not in_passing(connection, remove):
        done.postponed.append(str(there.default_name))


def _may_not(connection: Connection[Any], there: Partitioning) -> SinkRefused:
    return SinkRefused(
        f"the role {connection.info.user} may not make or drop partitions of {there.name}: {there.owner} owns it",
        hint="run `sofetch maintain` by a schedule as its owner, with a SOFETCH_SINK_DSN of its own",
        sqlstate="42501",
    )
