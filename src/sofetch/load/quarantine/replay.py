"""Quarantined messages into the table: the row in and its entry out, in one transaction.

Owns that transaction. A message in quarantine has its key in the ledger already, so nobody else loads it meanwhile;
what keeps two replays apart is the lock on the entry. Opening bodies and making rows is the caller's (``Remake``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.rows import kwargs_row

from sofetch.errors import SinkUnavailable
from sofetch.faults import crash_point
from sofetch.load.batch import Fault
from sofetch.load.connection import BEGIN, connect, require_version, sink_error
from sofetch.load.keyed import row_writer
from sofetch.load.ledger import Ledger, as_uuid_array
from sofetch.load.poison import find_faults
from sofetch.load.quarantine.selection import Selection, known_pipeline
from sofetch.load.registry import Fingerprint, check_fingerprints, require_schema
from sofetch.load.rows import Row, RowWriter
from sofetch.load.sqlstate import Blame, blame
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.record import MaskedRecord, Private, Reason
from sofetch.settings import Settings

REPLAY_ROLE: Final = " replay"
"""Ends the name of a replay's session."""

MOST_SEARCHES = 20
"""How often poison is looked for in one batch. Each search but the first needs others to change the table meanwhile."""

MOST_DEADLOCKS = 5
"""A replay takes entries first and new keys of fields after; a worker the other way round. Rare, and it passes."""


class HeldEntry(Private, frozen=True, kw_only=True):
    """A locked entry, its body sealed. ``key`` is its ledger key; ``sent_ms`` as at the first delivery; ``fault`` why
    it is here.
    """

    key: bytes
    fault: Fault
    message_id: str
    sent_ms: int | None
    first_seen_ms: int
    receive_count: int
    kid: str
    sealed_body: bytes


class Remade(Private, frozen=True):
    """What became of held entries, by ledger key: a row, a reason, or neither where the body did not open."""

    rows: Mapping[bytes, MaskedRecord]
    refused: Mapping[bytes, Fault]


Remake = Callable[[Sequence[HeldEntry]], Remade]
"""Opens, decodes and masks. What rows need elsewhere (the vault) is committed when it returns."""


class ReplayedBatch(Struct, frozen=True, kw_only=True):
    """What one transaction did. ``unopened`` names the kid of each body that did not open."""

    loaded: int
    duplicates: int
    refused: list[Fault]
    unopened: list[str]

    @property
    def taken(self) -> int:
        """Entries that were tried."""
        return self.loaded + self.duplicates + len(self.refused) + len(self.unopened)


