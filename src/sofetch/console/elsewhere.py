"""What workers do not tell: how many messages wait in the queue, and what the database itself counted.

Owns asking for both and making rates of the second. Neither is needed for the rest of the page to work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sofetch.load.console.activity import Activity, ActivityReader
from sofetch.settings import Settings

if TYPE_CHECKING:
    from sofetch.source.control import QueueControl


class QueueDepth:
    """The queue's own counts, which SQS gives approximately. Opens the queue at the first question."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue: QueueControl | None = None

    def __call__(self) -> Mapping[str, float]:
        """Waiting and in flight. Raises SourceRefused or SourceUnavailable."""
        from sofetch.source.control import QueueControl

        if self._queue is None:
            self._queue = QueueControl.open(self._settings.source)
        found = self._queue.attributes()
        return {"queue_visible": found.visible + found.delayed, "queue_in_flight": found.in_flight}

    def close(self) -> None:
        """Let go of the queue."""
        if self._queue is not None:
            self._queue.close()


class DatabaseActivity:
    """Rows a second by the database's statistics, and how many workers are connected to it."""

    def __init__(self, settings: Settings, *, dsn: str) -> None:
        self._reader = ActivityReader(settings, dsn=dsn)
        self._before: tuple[float, Activity] | None = None
        self.sessions: int | None = None

    def __call__(self) -> Mapping[str, float]:
        """Rates since the last question; nothing at the first. Raises SinkRefused or SinkUnavailable."""
        now, found = time.monotonic(), self._reader.read()
        before, self._before, self.sessions = self._before, (now, found), found.sessions
        if before is None:
            return {}
        seconds, earlier = now - before[0], before[1]
        return {
            "database_loaded": max(0, found.rows_inserted - earlier.rows_inserted) / seconds,
            "database_quarantined": max(0, found.quarantined - earlier.quarantined) / seconds,
        }

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()
