"""What is shown of several pipelines in several processes: health, the two probes, and metrics, of each and of all.

Owns which watcher hears which event, and the verdict on the whole. Each pipeline is watched as one with several workers
is, by ``health``, ``metrics`` and ``probes``: its part in a process is a worker, which begins and ends as the
process tells.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, Struct
from msgspec.structs import replace

from sofetch import __version__
from sofetch.breaker import Breakers
from sofetch.events import Event, Events, PipelineEnded, PipelineStarted, ProcessEnded, ProcessStarted
from sofetch.observe.board import EndedReport
from sofetch.observe.health import Health, HealthReport
from sofetch.observe.metrics import CONTENT_TYPE, Metrics, exposition_of_several
from sofetch.observe.probes import Probes
from sofetch.observe.procfs import ProcessUse, process_use
from sofetch.observe.serving import Page, health_page, probe_page
from sofetch.observe.telemetry import open_telemetry
from sofetch.ports import Clock
from sofetch.processes.health import FleetHealth, restarting
from sofetch.settings import HttpSettings, Settings, TelemetrySettings
from sofetch.stopping import Stop

if TYPE_CHECKING:
    from sofetch.observe.telemetry.otel import Telemetry


class ProcessPipelines(Struct, frozen=True, kw_only=True):
    """One process: its number and id, and its pipelines."""

    process: int
    pid: int
    pipelines: dict[str, HealthReport | EndedReport]


class FleetBoardReport(Struct, frozen=True, kw_only=True):
    """The answer to ``/health``. It is well when each pipeline is, wherever it runs, and a process does.

    ``restarting`` are the processes that wait to be started again.
    """

    healthy: bool
    version: str
    up_seconds: float
    processes: list[ProcessPipelines]
    restarting: list[int]


class _Watched(Struct, frozen=True):
    """Who watches one pipeline over all processes. ``counting`` has no listeners: it keeps the counters."""

    health: FleetHealth
    metrics: Metrics
    probes: Probes
    counting: Events
    telemetry: Telemetry | None

    def hear(self, process: int, event: Event) -> None:
        for one in (self.health, self.metrics, self.probes):
            one.hear(process, event)
        self.counting.emit(event)
        if self.telemetry is not None:
            self.telemetry(event)

    def begin(self, process: int, pid: int) -> None:
        for one in (self.health, self.metrics, self.probes):
            one.hear(process, ProcessStarted(process=process, pid=pid))

    def end(self, process: int) -> None:
        for one in (self.health, self.metrics, self.probes):
            one.hear(process, ProcessEnded(process=process, exit_code=0, restart_in_seconds=None))


class FleetBoard:
    """Hears what the processes relay. One thread calls ``hear`` and ``configure``; the rest may be called from any."""

    def __init__(self, *, clock: Clock, stop: Stop, use: Callable[[int], ProcessUse | None] = process_use) -> None:
        self._clock = clock
        self._stop = stop
        self._use = use
        self._began = clock.monotonic()
        self._http: dict[str, HttpSettings] = {}
        self._lock = threading.Lock()
        self._pids: dict[int, int] = {}
        self._restarting: frozenset[int] = frozenset()
        self._pipelines: dict[str, _Watched] = {}
        self._parts: set[tuple[str, int]] = set()
        self._ended: dict[tuple[str, int], EndedReport] = {}
        self._processes = Events()
        self._loops = Probes(clock=clock, stop=stop, stuck_after_seconds=HttpSettings().stuck_after_seconds)

    def configure(self, several: Sequence[Settings]) -> None:
        """Watch these from now on. One that is configured no longer is shown until each process has ended it.

        Raises ConfigError where telemetry is asked for that is not installed; then all is as it was.
        """
        new = [one for one in several if one.pipeline_name not in self._pipelines]
        made = {one.pipeline_name: self._watch(one.pipeline_name, one.telemetry) for one in new}
        with self._lock:
            self._pipelines |= made
            self._http = {one.pipeline_name: one.http for one in several}
            for name, http in self._http.items():
                self._pipelines[name].probes.stuck_after_seconds = http.stuck_after_seconds
            self._loops.stuck_after_seconds = max(http.stuck_after_seconds for http in self._http.values())

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a process."""
        with self._lock:
            self._loops.hear(process, event)
            self._restarting = restarting(self._restarting, process, event)
            match event:
                case ProcessStarted():
                    self._pids[process] = event.pid
                case ProcessEnded():
                    self._processes.emit(event)
                    self._end_all(process)
                case PipelineStarted():
                    self._begin(event.pipeline, process)
                case PipelineEnded():
                    self._end(process, event)
                case _ if event.pipeline is not UNSET and (event.pipeline, process) in self._parts:
                    self._pipelines[event.pipeline].hear(process, event)
                case _:
                    pass

    def report(self) -> FleetBoardReport:
        """How they are now."""
        with self._lock:
            each: dict[int, dict[str, HealthReport | EndedReport]] = {process: {} for process in sorted(self._pids)}
            for name, watched in sorted(self._pipelines.items()):
                for one in watched.health.report().processes:
                    each[one.process][name] = one.health
            for (name, process), ended in self._ended.items():
                each[process][name] = ended
            pids, waiting = dict(self._pids), sorted(self._restarting)
        processes = [
            ProcessPipelines(process=process, pid=pids[process], pipelines=dict(sorted(of_process.items())))
            for process, of_process in each.items()
        ]
        return FleetBoardReport(
            healthy=bool(processes) and all(one.healthy for of_process in each.values() for one in of_process.values()),
            version=__version__,
            up_seconds=round(self._clock.monotonic() - self._began, 3),
            processes=processes,
            restarting=waiting,
        )

    def live(self) -> bool:
        """Whether no loop is stuck, nor a process that has yet to begin with a pipeline; one that ended is not."""
        return self._loops.live() and all(one.probes.live() for one in self._at_work())

    def ready(self) -> bool:
        """Whether any pipeline works anywhere."""
        return any(one.probes.ready() for one in self._at_work())

    def metrics(self) -> bytes:
        """The metrics of each pipeline with its name, summed over the processes, and those of the processes."""
        with self._lock:
            watched = dict(sorted(self._pipelines.items()))
        return exposition_of_several({name: one.metrics.samples() for name, one in watched.items()})

    def pages(self) -> dict[str, Callable[[], Page]]:
        """What is served."""
        return {
            "/health": lambda: health_page(self.report()),
            "/livez": lambda: probe_page(self.live(), otherwise="stuck"),
            "/readyz": lambda: probe_page(self.ready(), otherwise="not ready"),
            "/metrics": lambda: Page(200, self.metrics(), CONTENT_TYPE),
        }

    def close(self) -> None:
        """Send what telemetry has left. Idempotent."""
        for one in self._pipelines.values():
            if one.telemetry is not None:
                one.telemetry.close()

    def _at_work(self) -> list[_Watched]:
        with self._lock:
            return [self._pipelines[name] for name in {name for name, _ in self._parts}]

    def _begin(self, name: str, process: int) -> None:
        if name not in self._pipelines:  # the configuration changed between our reading and the process's
            self._pipelines[name] = self._watch(name, TelemetrySettings())
        self._leave(name, process)
        self._parts.add((name, process))
        self._pipelines[name].begin(process, self._pids[process])

    def _end(self, process: int, event: PipelineEnded) -> None:
        name = event.pipeline
        self._leave(name, process)
        if event.configured:
            self._ended[name, process] = EndedReport(healthy=event.code is None, code=event.code)
        elif name not in self._http and name not in {other for other, _ in self._parts}:
            gone = self._pipelines.pop(name, None)
            if gone is not None and gone.telemetry is not None:
                gone.telemetry.close()

    def _leave(self, name: str, process: int) -> None:
        """Its part in the process is over: what it counted stays."""
        self._ended.pop((name, process), None)
        if (name, process) in self._parts:
            self._parts.remove((name, process))
            self._pipelines[name].end(process)

    def _end_all(self, process: int) -> None:
        for name, whose in {*self._parts, *self._ended}:
            if whose == process:
                self._leave(name, process)
        self._pids.pop(process, None)

    def _watch(self, name: str, pushed: TelemetrySettings) -> _Watched:
        def health(breakers: Breakers) -> Health:
            http = self._http.get(name, HttpSettings())
            return Health(
                pipeline=name,
                breakers=breakers,
                clock=self._clock,
                stop=self._stop,
                unhealthy_after_seconds=http.unhealthy_after_seconds,
            )

        counting = Events()
        metrics = Metrics(
            # A restart is of the process and all its pipelines, and is told of without a name.
            lambda: self._processes.counters() | counting.counters(),
            clock=self._clock,
            use=self._use,
            pid=os.getpid(),
            supervising=True,
        )
        stuck_after_seconds = self._http.get(name, HttpSettings()).stuck_after_seconds
        probes = Probes(clock=self._clock, stop=self._stop, stuck_after_seconds=stuck_after_seconds)
        # The workers send their spans, each its own.
        pushing = replace(pushed, traces=False)
        telemetry = open_telemetry(pushing, pipeline=name, metrics=metrics, clock=self._clock)
        return _Watched(FleetHealth(health, clock=self._clock), metrics, probes, counting, telemetry)
