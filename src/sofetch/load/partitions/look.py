"""How far ahead the partitions of the target table reach, for whoever may look at them and not keep them.

Owns a look that leaves nothing on a session: a pooler may share it. Changes nothing.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from sofetch.load.beside import beside
from sofetch.load.partitions.found import database_now, out_of_hands, partitioning_of, partitions_of
from sofetch.load.partitions.maintain import Maintenance
from sofetch.load.partitions.plan import covered_until
from sofetch.load.table import require_table
from sofetch.settings import Settings


def look(settings: Settings, *, dsn: str) -> Maintenance:
    """A maintenance in which nothing is done but to see until when there are partitions.

    Raises SinkUnavailable or SinkRefused.
    """
    seen = Maintenance(dry_run=True)
    with beside(settings, dsn, role=" maintain") as connection:
        connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'")
        _look(connection, settings, seen)
    return seen


def _look(connection: Connection[Any], settings: Settings, seen: Maintenance) -> None:
    table = require_table(connection, settings)
    hands = out_of_hands(connection, partitioning_of(connection, table), settings.sink)
    if hands is None or not hands.fault:
        seen.ends = covered_until(database_now(connection), partitions_of(connection, table))
    else:
        seen.left_alone, seen.hint = hands.what, hands.hint
