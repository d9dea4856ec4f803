"""Rotation of what is stored: tokens of earlier keys become the primary's, in place, while workers load.

Owns the sweeps through a table, their batches and their progress. It must not know keys: an ``Upgrade`` renews values,
and only pseudonyms pass through here. A sweep goes through the table's blocks in order, in short transactions that
lock no row but those they renew. A token names its key, so nothing is renewed twice, wherever a rotation was cut off.
Rows that workers with the old keyring add meanwhile are found by the next sweep; it is over when none is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import scalar_row

from sofetch.errors import SinkRefused
from sofetch.faults import crash_point
from sofetch.load.connection import connect, require_version, sink_error
from sofetch.load.key_guard import renewed_keys
from sofetch.load.migrations import LOCK_ID
from sofetch.load.registry import Fingerprint, check_fingerprints, require_same_keys, require_schema
from sofetch.load.rotation.kids import KidUse, kids_in_table, kids_in_use
from sofetch.load.rotation.renewal import Leaf, Upgrade, find_leaves, renew_blocks
from sofetch.load.rotation.workers import refuse_workers
from sofetch.load.statements import statement
from sofetch.load.table import Table, require_table
from sofetch.settings import Settings

__all__ = ["KidUse", "Progress", "Rotated", "Upgrade", "kids_in_use", "plan_rotation", "rotate_table"]

BATCH_ROWS: Final = 5_000
MOST_SWEEPS: Final = 10
"""After so many, workers with the old keyring must be the reason."""

TRIES: Final = 5
_LOCK_OF_TABLE: Final = LOCK_ID + 2
_BUSY: Final = frozenset({"55P03", "40P01", "40001"})  # lock_not_available, deadlock_detected, serialization_failure
T = TypeVar("T")


class Progress(Struct, frozen=True, kw_only=True):
    """How far a sweep is: ``block`` of ``blocks`` of a table or partition; ``rows`` renewed since the start."""

    table: str
    sweep: int
    block: int
    blocks: int
    rows: int


class Rotated(Struct, frozen=True, kw_only=True):
    """What a rotation did. ``stragglers`` are rows that came under an earlier key while it was at work.

    ``left`` is under earlier keys still: ``stranded`` of it under keys that cannot be upgraded from, or altered.
    """

    table: str
    rows: int
    sweeps: int
    resumed: bool
    stragglers: int
    left: list[KidUse]
    stranded: list[KidUse]

    @property
    def complete(self) -> bool:
        """Whether every token of the table is the primary's."""
        return not self.left and not self.stranded


Told = Callable[[Progress], None]


def plan_rotation(settings: Settings, upgrades: Sequence[Upgrade], *, dsn: str) -> Rotated:
    """What ``rotate_table`` would find: ``left`` to be renewed, ``stranded`` not to be. Changes nothing.

    Raises SinkUnavailable, SinkRefused, or KeyringError.
    """
    with rotating(settings, dsn) as connection:
        require_schema(connection)
        require_same_keys(connection, _fingerprints(upgrades))
        left, stranded = _behind(connection, settings, require_table(connection, settings), upgrades)
    return Rotated(
        table=settings.sink.table, rows=0, sweeps=0, resumed=False, stragglers=0, left=left, stranded=stranded
    )


def rotate_table(
    settings: Settings,
    upgrades: Sequence[Upgrade],
    *,
    dsn: str,
    batch_rows: int = BATCH_ROWS,
    workers_stopped: bool = False,
    told: Told = lambda _: None,
) -> Rotated:
    """Renew the configured table's tokens until none of an earlier key is left, or ``MOST_SWEEPS`` were in vain.

    One rotation of a table runs at a time. Whatever ends it, what is committed stays and the next one goes on.
    Where a token is in the key that rows are written by, it is refused while sessions named as workers are connected,
    unless ``workers_stopped`` says that they are none: a worker would write a second row of the same identity.
    Raises SinkUnavailable or SinkRefused; KeyringError, and nothing done, for keys that are not those of the tokens.
    """
    with rotating(settings, dsn) as connection:
        require_schema(connection)
        check_fingerprints(connection, _fingerprints(upgrades))
        table = require_table(connection, settings)
        with _alone(connection, table):
            if not workers_stopped and renewed_keys(settings) and _behind(connection, settings, table, upgrades)[0]:
                refuse_workers(connection, settings, columns="tokens that rows are written by")
            return _Rotation(connection, settings, table, upgrades, batch_rows=batch_rows, told=told).run()


@contextmanager
def rotating(settings: Settings, dsn: str) -> Iterator[Connection[Any]]:
    """A connection for a rotation; errors of psycopg become ours."""
    connection = connect(dsn, settings.sink, role=" rotate")
    try:
        require_version(connection)
        yield connection
    except psycopg.errors.UniqueViolation:
        raise SinkRefused(
            f"table {settings.sink.table} has a row of the same identity under two keys, and a unique index allows one",
            hint="a worker wrote under the new key before the old rows were renewed: delete one of the two; what was "
            "renewed is committed, and running it again goes on from there",
            sqlstate="23505",
        ) from None
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


