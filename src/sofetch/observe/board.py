"""What is shown of several pipelines in one process: health, the two probes, and metrics, of each and of all.

Owns the verdict on the whole, and how a process that has a supervisor tells it instead. What is known of one pipeline
is its own ``health``, ``probes`` and ``metrics``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from msgspec import Struct

from sofetch import __version__
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import Events, PipelineEnded, PipelineStarted
from sofetch.observe.health import Health, HealthReport
from sofetch.observe.metrics import CONTENT_TYPE, Metrics, exposition_of_several
from sofetch.observe.probes import Probes
from sofetch.observe.serving import Page, health_page, probe_page
from sofetch.ports import Clock


class Watched(NamedTuple):
    """Who watches one pipeline."""

    health: Health
    metrics: Metrics
    probes: Probes


class Showing(Protocol):
    """What is told of the pipelines of a process. Safe to call from any thread."""

    def put(self, name: str, watched: Watched) -> None:
        """Show this pipeline from now on, in the place of one of the same name."""
        ...

    def ended(self, name: str, error: BaseException | None) -> None:
        """It ended by itself, or by this error. Its counters stay."""
        ...

    def drop(self, name: str) -> None:
        """It is configured no longer."""
        ...


class EndedReport(Struct, frozen=True, kw_only=True):
    """A pipeline that ended while others go on: the code of its error, or None where it was done."""

    state: str = "ended"
    healthy: bool
    code: str | None


class BoardReport(Struct, frozen=True, kw_only=True):
    """The answer to ``/health`` of several pipelines. It is well when each of them is."""

    healthy: bool
    version: str
    up_seconds: float
    pipelines: dict[str, HealthReport | EndedReport]


class Board:
    """The pipelines of this process as they are now. Safe to use from any thread."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}
        self._ended: dict[str, EndedReport] = {}

    def put(self, name: str, watched: Watched) -> None:
        """Show this pipeline from now on, in the place of one of the same name."""
        with self._lock:
            self._ended.pop(name, None)
            self._watched[name] = watched

    def ended(self, name: str, error: BaseException | None) -> None:
        """It ended by itself, or by this error. Its counters stay."""
        code = _code(error)
        with self._lock:
            self._ended[name] = EndedReport(healthy=code is None, code=code)

    def drop(self, name: str) -> None:
        """It is configured no longer."""
        with self._lock:
            self._ended.pop(name, None)
            self._watched.pop(name, None)

    def report(self) -> BoardReport:
        """How they are now."""
        watched, ended = self._standing()
        each: dict[str, HealthReport | EndedReport] = {name: one.health.report() for name, one in watched.items()}
        each = dict(sorted((each | ended).items()))
        return BoardReport(
            healthy=bool(each) and all(one.healthy for one in each.values()),
            version=__version__,
            up_seconds=round(self._clock.monotonic() - self._began, 3),
            pipelines=each,
        )

    def live(self) -> bool:
        """Whether no loop is stuck; one that ended is not."""
        watched, ended = self._standing()
        return all(one.probes.live() for name, one in watched.items() if name not in ended)

    def ready(self) -> bool:
        """Whether any pipeline works: one whose database is away must not hold up the others' deployment."""
        watched, ended = self._standing()
        return any(one.probes.ready() for name, one in watched.items() if name not in ended)

    def metrics(self) -> bytes:
        """The metrics of all, each with the pipeline's name."""
        watched, _ = self._standing()
        return exposition_of_several({name: one.metrics.samples() for name, one in watched.items()})

    def pages(self) -> dict[str, Callable[[], Page]]:
        """What is served."""
        return {
            "/health": lambda: health_page(self.report()),
            "/livez": lambda: probe_page(self.live(), otherwise="stuck"),
            "/readyz": lambda: probe_page(self.ready(), otherwise="not ready"),
            "/metrics": lambda: Page(200, self.metrics(), CONTENT_TYPE),
        }

    def _standing(self) -> tuple[dict[str, Watched], dict[str, EndedReport]]:
        with self._lock:
            return dict(self._watched), dict(self._ended)


class ToldBoard:
    """Tells by events what a ``Board`` would show, where that is a supervisor's to do. Serves nothing."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def put(self, name: str, watched: Watched) -> None:  # noqa: ARG002  # a supervisor watches by what is relayed
        """It begins, or begins anew."""
        self._events.emit(PipelineStarted(pipeline=name))

    def ended(self, name: str, error: BaseException | None) -> None:
        """It ended by itself, or by this error."""
        match error:
            case None:
                told = PipelineEnded(pipeline=name)
            case SofetchError(code=code, what=what, hint=hint, exit_code=exit_code):
                told = PipelineEnded(pipeline=name, code=code, what=what, hint=hint, exit_code=exit_code)
            case _:
                what = f"unexpected {type(error).__name__}"  # its text could hold a value
                told = PipelineEnded(
                    pipeline=name, code="unexpected", what=what, hint="see the log", exit_code=ExitCode.UNEXPECTED
                )
        self._events.emit(told)

    def drop(self, name: str) -> None:
        """It is configured no longer."""
        self._events.emit(PipelineEnded(pipeline=name, configured=False))


def _code(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return error.code if isinstance(error, SofetchError) else "unexpected"
