"""Rejections into the quarantine table, a whole batch in one statement.

Owns the writing; listing and showing is ``sofetch.load.quarantine.entries``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from sofetch.load.ledger import as_uuid_array
from sofetch.load.statements import statement
from sofetch.record import SealedRejection


def store_rejections(
    connection: Connection[Any], rejections: Sequence[SealedRejection], *, pipeline_id: int, expire_days: int
) -> None:
    """Store rejections whose keys were taken in this transaction."""
    rejections = sorted(rejections, key=lambda rejection: rejection.key)
    connection.execute(
        statement("quarantine_rejections"),
        {
            "pipeline_id": pipeline_id,
            "expire_days": expire_days,
            "keys": as_uuid_array(r.key for r in rejections),
            "reasons": [r.reason.value for r in rejections],
            "fields": [r.field for r in rejections],
            "message_ids": [_storable(r.message_id) for r in rejections],
            "sent_ms": [r.sent_ms for r in rejections],
            "receive_counts": [min(r.receive_count, 2**31 - 1) for r in rejections],
            "kids": [r.kid for r in rejections],
            "sealed_bodies": [r.sealed_body for r in rejections],
        },
    )


def count_attempts(connection: Connection[Any], keys: Sequence[bytes], *, pipeline_id: int) -> frozenset[bytes]:
    """Count one attempt more for keys that are in quarantine, and name those."""
    parameters = {"pipeline_id": pipeline_id, "keys": as_uuid_array(sorted(keys))}
    return frozenset(row[0].bytes for row in connection.execute(statement("count_attempts"), parameters))


def _storable(message_id: str) -> str:
    """A message id as it is; of an odd server's, what Postgres cannot store is replaced."""
    return message_id.replace("\0", "�").encode("utf-8", "replace").decode()
