"""Whether workers are connected: some rotations must not meet one.

Owns how a worker's session is told, by its name. A replay of the quarantine adds rows as a worker does.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.rows import scalar_row

from sofetch.errors import SinkRefused
from sofetch.load.quarantine.replay import REPLAY_ROLE
from sofetch.load.statements import statement
from sofetch.settings import Settings


def refuse_workers(connection: Connection[Any], settings: Settings, *, columns: str) -> None:
    """SinkRefused while sessions are connected that are named as workers are; ``columns`` says why none may be."""
    own = connection.execute("SELECT current_setting('application_name')").fetchone()
    name = settings.sink.application_name
    names = [name, name + REPLAY_ROLE, *(own or ())]
    with connection.cursor(row_factory=scalar_row) as cursor:
        sessions = int(cursor.execute(statement("loading_sessions"), {"names": names}).fetchone() or 0)
    if sessions:
        raise SinkRefused(
            f"{columns} are rotated while no worker runs, and {sessions} sessions are named as workers are",
            hint="stop all workers of this table; if these are not such, say --workers-stopped",
        )