class QuarantineReplay:
    """One pass over the quarantine. Connects when made; a context manager. ``dry_run`` rolls everything back."""

    def __init__(self, settings: Settings, *, dsn: str, dry_run: bool = False) -> None:
        self._settings = settings
        self._dry_run = dry_run
        self._connection = connect(dsn, settings.sink, role=REPLAY_ROLE)
        try:
            require_version(self._connection)
            require_schema(self._connection)
            self._writer = row_writer(self._connection, settings, require_table(self._connection, settings))
            self._pipeline_id = known_pipeline(self._connection, settings)
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        except BaseException:
            self.close()
            raise

    def prepare(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Refuse to go on with other keys than those that made what the database holds. Raises KeyringError."""
        try:
            with self._connection.transaction(force_rollback=self._dry_run):
                check_fingerprints(self._connection, fingerprints)
        except psycopg.Error as error:
            raise sink_error(error) from None

    def run(self, selection: Selection, remake: Remake, *, limit: int | None = None) -> Iterator[ReplayedBatch]:
        """Try the selected entries once each, in the order of their keys; a result after each commit.

        Raises SinkUnavailable or SinkRefused; what was told of is committed, and running it again is safe.
        """
        if self._pipeline_id is None:
            return
        one_pass = _Pass(self._connection, self._settings, self._writer, self._pipeline_id, dry_run=self._dry_run)
        left = limit
        try:
            while left is None or left > 0:
                done = one_pass.next_batch(selection, remake, limit=left)
                if done is None:
                    return
                yield done
                left = None if left is None else left - done.taken
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        except BaseException:
            self.close()
            raise

    def remaining(self, selection: Selection) -> int:
        """Entries of the selection that are in quarantine now."""
        if self._pipeline_id is None:
            return 0
        try:
            parameters = selection.parameters(self._pipeline_id)
            row = self._connection.execute(statement("count_quarantine"), parameters).fetchone()
        except psycopg.Error as error:
            raise sink_error(error) from None
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the connection; what is not committed is undone. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Pass:
    """From the lowest key to the highest, a batch a transaction."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        settings: Settings,
        writer: RowWriter,
        pipeline_id: int,
        *,
        dry_run: bool,
    ) -> None:
        self._connection = connection
        self._batch = settings.batch
        self._writer = writer
        self._pipeline_id = pipeline_id
        self._ledger = Ledger(settings, pipeline_id=pipeline_id)
        self._end = "ROLLBACK" if dry_run else "COMMIT"
        self._last: UUID | None = None

    def next_batch(self, selection: Selection, remake: Remake, *, limit: int | None) -> ReplayedBatch | None:
        for _ in range(MOST_DEADLOCKS):
            try:
                return self._transact(selection, remake, limit=limit)
            except psycopg.errors.DeadlockDetected:
                self._connection.execute("ROLLBACK")
        raise SinkUnavailable("a worker and this replay waited for each other again and again", sqlstate="40P01")

    def _transact(self, selection: Selection, remake: Remake, *, limit: int | None) -> ReplayedBatch | None:
        self._connection.execute(BEGIN)
        held = self._hold(selection, limit=limit)
        if not held:
            self._connection.execute("ROLLBACK")
            return None
        remade = remake(held)
        loaded, faults = self._load(remade.rows)
        refused = {**remade.refused, **faults}
        self._settle(gone=remade.rows.keys() - faults.keys(), refused=refused)
        crash_point("mid_write")
        self._finish(check_table=bool(loaded))
        self._last = UUID(bytes=held[-1].key)
        return ReplayedBatch(
            loaded=len(loaded),
            duplicates=len(remade.rows) - len(faults) - len(loaded),
            refused=list(refused.values()),
            unopened=[one.kid for one in held if one.key not in remade.rows and one.key not in remade.refused],
        )

    def _hold(self, selection: Selection, *, limit: int | None) -> list[HeldEntry]:
        most = self._batch.max_messages
        parameters = selection.parameters(self._pipeline_id) | {
            "last": self._last,
            "limit": most if limit is None else min(most, limit),
            "max_bytes": self._batch.max_batch_bytes,
        }
        with self._connection.cursor(row_factory=kwargs_row(_held), binary=True) as cursor:
            return cursor.execute(statement("hold_quarantine"), parameters).fetchall()

    def _load(self, records: Mapping[bytes, MaskedRecord]) -> tuple[frozenset[bytes], dict[bytes, Fault]]:
        """Store the rows that the table takes; which are in it now, and which it does not take."""
        prepared = self._writer.prepare(records)
        faults = dict(prepared.faults)
        self._connection.execute("SAVEPOINT sofetch_replay")
        for _ in range(MOST_SEARCHES):
            wanted = {key: records[key].key for key in prepared.rows if key not in faults}
            fresh = self._claim(wanted)
            new = [key for key in wanted if key in fresh]
            loaded = self._write_rows(new, [prepared.rows[key] for key in new])
            if loaded is not None:
                return loaded, faults
            fresh = self._claim(wanted)
            rows = {key: prepared.rows[key] for key in wanted if key in fresh}
            faults |= find_faults(self._connection, self._writer, rows)
            self._connection.execute("ROLLBACK TO SAVEPOINT sofetch_replay")
        raise SinkUnavailable(f"the table changed {MOST_SEARCHES} times while one batch was being loaded")

    def _claim(self, wanted: Mapping[bytes, bytes]) -> frozenset[bytes]:
        """Entries whose row is new. A row under its entry's own key is: the ledger has had that key since the message
        was quarantined, and the entry is locked. A row under another key (of fields) takes that key now, or is known.
        """
        others: dict[bytes, bytes] = {}
        for entry, key in wanted.items():
            if key != entry:
                others.setdefault(key, entry)
        taken = self._ledger.claim(self._connection, sorted(others)) if others else frozenset()
        own = (entry for entry, key in wanted.items() if key == entry)
        return frozenset(own).union(others[key] for key in taken)

    def _write_rows(self, keys: Sequence[bytes], rows: Sequence[Row]) -> frozenset[bytes] | None:
        if not keys:
            return frozenset()
        try:
            return self._writer.write(self._connection, keys, rows)
        except psycopg.Error as error:
            if blame(error.diag) is not Blame.ROW:
                raise
            self._connection.execute("ROLLBACK TO SAVEPOINT sofetch_replay")
            return None

    def _settle(self, *, gone: Iterable[bytes], refused: Mapping[bytes, Fault]) -> None:
        if refused:
            parameters = {
                "pipeline_id": self._pipeline_id,
                "keys": as_uuid_array(refused),
                "reasons": [fault.reason.value for fault in refused.values()],
                "fields": [fault.field for fault in refused.values()],
            }
            self._connection.execute(statement("keep_refused"), parameters)
        self._connection.execute(REMOVE, [self._pipeline_id, as_uuid_array(gone)])

    def _finish(self, *, check_table: bool) -> None:
        """End the transaction, unless a column's type changed since it was looked up."""
        if check_table:
            parameters = [self._writer.table.oid, self._writer.names]
            row = self._connection.execute(statement("table_mark"), parameters).fetchone()
            if row is None or sorted(row[0] or []) != self._writer.mark.split(" "):
                raise SinkUnavailable("the table was altered while it was loaded", hint="run it again")
        self._connection.execute(self._end)


REMOVE = "DELETE FROM sofetch.quarantine WHERE pipeline_id = %s AND key = ANY (%s::uuid[])"


def _held(
    *,
    key: UUID,
    reason: str,
    field: str | None,
    message_id: str | None,
    sent_ms: int | None,
    first_seen_ms: int,
    receive_count: int,
    kid: str,
    sealed_body: bytes,
) -> HeldEntry:
    return HeldEntry(
        key=key.bytes,
        fault=Fault(Reason(reason), field),
        message_id=message_id or "",
        sent_ms=sent_ms,
        first_seen_ms=first_seen_ms,
        receive_count=receive_count,
        kid=kid,
        sealed_body=sealed_body,
    )
