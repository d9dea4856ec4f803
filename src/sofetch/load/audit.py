"""The audit table: rows are appended one after the other, each durable before its appending returns.

Owns the statements and the lock that keeps the chain one chain. What a row's digest is made of is
``sofetch.governance.audit``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from sofetch.errors import AuditUnavailable, NotApproved, SofetchError
from sofetch.governance.audit import AuditEntry, AuditKeys, AuditRow, Head, detail_text, next_row
from sofetch.load.connection import connect, sink_error
from sofetch.load.registry import require_schema
from sofetch.settings import SinkSettings

LOCK_ID = 7_309_475_598_860_700
"""Advisory lock of all who append: two rows cannot follow the same one."""


class AuditTable:
    """The audit table of one database. Connects when made; a context manager. ``keys`` seal its rows."""

    def __init__(self, sink: SinkSettings, *, dsn: str, keys: AuditKeys) -> None:
        self.keys = keys
        self._connection = connect(dsn, sink, role=" audit")
        try:
            require_schema(self._connection)
        except psycopg.Error as error:
            self.close()
            raise sink_error(error) from None
        except SofetchError:
            self.close()
            raise

    def append(self, entry: AuditEntry) -> AuditRow:
        """Append a row; it is committed when this returns.

        Raises AuditUnavailable if it could not be, and NotApproved for a request that was used before.
        """
        try:
            with self._connection.transaction():
                return self._append(self._connection, entry)
        except psycopg.Error as error:
            cause = sink_error(error)
            raise AuditUnavailable(
                f"the audit row could not be written, so nothing was done: {_cause(cause)}", hint=cause.hint or PASSES
            ) from None

    def rows(self, *, last: int | None = None) -> Iterator[AuditRow]:
        """Rows in order, all or only the ``last`` so many, read as they are taken."""
        try:
            with (
                self._connection.transaction(),
                self._connection.cursor("audit_rows", row_factory=class_row(AuditRow)) as cursor,
            ):
                yield from cursor.execute(READ, {"last": last})
        except psycopg.Error as error:
            raise sink_error(error) from None

    def erased_tokens(self, fingerprints: Sequence[str]) -> set[str]:
        """Those of the fingerprints that an erasure destroyed the values of."""
        try:
            return {row[0] for row in self._connection.execute(ERASED, [list(fingerprints)])}
        except psycopg.Error as error:
            raise sink_error(error) from None

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, connection: Connection[Any], entry: AuditEntry) -> AuditRow:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])
        _refuse_second_use(connection, entry)
        found = connection.execute("SELECT seq, digest FROM sofetch.audit ORDER BY seq DESC LIMIT 1").fetchone()
        now = connection.execute("SELECT clock_timestamp(), session_user::text").fetchone()
        if now is None:
            raise AuditUnavailable("the audit row could not be written: the database told no time")
        row = next_row(entry, last=Head(*found) if found else Head(), at=now[0], role=now[1], keys=self.keys)
        values: dict[str, Any] = {name: getattr(row, name) for name in row.__struct_fields__}
        connection.execute(INSERT, values | {"detail": Jsonb(detail_text(row.detail).encode())})
        return row


PASSES = "try again when the database is well"
INSERT = """
INSERT INTO sofetch.audit (seq, at, actor, action, purpose, ticket, detail, kid, previous, digest)
VALUES (%(seq)s, %(at)s, %(actor)s, %(action)s, %(purpose)s, %(ticket)s, %(detail)s, %(kid)s, %(previous)s, %(digest)s)
"""
READ = """
SELECT seq, at, actor, action, purpose, ticket, detail, kid, previous, digest
FROM sofetch.audit
WHERE %(last)s::bigint IS NULL
   OR seq > (SELECT max(seq) FROM sofetch.audit) - %(last)s::bigint
ORDER BY seq
"""
ERASED = """
SELECT f FROM unnest(%s::text[]) AS f
WHERE EXISTS (SELECT FROM sofetch.audit AS a WHERE a.action = 'erase' AND a.detail -> 'tokens' ? f)
"""


def _refuse_second_use(connection: Connection[Any], entry: AuditEntry) -> None:
    request = entry.detail.get("request")
    if entry.action != "recover" or request is None:
        return
    used = connection.execute(
        "SELECT seq FROM sofetch.audit WHERE action = 'recover' AND detail ->> 'request' = %s", [request]
    ).fetchone()
    if used is not None:
        raise NotApproved(
            f"this request was used already, see audit row {used[0]}", hint="prepare a new one and have it approved"
        )


def _cause(error: SofetchError) -> str:
    return error.what.partition(": ")[2] or error.what
