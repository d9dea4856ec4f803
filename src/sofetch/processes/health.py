"""Health of several workers, each a process: one report of them all, from what they relay.

Owns the report and when the whole is well: every worker is, and there is at least one. A worker's own report is
``observe.health``'s, on breakers that are set as its events say. What a worker's source holds is not relayed, and not
told.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from sofetch import __version__
from sofetch.breaker import Breakers, Dependency, Standing, State
from sofetch.events import BreakerChanged, Event, Outage, ProcessEnded, ProcessStarted
from sofetch.observe.health import Health, HealthReport
from sofetch.ports import Clock

MakeHealth = Callable[[Breakers], Health]
"""The health of one worker, on these breakers."""


class ProcessReport(Struct, frozen=True, kw_only=True):
    """One worker: its number and process id, and its own report."""

    process: int
    pid: int
    health: HealthReport


class FleetReport(Struct, frozen=True, kw_only=True):
    """The answer to ``/health`` of a supervisor. ``restarting`` are the workers that wait to be started again."""

    healthy: bool
    version: str
    up_seconds: float
    processes: list[ProcessReport]
    restarting: list[int]


class _Worker:
    """What is known of one running worker."""

    def __init__(self, pid: int, breakers: Breakers, health: Health) -> None:
        self.pid = pid
        self.health = health
        self._breakers = breakers

    def hear(self, event: Event, *, now: float) -> None:
        self.health(event)
        match event:
            case Outage():
                before = self._breakers[event.dependency].standing
                self._set(
                    event.dependency,
                    Standing(
                        state=State.OPEN,
                        since=before.since if before.away else now,
                        attempts=event.attempt,
                        code=event.code,
                        sqlstate=event.sqlstate,
                    ),
                )
            case BreakerChanged(state="closed"):
                self._set(event.dependency, Standing(since=now))
            case BreakerChanged():
                before = self._breakers[event.dependency].standing
                self._set(event.dependency, structs.replace(before, state=State(event.state)))
            case _:
                pass

    def _set(self, dependency: Dependency, standing: Standing) -> None:
        self._breakers[dependency].standing = standing


class FleetHealth:
    """Hears what each worker relays. One thread calls ``hear``; ``report`` may be called from any."""

    def __init__(self, make: MakeHealth, *, clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._began = clock.monotonic()
        self._workers: dict[int, _Worker] = {}
        self._restarting: frozenset[int] = frozenset()

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a worker's process."""
        now = self._clock.monotonic()
        self._restarting = restarting(self._restarting, process, event)
        match event:
            case ProcessStarted():
                breakers = Breakers(now=now)
                # Replaced as a whole, so that another thread may go through it.
                self._workers = self._workers | {process: _Worker(event.pid, breakers, self._make(breakers))}
            case ProcessEnded():
                self._workers = {number: worker for number, worker in self._workers.items() if number != process}
            case _ if process in self._workers:
                self._workers[process].hear(event, now=now)
            case _:
                pass

    def report(self) -> FleetReport:
        """How they are now."""
        processes = [
            ProcessReport(process=number, pid=worker.pid, health=worker.health.report())
            for number, worker in sorted(self._workers.items())
        ]
        return FleetReport(
            healthy=bool(processes) and all(one.health.healthy for one in processes),
            version=__version__,
            up_seconds=round(self._clock.monotonic() - self._began, 3),
            processes=processes,
            restarting=sorted(self._restarting),
        )


def restarting(before: frozenset[int], process: int, event: Event) -> frozenset[int]:
    """The processes that wait to be started again, after this event of or about one of them."""
    match event:
        case ProcessStarted():
            return before - {process}
        case ProcessEnded(restart_in_seconds=float()):
            return before | {process}
        case _:
            return before