class _Rotation:
    """One rotation of one table."""

    def __init__(
        self,
        connection: Connection[Any],
        settings: Settings,
        table: Table,
        upgrades: Sequence[Upgrade],
        *,
        batch_rows: int,
        told: Told,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._table = table
        self._upgrades = [one for one in upgrades if one.kids and one.column in table.columns]
        self._all = upgrades
        self._batch_rows = batch_rows
        self._told = told
        self._target = " ".join(sorted({f"{one.scheme}.{one.kid}" for one in upgrades}))
        self._rows = 0

    def run(self) -> Rotated:
        resumed, stragglers, sweep = self._resumes(), 0, 0
        left, stranded = _behind(self._connection, self._settings, self._table, self._all)
        while left and sweep < MOST_SWEEPS:
            sweep += 1
            before = self._rows
            for leaf in self._leaves():
                self._sweep(leaf, sweep, from_start=sweep > 1)
            stragglers += self._rows - before if sweep > 1 else 0
            left, stranded = _behind(self._connection, self._settings, self._table, self._all)
            if self._rows == before and sweep > 1:
                break  # what is left has the form of a token and does not open: it was altered
        if not left:
            self._finish()
        return Rotated(
            table=self._settings.sink.table,
            rows=self._rows,
            sweeps=sweep,
            resumed=resumed,
            stragglers=stragglers,
            left=left,
            stranded=stranded,
        )

    def _leaves(self) -> list[Leaf]:
        return find_leaves(self._connection, self._table)

    def _sweep(self, leaf: Leaf, sweep: int, *, from_start: bool) -> None:
        """Through all blocks that there are now; rows that come later are past them, or the primary's already."""
        step = max(1, self._batch_rows // leaf.rows_a_block)
        block = 0 if from_start else self._next_block(leaf)
        while block < leaf.blocks:
            block, renewed = _patiently(partial(self._batch, leaf, block, min(block + step, leaf.blocks)))
            self._rows += renewed
            crash_point("mid_rotation")
            self._told(Progress(table=leaf.title, sweep=sweep, block=block, blocks=leaf.blocks, rows=self._rows))

    def _batch(self, leaf: Leaf, first: int, end: int) -> tuple[int, int]:
        """Renew the rows of some blocks and note it, in one transaction; the block to go on with, and how many rows.

        Where there are more than a batch may have, the same blocks are looked at again.
        """
        with self._connection.transaction():
            renewed, has_more = renew_blocks(
                self._connection, leaf, self._upgrades, blocks=(first, end), most_rows=self._batch_rows
            )
            next_block = first if has_more else end
            self._note(leaf, next_block=next_block, rows=renewed)
        return next_block, renewed

    def _note(self, leaf: Leaf, *, next_block: int, rows: int) -> None:
        names = {"relation": leaf.title, "target": self._target, "next_block": next_block, "rows": rows}
        self._connection.execute(statement("rotation_progress"), names)

    def _next_block(self, leaf: Leaf) -> int:
        query = "SELECT next_block FROM sofetch.rotation WHERE relation = %s AND target = %s AND finished_at IS NULL"
        with self._connection.cursor(row_factory=scalar_row) as cursor:
            return int(cursor.execute(query, [leaf.title, self._target]).fetchone() or 0)

    def _resumes(self) -> bool:
        return any(self._next_block(leaf) > 0 for leaf in self._leaves())

    def _finish(self) -> None:
        query = (
            "UPDATE sofetch.rotation SET finished_at = now(), next_block = 0 WHERE relation = ANY (%s) AND target = %s"
        )
        self._connection.execute(query, [[leaf.title for leaf in self._leaves()], self._target])


def _fingerprints(upgrades: Sequence[Upgrade]) -> list[Fingerprint]:
    return [one for upgrade in upgrades for one in upgrade.fingerprints]


def _behind(
    connection: Connection[Any], settings: Settings, table: Table, upgrades: Sequence[Upgrade]
) -> tuple[list[KidUse], list[KidUse]]:
    """What is under earlier keys: what can be upgraded, and what cannot."""
    of_column = {one.column: one for one in upgrades}
    uses = [use for use in kids_in_table(connection, settings, table) if use.kid != of_column[use.column].kid]
    left = [use for use in uses if use.kid in of_column[use.column].kids]
    return left, [use for use in uses if use not in left]


@contextmanager
def _alone(connection: Connection[Any], table: Table) -> Iterator[None]:
    """Not two rotations of one table: the second would only wait for the first's rows."""
    key = [_LOCK_OF_TABLE + table.oid]
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", key).fetchone()
    if not row or not row[0]:
        raise SinkRefused(
            f"another rotation of table {table.name} is at work", hint="let it end; this one is not needed"
        )
    yield  # the lock ends with the connection


def _patiently(work: Callable[[], T]) -> T:
    """Again where others held a lock, which they took for their own short work."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except psycopg.Error as error:
            if error.diag.sqlstate not in _BUSY:
                raise
    return work()
