"""The table ``sofetch.drift``: in what the messages of a pipeline were not as its configuration expects.

Owns that counts of many processes add up, and that the table stays small. Must not see more than names and counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection, errors
from psycopg.rows import class_row

from sofetch.errors import SinkRefused
from sofetch.load.beside import beside
from sofetch.load.statements import statement
from sofetch.record import Drift, DriftKind
from sofetch.settings import Settings

MOST_FIELDS: Final = 500
"""Fields of one kind that have a row of their own. Those that come later share the row of the field ``*``."""


class SeenDrift(Struct, frozen=True, kw_only=True):
    """How many messages drifted so, and the database's time when that was first and last written down."""

    kind: str
    field: str
    messages: int
    first_seen: datetime
    last_seen: datetime


def note_drift(settings: Settings, drifted: Mapping[Drift, int], *, dsn: str) -> list[Drift]:
    """Add to the counts; what this pipeline has never seen before. Committed when this returns.

    Raises SinkRefused or SinkUnavailable, and then nothing was added.
    """
    # One order for all who write at the same time, or two would wait for each other.
    rows = sorted((drift.kind.value, drift.field, count) for drift, count in drifted.items())
    kinds, fields, messages = ([row[at] for row in rows] for at in range(3))
    parameters = {
        "pipeline": settings.pipeline_name,
        "kinds": kinds,
        "fields": fields,
        "messages": messages,
        "most": MOST_FIELDS,
    }
    with _connected(settings, dsn) as connection:
        found = connection.execute(statement("note_drift"), parameters).fetchall()
    return [Drift(DriftKind(kind), field) for kind, field, is_new in found if is_new]


def read_drift(settings: Settings, *, dsn: str) -> list[SeenDrift]:
    """What was seen, the latest first. Raises SinkRefused or SinkUnavailable."""
    with _connected(settings, dsn) as connection, connection.cursor(row_factory=class_row(SeenDrift)) as cursor:
        return cursor.execute(statement("read_drift"), {"pipeline": settings.pipeline_name}).fetchall()


def forget_drift(settings: Settings, kinds: Sequence[str], *, dsn: str) -> list[SeenDrift]:
    """Remove what was seen of these kinds; what was removed, the latest first. What comes again is new again.

    Raises SinkRefused or SinkUnavailable, and then nothing was removed.
    """
    parameters = {"pipeline": settings.pipeline_name, "kinds": list(kinds)}
    with (
        _connected(settings, dsn, hint="take the role that owns the table") as connection,
        connection.cursor(row_factory=class_row(SeenDrift)) as cursor,
    ):
        return cursor.execute(statement("forget_drift"), parameters).fetchall()


@contextmanager
def _connected(
    settings: Settings, dsn: str, *, hint: str = "`sofetch schema --roles --apply` grants it"
) -> Iterator[Connection[Any]]:
    try:
        with beside(settings, dsn, role=" drift") as connection:
            yield connection
    except SinkRefused as error:
        if error.sqlstate != errors.InsufficientPrivilege.sqlstate:
            raise
        what = "the role lacks a privilege on the table sofetch.drift"
        raise SinkRefused(what, hint=hint, sqlstate=error.sqlstate) from None
