"""The live panel of a run: it hears the events, and redraws itself until it is left.

Owns what of the events is kept for the eyes: what is away, and the last warnings. The numbers are those of the metrics,
read once a second. It goes to stderr; log lines pass above it.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live

from sofetch.cli.panel import Depth, Panel, View
from sofetch.cli.text import duration
from sofetch.errors import SofetchError
from sofetch.events import (
    Draining,
    Event,
    Events,
    Failed,
    MessagesQuarantined,
    Outage,
    ProcessEnded,
    Recovered,
    WorkerStarted,
)
from sofetch.observe.metrics import Metrics, exposition
from sofetch.observe.procfs import process_use
from sofetch.observe.watching.history import History
from sofetch.observe.watching.reading import read
from sofetch.ports import Clock

if TYPE_CHECKING:
    from sofetch.settings import SourceSettings

READ_SECONDS = 1.0
DEPTH_SECONDS = 15.0
"""One more call to the queue each quarter of a minute: 173,000 a month, seven cents."""
_LAST = 3


class LivePanel:
    """A listener for events that is drawn while it is entered. ``several``: the workers are other processes; ``title``
    is for what is no worker and never starts to be one; ``metrics`` is the exposition to read instead of an own one.
    """

    def __init__(
        self,
        events: Events,
        *,
        clock: Clock,
        console: Console | None = None,
        several: bool = False,
        title: str | None = None,
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._metrics = Metrics(events.counters, clock=clock, use=process_use, pid=os.getpid(), supervising=several)
        self._exposition = metrics or (lambda: exposition(self._metrics.samples()))
        self._history = History()
        self._started_pipelines: dict[str, str] = {}
        self._title, self._state = title or "sofetch", "running" if title else "starting"
        self._away: dict[tuple[str, str], Outage] = {}
        self._last: deque[str] = deque(maxlen=_LAST)
        self._depth: Callable[[], Depth | str] = lambda: ""
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self.panel,
            console=console or Console(stderr=True),
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        )

    def __call__(self, event: Event) -> None:
        """Take notice of an event of the only worker."""
        self.hear(1, event)

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a worker."""
        self._metrics.hear(process, event)
        with self._lock:
            self._take(event)

    def ask_depth(self, depth: Callable[[], Depth | str]) -> None:
        """Show from now on what this answers: what waits in the queue, or why that is not known."""
        self._depth = depth

    def panel(self) -> Panel:
        """The panel as it is now."""
        now = self._clock.monotonic()
        with self._lock:
            latest = self._history.latest
            if latest is None or now - latest.at >= READ_SECONDS:
                self._history.add(read(self._exposition().decode(), at=now))
            depth = self._depth()
            return Panel(
                View(
                    title=self._title,
                    state="paused by an outage" if self._away and self._state == "running" else self._state,
                    up_seconds=now - self._started,
                    history=self._history,
                    depth=depth if isinstance(depth, Depth) else None,
                    depth_trouble=depth if isinstance(depth, str) else "",
                    away=[_told(outage) for outage in self._away.values()],
                    last=tuple(self._last),
                    footer="Ctrl-C drains and stops" if self._state != "draining" else "Ctrl-C again stops at once",
                )
            )

    def _take(self, event: Event) -> None:
        match event:
            case WorkerStarted():
                self._started_pipelines[event.pipeline or ""] = f"{event.queue} → {event.table}"
                self._title, self._state = ", ".join(self._started_pipelines.values()), "running"
            case Draining():
                self._state = "draining"
            case Outage():
                self._away[str(event.pipeline), event.dependency] = event
            case Recovered():
                self._away.pop((str(event.pipeline), event.dependency), None)
                self._last.append(f"the {event.dependency} came back after {duration(event.outage_seconds)}")
            case MessagesQuarantined():
                field = f", field {event.field}" if event.field else ""
                self._last.append(f"{event.count:,} to quarantine: {event.reason}{field}")
            case ProcessEnded() if event.exit_code:
                self._last.append(f"worker {event.process} ended with {event.exit_code}")
            case Failed():
                self._last.append(f"{event.code}: {event.what}")
            case _:
                pass

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class DepthWatch:
    """Asks the queue now and then how much waits in it, in a thread of its own, until it is closed."""

    def __init__(self, ask: Callable[[], Depth]) -> None:
        self._ask = ask
        self._answer: Depth | str = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sofetch-depth", daemon=True)
        self._thread.start()

    def __call__(self) -> Depth | str:
        """The last answer, or in a word why there is none."""
        return self._answer

    def close(self) -> None:
        """Ask no more. Idempotent; does not wait for a call that is under way."""
        self._closed.set()

    def _watch(self) -> None:
        while True:
            try:
                self._answer = self._ask()
            except SofetchError as error:
                self._answer = f"how much waits is not known ({error.code})"
            if self._closed.wait(DEPTH_SECONDS):
                return


def queue_depth(sources: Sequence[SourceSettings]) -> Depth:
    """What waits in the queues together. Raises SourceUnavailable or SourceRefused."""
    from sofetch.source.queue import QueueControl

    waiting = in_flight = delayed = 0
    for settings in sources:
        with QueueControl.open(settings) as control:
            attributes = control.attributes()
        waiting += attributes.visible
        in_flight += attributes.in_flight
        delayed += attributes.delayed
    return Depth(waiting, in_flight, delayed)


def _told(outage: Outage) -> str:
    state = f", SQLSTATE {outage.sqlstate}" if outage.sqlstate else ""
    return f"{outage.dependency}: {outage.what} ({outage.code}{state}), attempt {outage.attempt}"
