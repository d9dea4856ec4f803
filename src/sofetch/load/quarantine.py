"""Reading the quarantine for ``sofetch quarantine``: what was refused, when and why; never the body.

Owns the queries. The sealed body is not read here at all: only its size is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import class_row

from sofetch.load.connection import connect, sink_error
from sofetch.load.registry import require_schema
from sofetch.load.statements import statement
from sofetch.record import Reason
from sofetch.settings import Settings


class Quarantined(Struct, frozen=True, kw_only=True):
    """A message in quarantine. ``key`` is its ledger key; times are those of the database, ``sent_at`` the queue's."""

    key: UUID
    message_id: str | None
    reason: str
    field: str | None
    attempts: int
    first_seen: datetime
    last_seen: datetime
    sent_at: datetime | None
    receive_count: int
    expires_at: datetime
    kid: str
    sealed_bytes: int


def list_quarantine(
    settings: Settings, *, dsn: str, reasons: Sequence[Reason] = (), limit: int = 50
) -> list[Quarantined]:
    """The pipeline's newest entries first, only those with one of ``reasons`` if any are given."""
    return _read(settings, dsn, reasons=[reason.value for reason in reasons] or None, limit=limit)


def show_quarantine(settings: Settings, key_or_message_id: str, *, dsn: str) -> list[Quarantined]:
    """The entries with this ledger key (hexadecimal, hyphens or not) or this message id; empty if there are none."""
    return _read(settings, dsn, key=_as_key(key_or_message_id), message_id=key_or_message_id)


def _read(settings: Settings, dsn: str, **filters: object) -> list[Quarantined]:
    parameters = NO_FILTERS | {"pipeline": settings.pipeline_name} | filters
    with _reading(settings, dsn) as connection, connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(statement("read_quarantine"), parameters).fetchall()


NO_FILTERS: dict[str, object] = {"reasons": None, "key": None, "message_id": None, "limit": 1_000}


def _as_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


@contextmanager
def _reading(settings: Settings, dsn: str) -> Iterator[Connection[Any]]:
    connection = connect(dsn, settings.sink, role=" quarantine")
    try:
        require_schema(connection)
        connection.read_only = True
        with connection.transaction():
            yield connection
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()
