"""Outlasting an outage: do a piece of work, again and again while its dependency is away.

Owns how long the pauses are and when patience ends. Must not know what the work is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from sofetch.backoff import backoff_seconds
from sofetch.errors import SinkUnavailable, SofetchError, SourceUnavailable
from sofetch.events import Events, Recovered, outage
from sofetch.ports import Clock
from sofetch.stopping import Stop

Dependency = Literal["queue", "database"]
T = TypeVar("T")


class Outages:
    """Bears outages, and tells of them. Without ``patience_seconds`` it never gives up."""

    def __init__(self, *, clock: Clock, events: Events, stop: Stop, patience_seconds: float | None) -> None:
        self._clock = clock
        self._events = events
        self._stop = stop
        self._patience_seconds = patience_seconds

    def outlast(self, dependency: Dependency, work: Callable[[], T]) -> T | None:
        """The result of ``work``, which is tried again while it raises SinkUnavailable or SourceUnavailable.

        None if asked to stop before it was done. Raises the last of those errors when patience is at its end, and
        whatever else ``work`` raises.
        """
        attempt = 0
        began = self._clock.monotonic()
        while True:
            try:
                result = work()
            except (SinkUnavailable, SourceUnavailable) as error:
                attempt += 1
                self._bear(dependency, error, attempt, self._clock.monotonic() - began)
                if self._stop.asked:
                    return None
                continue
            if attempt:
                seconds = round(self._clock.monotonic() - began, 3)
                self._events.emit(Recovered(dependency=dependency, attempts=attempt, outage_seconds=seconds))
            return result

    def _bear(self, dependency: Dependency, error: SofetchError, attempt: int, lasted_seconds: float) -> None:
        if self._patience_seconds is not None and lasted_seconds >= self._patience_seconds:
            raise error
        pause = backoff_seconds(attempt)
        self._events.emit(outage(dependency, error, attempt=attempt, retry_in_seconds=round(pause, 3)))
        self._stop.wait(pause)
