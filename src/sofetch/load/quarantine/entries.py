"""The quarantine for ``sofetch quarantine``: what was refused, when and why; sealed bodies to export; purging.

Owns the queries but those of a replay. It must not open a body: what is read here is sealed, and only where it is asked
for; listing and showing read its size alone.
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
from psycopg.rows import class_row, kwargs_row

from sofetch.load.connection import connect, sink_error
from sofetch.load.quarantine.selection import Selection, as_key, known_pipeline
from sofetch.load.registry import require_schema
from sofetch.load.statements import statement
from sofetch.record import Private, Reason
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


class SealedEntry(Private, frozen=True):
    """An entry and its body, sealed."""

    entry: Quarantined
    sealed_body: bytes


class Counted(Struct, frozen=True):
    """Entries of a selection, and how many of them are not past their day."""

    entries: int
    unexpired: int


READ_AT_ONCE = 50
"""Sealed bodies in memory at a time: one can be 1 MiB."""

PURGED_AT_ONCE = 5_000
"""Entries deleted in one transaction: short locks, and what was deleted stays deleted if it is cut off."""


def list_quarantine(
    settings: Settings, *, dsn: str, reasons: Sequence[Reason] = (), limit: int = 50
) -> list[Quarantined]:
    """The pipeline's newest entries first, only those with one of ``reasons`` if any are given."""
    return _read(settings, dsn, reasons=[reason.value for reason in reasons] or None, limit=limit)


def show_quarantine(settings: Settings, key_or_message_id: str, *, dsn: str) -> list[Quarantined]:
    """The entries with this ledger key (hexadecimal, hyphens or not) or this message id; empty if there are none."""
    return _read(settings, dsn, key=as_key(key_or_message_id), message_id=key_or_message_id)


def read_sealed(settings: Settings, selection: Selection, *, dsn: str) -> Iterator[SealedEntry]:
    """The selected entries with their sealed bodies, in the order of their keys, read as they are taken."""
    with _connected(settings, dsn) as (connection, pipeline_id):
        last: UUID | None = None
        while batch := _sealed_after(connection, selection.parameters(pipeline_id), last):
            yield from batch
            last = batch[-1].entry.key


def count_quarantine(settings: Settings, selection: Selection, *, dsn: str) -> Counted:
    """How many entries are selected."""
    with _connected(settings, dsn) as (connection, pipeline_id):
        row = connection.execute(statement("count_quarantine"), selection.parameters(pipeline_id)).fetchone()
    return Counted(*row) if row else Counted(0, 0)


def purge_quarantine(settings: Settings, selection: Selection, *, dsn: str) -> int:
    """Delete the selected entries and their bodies; how many they were. Returns after the commit.

    Their keys stay in the ledger: another delivery of such a message is a duplicate, and is not loaded.
    """
    purged = 0
    with _connected(settings, dsn) as (connection, pipeline_id):
        parameters = selection.parameters(pipeline_id) | {"limit": PURGED_AT_ONCE}
        while gone := connection.execute(statement("purge_quarantine"), parameters).rowcount:
            purged += gone
    return purged


def _sealed_after(connection: Connection[Any], parameters: dict[str, Any], last: UUID | None) -> list[SealedEntry]:
    with connection.cursor(row_factory=kwargs_row(_sealed), binary=True) as cursor:
        found = cursor.execute(statement("read_sealed"), parameters | {"last": last, "limit": READ_AT_ONCE})
        return found.fetchall()


def _sealed(*, sealed_body: bytes, **entry: Any) -> SealedEntry:
    return SealedEntry(Quarantined(**entry), sealed_body)


def _read(settings: Settings, dsn: str, **filters: object) -> list[Quarantined]:
    parameters = NO_FILTERS | {"pipeline": settings.pipeline_name} | filters
    with _reading(settings, dsn) as connection, connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(statement("read_quarantine"), parameters).fetchall()


NO_FILTERS: dict[str, object] = {"reasons": None, "key": None, "message_id": None, "limit": 1_000}


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


@contextmanager
def _connected(settings: Settings, dsn: str) -> Iterator[tuple[Connection[Any], int]]:
    """In autocommit, with the pipeline's number; of a pipeline that never ran it is one that has no entries."""
    connection = connect(dsn, settings.sink, role=" quarantine")
    try:
        require_schema(connection)
        pipeline_id = known_pipeline(connection, settings)
        yield connection, NO_PIPELINE if pipeline_id is None else pipeline_id
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


NO_PIPELINE = -1
