"""Outlasting an outage: do a piece of work, again and again while its dependency is away.

Owns the driving of the breakers: waiting out their pauses, probing, telling of every change, and when patience ends.
Must not know what the work is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, assert_never

from sofetch.breaker import Breakers, Dependency, State
from sofetch.errors import ArchiveUnavailable, SinkUnavailable, SofetchError, SourceUnavailable
from sofetch.events import BreakerChanged, Events, Recovered, outage
from sofetch.ports import Clock
from sofetch.stopping import Stop

T = TypeVar("T")


def _nothing() -> None:
    """Nothing goes along with a change of the breaker."""


class Outages:
    """Bears outages, and tells of them. Without ``patience_seconds`` it never gives up."""

    def __init__(
        self,
        breakers: Breakers,
        *,
        clock: Clock,
        events: Events,
        stop: Stop,
        patience_seconds: float | None,
        turn: Callable[[], None] = _nothing,
    ) -> None:
        """``turn`` is called before each attempt: it is the sign of life of whoever waits here."""
        self._breakers = breakers
        self._clock = clock
        self._events = events
        self._stop = stop
        self._patience_seconds = patience_seconds
        self._turn = turn

    def outlast(
        self,
        dependency: Dependency,
        work: Callable[[], T],
        *,
        opened: Callable[[], None] = _nothing,
        closed: Callable[[], None] = _nothing,
    ) -> T | None:
        """The result of ``work``, which is tried again while it raises SinkUnavailable, SourceUnavailable or
        ArchiveUnavailable.

        ``opened`` is called as soon as the breaker opens, ``closed`` once it has closed again. None if asked to stop
        before it was done; the breaker stays open then. Raises the last of those errors when patience is at its end,
        and whatever else ``work`` raises.
        """
        away, met = dependency, {dependency}
        while self._admitted(away):
            self._turn()
            try:
                result = work()
            except (SinkUnavailable, SourceUnavailable, ArchiveUnavailable) as error:
                self._breakers[away].left_open()
                away = _away(error)
                met.add(away)
                if self._failed(away, error):
                    opened()
                continue
            except BaseException:
                self._breakers[away].left_open()
                raise
            back = [one for one in sorted(met) if self._succeeded(one)]
            if back:
                closed()
            return result
        return None

    def _admitted(self, dependency: Dependency) -> bool:
        """Wait until a call may be made; False if asked to stop meanwhile."""
        breaker = self._breakers[dependency]
        while not breaker.admit(now=self._clock.monotonic()):
            if self._stop.wait(breaker.pause_seconds(now=self._clock.monotonic())):
                return False
        if breaker.standing.state is State.HALF_OPEN:
            self._tell_state(dependency)
        return True

    def _failed(self, dependency: Dependency, error: SofetchError) -> bool:
        """Whether this is what opened it. Raises the error when patience is at its end."""
        breaker, now = self._breakers[dependency], self._clock.monotonic()
        was_away = breaker.standing.away
        pause = breaker.failed(error, now=now)
        if self._patience_seconds is not None and now - breaker.standing.since >= self._patience_seconds:
            raise error
        attempt = breaker.standing.attempts
        self._events.emit(outage(dependency, error, attempt=attempt, retry_in_seconds=round(pause, 3)))
        self._tell_state(dependency)
        return not was_away

    def _succeeded(self, dependency: Dependency) -> bool:
        """Whether it had been away."""
        now = self._clock.monotonic()
        before = self._breakers[dependency].succeeded(now=now)
        if before.away:
            seconds = round(now - before.since, 3)
            self._tell_state(dependency)
            self._events.emit(Recovered(dependency=dependency, attempts=before.attempts, outage_seconds=seconds))
        return before.away

    def _tell_state(self, dependency: Dependency) -> None:
        standing = self._breakers[dependency].standing
        self._events.emit(BreakerChanged(dependency=dependency, state=standing.state.value, attempts=standing.attempts))


def _away(error: SinkUnavailable | SourceUnavailable | ArchiveUnavailable) -> Dependency:
    """Who is. A batch of the database's may wait for what its messages point to, which is the queue's side."""
    match error:
        case SourceUnavailable():
            return "queue"
        case ArchiveUnavailable():
            return "archive"
        case SinkUnavailable():
            return "database"
        case _:
            assert_never(error)
