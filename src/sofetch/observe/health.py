"""Health: what a worker would answer if asked how it is.

Owns the report and the judgement whether it is well. It watches the events, and looks at the breakers and the source
when asked. No field takes a text of an error or a value of a message: names, codes, counts, times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, Protocol

from msgspec import Struct

from sofetch import __version__
from sofetch.breaker import Breakers, Dependency, Standing
from sofetch.events import BatchDone, Event, WorkerStarted
from sofetch.ports import Clock
from sofetch.stopping import Stop

Condition = Literal["starting", "running", "paused_by_outage", "draining"]


class Holding(Protocol):
    """What a source says of itself (``source.clerk.SourceState`` has it)."""

    @property
    def held(self) -> int: ...  # noqa: D102
    @property
    def held_bytes(self) -> int: ...  # noqa: D102
    @property
    def buffered(self) -> int: ...  # noqa: D102
    @property
    def polling(self) -> int: ...  # noqa: D102


class DependencyHealth(Struct, frozen=True, kw_only=True):
    """One dependency: ``since`` is when it went away or came back, ``attempts`` how often it failed since it is away;
    ``code`` and ``sqlstate`` are the last failure's, as in the event ``outage``.
    """

    breaker: Literal["closed", "open", "half_open"]
    since: str
    for_seconds: float
    attempts: int
    code: str | None
    sqlstate: str | None


class HeldHealth(Struct, frozen=True, kw_only=True):
    """What the source holds: messages received and not yet deleted or given back."""

    messages: int
    body_bytes: int
    buffered: int
    polling: int


class HealthReport(Struct, frozen=True, kw_only=True):
    """The answer to ``/health``. Counts are of messages since the start; what is said of the last batch is None before
    there is one.
    """

    state: Condition
    healthy: bool
    pipeline: str
    version: str
    up_seconds: float
    dependencies: dict[Dependency, DependencyHealth]
    counts: dict[str, int]
    held: HeldHealth | None
    last_batch_seconds_ago: float | None
    oldest_message_ms: int | None


class Health:
    """Listens to the events of one worker and reports. ``report`` may be called from any thread."""

    def __init__(
        self, *, pipeline: str, breakers: Breakers, clock: Clock, stop: Stop, unhealthy_after_seconds: float
    ) -> None:
        self._pipeline = pipeline
        self._breakers = breakers
        self._clock = clock
        self._stop = stop
        self._unhealthy_after_seconds = unhealthy_after_seconds
        self._began = clock.monotonic()
        self._running = False
        self._counts = Counter[str]({"loaded": 0, "duplicates": 0, "quarantined": 0, "retried": 0, "batches": 0})
        self._last_batch: tuple[float, int | None] | None = None
        self._look: Callable[[], Holding] | None = None

    def __call__(self, event: Event) -> None:
        """Take notice of an event."""
        match event:
            case WorkerStarted():
                self._running = True
            case BatchDone():
                done = {name: getattr(event, name) for name in ("loaded", "duplicates", "quarantined", "retried")}
                self._counts.update(done | {"batches": 1})
                self._last_batch = self._clock.monotonic(), event.oldest_age_ms
            case _:
                pass

    def watch(self, look: Callable[[], Holding]) -> None:
        """Report from now on what this source holds."""
        self._look = look

    def report(self) -> HealthReport:
        """How it is now."""
        now, standings = self._clock.monotonic(), self._breakers.standings()
        at, oldest_ms = self._last_batch or (None, None)
        return HealthReport(
            state=self._condition(),
            healthy=not any(one.away and now - one.since > self._unhealthy_after_seconds for one in standings.values()),
            pipeline=self._pipeline,
            version=__version__,
            up_seconds=round(now - self._began, 3),
            dependencies={name: self._dependency(standing, now) for name, standing in standings.items()},
            counts=dict(self._counts),
            held=_held(self._look()) if self._look is not None else None,
            last_batch_seconds_ago=None if at is None else round(now - at, 3),
            oldest_message_ms=oldest_ms,
        )

    def _condition(self) -> Condition:
        if self._stop.asked:
            return "draining"
        if not self._running:
            return "starting"
        return "paused_by_outage" if self._breakers.away() else "running"

    def _dependency(self, standing: Standing, now: float) -> DependencyHealth:
        seconds = max(0.0, now - standing.since)
        return DependencyHealth(
            breaker=standing.state.value,
            since=_iso(self._clock.now_ms() - round(seconds * 1_000)),
            for_seconds=round(seconds, 3),
            attempts=standing.attempts,
            code=standing.code,
            sqlstate=standing.sqlstate,
        )


def _held(holding: Holding) -> HeldHealth:
    return HeldHealth(
        messages=holding.held, body_bytes=holding.held_bytes, buffered=holding.buffered, polling=holding.polling
    )


def _iso(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
