"""The sink: a batch of rows, quarantine entries and ledger keys in one Postgres transaction.

Owns the transaction and what a failure of it means. Fills ``sofetch.ports.Sink``. One thread uses it at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.errors import SinkUnavailable
from sofetch.faults import crash_point
from sofetch.load.batch import Batch, Committed, Fault, batch_of, results
from sofetch.load.connection import beginning, connect, is_alive, require_version, sink_error
from sofetch.load.keyed import row_writer
from sofetch.load.ledger import Ledger, forgotten_before, keep_partitions
from sofetch.load.poison import find_faults
from sofetch.load.quarantining import count_attempts, store_rejections
from sofetch.load.registry import Fingerprint, check_fingerprints, pipeline_id, require_schema
from sofetch.load.remembering import Remembered, remembered_by
from sofetch.load.rows import Prepared, Row, RowWriter
from sofetch.load.sqlstate import Blame, blame
from sofetch.load.standby import WAIT, StandbyWait
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.record import LoadResult, MaskedRecord, SealedRejection
from sofetch.settings import Settings

PARTITIONS_EVERY_SECONDS = 6 * 3_600.0
PARTITIONS_AGAIN_SECONDS = 120.0
MOST_SEARCHES = 20
"""How often poison is looked for in one batch. Each search but the first needs others to change the table meanwhile."""


class PostgresSink:
    """Loads into one table. Connects when it must; a lost connection is made anew by the next ``load``."""

    def __init__(self, settings: Settings, *, dsn: str) -> None:
        self._settings = settings
        self._dsn = dsn
        self._fingerprints: Sequence[Fingerprint] = ()
        self._relied_on: Remembered | None = None
        self._session: _Session | None = None
        self._partitions_due = 0.0

    def __repr__(self) -> str:
        return f"<PostgresSink {self._settings.sink.table}>"  # the connection string can hold a password

    def prepare(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Connect, and refuse to start where anything is missing or the tokens' keys are not those of before.

        Registers the pipeline and new fingerprints, and makes the ledger's partitions. A connection that is made later
        is held to the same keys. Raises SinkRefused, SinkUnavailable or KeyringError.
        """
        self.close()
        self._fingerprints = fingerprints
        try:
            self._ready()
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None

    def rehearse(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Raise what ``prepare`` would, over a connection of its own, and leave nothing behind: what is only tried
        changes neither which names and keys are known nor, by its ``ledger_days``, what the ledger remembers.
        """
        try:
            with (
                closing(connect(self._dsn, self._settings.sink, pooled=self._settings.sink.pooled)) as connection,
                connection.transaction(force_rollback=True),
            ):
                _session_over(connection, self._settings, fingerprints)
        except psycopg.Error as error:
            raise sink_error(error) from None

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Commit rows, quarantine entries and their keys together; see ``ports.Sink.load``.

        Raises KeyringError too, where the keys were rotated while there was no connection.
        """
        if not records and not rejections:
            return []
        try:
            committed, faults = self._ready().load(batch_of(records, rejections), relied_on=self._relied_on)
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        except BaseException:  # Ctrl-C in the middle of a COPY too: the connection is in no state to go on
            self.close()
            raise
        return results(records, rejections, committed=committed, faults=faults)

    def remember(self) -> Remembered:
        """Since when the ledger remembers, for whoever loads old messages. From now on a batch is loaded only as long
        as that holds; else SinkUnavailable, and it is to be asked again. Raises SinkUnavailable or SinkRefused.
        """
        try:
            self._relied_on = remembered_by(self._ready().connection)
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        return self._relied_on

    def revive(self) -> None:
        """Let go of a connection that died while nobody used it, so that the next ``load`` makes another.

        Takes a round trip. For whoever rests between two batches; one that goes on finds out by loading.
        """
        if self._session is not None and not is_alive(self._session.connection):
            self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(psycopg.Error):
                session.connection.close()

    def _ready(self) -> _Session:
        if self._session is None or self._session.connection.closed:
            self._session = _open_session(self._settings, self._dsn, self._fingerprints)
        if time.monotonic() >= self._partitions_due:
            kept = keep_partitions(self._session.connection, self._settings)
            wait_seconds = PARTITIONS_EVERY_SECONDS if kept else PARTITIONS_AGAIN_SECONDS
            self._partitions_due = time.monotonic() + wait_seconds
        return self._session


def _open_session(settings: Settings, dsn: str, fingerprints: Sequence[Fingerprint]) -> _Session:
    """With the keys looked at anew each time: while nobody was connected a rotation may have changed what is right."""
    connection = connect(dsn, settings.sink, pooled=settings.sink.pooled)
    try:
        return _session_over(connection, settings, fingerprints)
    except BaseException:
        connection.close()
        raise


def _session_over(connection: Connection[Any], settings: Settings, fingerprints: Sequence[Fingerprint]) -> _Session:
    require_version(connection)
    require_schema(connection)
    table = require_table(connection, settings)
    number = pipeline_id(connection, settings, table)
    check_fingerprints(connection, fingerprints)
    return _Session(connection, settings, writer=row_writer(connection, settings, table), pipeline_id=number)


class _Session:
    """A connection and what was looked up over it."""

    def __init__(self, connection: Connection[Any], settings: Settings, *, writer: RowWriter, pipeline_id: int) -> None:
        self.connection = connection
        self._settings = settings
        self._begin = beginning(settings.sink)
        self._writer = writer
        self._pipeline_id = pipeline_id
        self._ledger = Ledger(settings, pipeline_id=pipeline_id)
        self._expire_days = settings.quarantine.expire_days
        self._standby = StandbyWait(connection)

    def load(self, batch: Batch, *, relied_on: Remembered | None) -> tuple[Committed, Mapping[bytes, Fault]]:
        """Commit the batch without its faulty rows; say what is committed and which rows are faulty."""
        prepared = self._prepare(batch)
        faults = dict(prepared.faults)
        for _ in range(MOST_SEARCHES):
            rest = batch.without(faults)
            keys = rest.sorted_keys()
            if not keys:
                return Committed(frozenset(), frozenset()), faults
            committed = self._transact(rest, keys, prepared.rows, relied_on=relied_on)
            if committed is not None:
                return committed, faults
            faults |= self._search(rest, keys, prepared.rows)
        raise SinkUnavailable(f"the table changed {MOST_SEARCHES} times while one batch was being loaded")

    def _prepare(self, batch: Batch) -> Prepared:
        """Check and convert; what does not fit is looked at again if the table was altered meanwhile (widened, say)."""
        prepared = self._writer.prepare(batch.rows)
        if prepared.faults:
            table = require_table(self.connection, self._settings)
            if table != self._writer.table:
                self._writer = row_writer(self.connection, self._settings, table)
                prepared = self._writer.prepare(batch.rows)
        return prepared

    def _transact(
        self, batch: Batch, keys: list[bytes], rows: Mapping[bytes, Row], *, relied_on: Remembered | None
    ) -> Committed | None:
        """The whole batch or nothing; None if the database refuses a row, and then nothing is left open."""
        fresh = self._take(keys)
        if relied_on is not None:
            self._require_remembered(relied_on)
        crash_point("mid_write")
        new = [key for key in batch.rows if key in fresh]
        loaded = self._write_rows(new, [rows[key] for key in new])
        if loaded is None:
            return None
        quarantined = self._quarantine(batch, fresh)
        self._commit(check_table=bool(new), duplicates=len(fresh) < len(keys))
        return Committed(loaded, quarantined)

    def _write_rows(self, keys: Sequence[bytes], rows: Sequence[Row]) -> frozenset[bytes] | None:
        if not keys:
            return frozenset()
        try:
            return self._writer.write(self.connection, keys, rows)
        except psycopg.Error as error:
            if blame(error.diag) is not Blame.ROW:
                raise
            self._roll_back()
            return None

    def _take(self, keys: list[bytes]) -> frozenset[bytes]:
        """Begin, and take the keys: all of them at once, or else those that are new."""
        self.connection.execute(self._begin)
        try:
            self._ledger.copy(self.connection, keys)
        except psycopg.Error as error:
            if not self._ledger.is_taken(error):
                raise
            self._roll_back()
        else:
            return frozenset(keys)
        self.connection.execute(self._begin)
        return self._ledger.claim(self.connection, keys)

    def _search(self, batch: Batch, keys: list[bytes], rows: Mapping[bytes, Row]) -> dict[bytes, Fault]:
        """Find the faulty rows while holding the keys, so that what another worker loads is not taken for poison.

        Everything is rolled back, since the keys of faulty rows may not stay and a loader need not be allowed to
        delete; the good rows are then loaded by the plain way, in one transaction.
        """
        self.connection.execute(self._begin)
        fresh = self._ledger.claim(self.connection, keys)
        faults = find_faults(self.connection, self._writer, {key: rows[key] for key in batch.rows if key in fresh})
        self._require_table_as_it_was()
        self._roll_back()
        return faults

    def _quarantine(self, batch: Batch, fresh: frozenset[bytes]) -> frozenset[bytes]:
        new = [rejection for key, rejection in batch.rejections.items() if key in fresh]
        known = [key for key in batch.rejections if key not in fresh]
        if new:
            store_rejections(self.connection, new, pipeline_id=self._pipeline_id, expire_days=self._expire_days)
        again = count_attempts(self.connection, known, pipeline_id=self._pipeline_id) if known else frozenset()
        return again.union(rejection.key for rejection in new)

    def _commit(self, *, check_table: bool, duplicates: bool) -> None:
        """Commit, unless a column's type changed since it was looked up: binary rows would then be garbage.

        COPY holds the table's lock by now, so that no such change can come between the check and COMMIT. Where the
        server waits for a standby, so do duplicates, and a wait that was cancelled is no commit to rely on.
        """
        if check_table:
            self._require_table_as_it_was()
        self.connection.execute(WAIT + b"; COMMIT" if duplicates else b"COMMIT")
        self._standby.require()

    def _require_remembered(self, relied_on: Remembered) -> None:
        """Asked with the keys taken: until this transaction ends nobody removes others from the ledger."""
        if forgotten_before(self.connection) != relied_on.forgotten_before:
            raise SinkUnavailable("the ledger has forgotten a day since it was asked what it remembers")

    def _require_table_as_it_was(self) -> None:
        parameters = [self._writer.table.oid, self._writer.names]
        row = self.connection.execute(statement("table_mark"), parameters).fetchone()
        if row is None or sorted(row[0] or []) != self._writer.mark.split(" "):
            raise SinkUnavailable("the table was altered while it was loaded; it is looked up anew at the next try")

    def _roll_back(self) -> None:
        self.connection.execute("ROLLBACK")
