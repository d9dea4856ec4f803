"""Requests for replays and purges: put in by whoever may only ask, taken by one who holds the keys.

Owns the table ``sofetch.quarantine_request``. A request that was taken and never ended is taken again after a quarter
of an hour: what it asks for may be done twice without harm. It must not carry one out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from sofetch.errors import SinkRefused
from sofetch.load.beside import beside
from sofetch.load.statements import statement
from sofetch.settings import Settings

MOST_KEYS = 10_000

ROLE: Final = " requests"

Action = Literal["replay", "purge"]


class Taken(Struct, frozen=True, kw_only=True):
    """A request that is ours to carry out. ``keys`` are the ledger keys of the entries that were seen and meant."""

    id: int
    action: Action
    keys: list[UUID]
    actor: str
    purpose: str
    ticket: str


def ask(
    settings: Settings, action: Action, keys: Sequence[UUID], *, actor: str, purpose: str, ticket: str, dsn: str
) -> int:
    """Put in a request about at most 10,000 entries; its number. Committed when this returns."""
    parameters = {
        "pipeline": settings.pipeline_name,
        "action": action,
        "keys": list(keys),
        "actor": actor,
        "purpose": purpose,
        "ticket": ticket,
    }
    with beside(settings, dsn, role=ROLE) as connection:
        row = connection.execute(statement("console/ask"), parameters).fetchone()
    if row is None:
        raise SinkRefused(f"the pipeline {settings.pipeline_name} has loaded nothing yet", hint="there is no entry")
    return int(row[0])


def take(settings: Settings, *, dsn: str) -> Taken | None:
    """The oldest request that is open, now ours; None if there is none."""
    with beside(settings, dsn, role=ROLE) as connection, connection.cursor(row_factory=class_row(Taken)) as cursor:
        return cursor.execute(statement("console/take"), {"pipeline": settings.pipeline_name}).fetchone()


def finish(settings: Settings, request: Taken, *, outcome: str, done: int, dsn: str) -> None:
    """Say what came of it: a code or a few words, and how many entries are out of the quarantine."""
    with beside(settings, dsn, role=ROLE) as connection:
        connection.execute(FINISH, {"id": request.id, "outcome": outcome, "done": done})


FINISH = """
UPDATE sofetch.quarantine_request SET done_at = now(), outcome = %(outcome)s, done = %(done)s WHERE id = %(id)s
"""
