"""The quarantine for the console: counts by reason, entries without their bodies, and what was asked for.

Owns the reading queries. What is asked for is carried out elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from sofetch.load.console.session import reading
from sofetch.load.statements import statement
from sofetch.settings import Settings


class ReasonCount(Struct, frozen=True, kw_only=True):
    """One reason: its entries, those of them past their day, and when it was first and last met."""

    reason: str
    entries: int
    expired: int
    first_seen: datetime
    last_seen: datetime


class Entry(Struct, frozen=True, kw_only=True):
    """An entry without its body. ``key`` is its ledger key; times are the database's, ``sent_at`` the queue's."""

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
    expired: bool


class Asked(Struct, frozen=True, kw_only=True):
    """A request: what was asked for, by whom, and what came of it. ``done`` entries are what ``outcome`` says."""

    id: int
    action: str
    entries: int
    actor: str
    purpose: str
    ticket: str
    asked_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    done: int | None


class Quarantine(Struct, frozen=True, kw_only=True):
    """What the page shows: all reasons, some entries, the newest requests."""

    reasons: list[ReasonCount]
    entries: list[Entry]
    asked: list[Asked]


def read_quarantine(
    settings: Settings, *, dsn: str, reason: str | None = None, keys: Sequence[UUID] | None = None, limit: int = 100
) -> Quarantine:
    """Reasons and requests of the pipeline, and its newest entries with that reason or those keys."""
    given = {"pipeline": settings.pipeline_name, "reason": reason, "keys": None if keys is None else list(keys)}
    with reading(settings, dsn=dsn) as connection:
        with connection.cursor(row_factory=class_row(ReasonCount)) as cursor:
            reasons = cursor.execute(statement("console/reasons"), given).fetchall()
        with connection.cursor(row_factory=class_row(Entry)) as cursor:
            entries = cursor.execute(statement("console/entries"), given | {"limit": limit}).fetchall()
        with connection.cursor(row_factory=class_row(Asked)) as cursor:
            asked = cursor.execute(statement("console/asked"), given | {"limit": 20}).fetchall()
    return Quarantine(reasons=reasons, entries=entries, asked=asked)
