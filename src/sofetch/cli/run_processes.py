"""``sofetch run`` with several processes: the supervisor's end, for one pipeline and for several.

Owns what is heard of the workers and shown of them all. What the end of one means is ``sofetch.processes``' to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from sofetch.cli.frame import Frame
from sofetch.cli.run_reload import listen_of, log_of, planned, planned_one, read_one, read_several, rehearsal
from sofetch.cli.run_shown import shown, told_as_event, wants_panel
from sofetch.cli.run_supervised import supervised, worker_command
from sofetch.errors import SofetchError

if TYPE_CHECKING:
    from sofetch.cli.live import LivePanel
    from sofetch.events import Event, Events
    from sofetch.observe.serving import Page
    from sofetch.pipelines import Done, Planned
    from sofetch.ports import Clock
    from sofetch.settings import Settings
    from sofetch.stopping import Stop
    from sofetch.worker import Summary

    Hear = Callable[[int, Event], None]


def supervise_one(
    frame: Frame, settings: Settings, *, processes: int, drain: bool, apply_schema: bool, panel: bool
) -> Summary:
    """Workers of the same pipeline, each in a process of its own."""
    from sofetch.clock import SystemClock
    from sofetch.processes.account import ALONE
    from sofetch.processes.supervisor import Supervisor
    from sofetch.stopping import Stop, stop_on_signals

    command = worker_command(frame, (), drain=drain, apply_schema=apply_schema, several=False)
    stop, clock, reload = Stop(), SystemClock(), _Later()
    with (
        shown(frame, settings.log, [settings.source], panel=panel, workers="several") as (events, drawn),
        stop_on_signals(stop, reload=reload),
        told_as_event(frame, settings.log, events),
        _watching(settings, clock=clock, events=events, stop=stop, drawn=drawn) as hear,
    ):
        reading = _OnePipeline(frame, settings, events, rehearse=rehearsal(apply_schema=apply_schema))
        supervisor = Supervisor(
            command,
            processes=processes,
            clock=clock,
            events=events,
            stop=stop,
            hear=hear,
            may_reload=lambda: _sound(reading.changed, events),
        )
        reload.pass_on(supervisor.reload)
        done = supervisor.run()
    return done.summaries[ALONE]


def supervise_several(
    frame: Frame,
    several: Sequence[Settings],
    *,
    names: Sequence[str],
    processes: int,
    drain: bool,
    apply_schema: bool,
    plain: bool,
) -> Done:
    """Workers that each run all of these pipelines, each in a process of its own."""
    from sofetch.clock import SystemClock
    from sofetch.processes.board import FleetBoard
    from sofetch.processes.supervisor import Supervisor
    from sofetch.stopping import Stop, stop_on_signals

    command = worker_command(frame, names, drain=drain, apply_schema=apply_schema, several=True)
    stop, clock, log, reload = Stop(), SystemClock(), log_of(several), _Later()
    with (
        closing(FleetBoard(clock=clock, stop=stop)) as board,
        shown(
            frame,
            log,
            [one.source for one in several],
            panel=wants_panel(frame, log, plain=plain),
            metrics=board.metrics,
        ) as (events, _),
        stop_on_signals(stop, reload=reload),
        told_as_event(frame, log, events),
        ExitStack() as opened,
    ):
        # Keys that cannot be used are told of before any process starts.
        reading = _SeveralPipelines(frame, several, names, events, rehearse=rehearsal(apply_schema=apply_schema))
        board.configure(several)

        def take_in() -> bool:
            read = reading.take_in(stop)
            if read is not None:
                board.configure([one.settings for one in read])
            return read is not None

        supervisor = Supervisor(
            command,
            processes=processes,
            clock=clock,
            events=events,
            stop=stop,
            hear=board.hear,
            several=True,
            may_reload=lambda: _sound(take_in, events),
        )
        reload.pass_on(supervisor.reload)
        serve(listen_of(several), board.pages(), opened, events=events)
        return supervisor.run()


def serve(listen: str | None, pages: dict[str, Callable[[], Page]], opened: ExitStack, *, events: Events) -> None:
    """Answer for all pipelines, where [http] says so."""
    from sofetch.events import Listening
    from sofetch.observe.serving import HttpServer

    if listen is not None:
        server = opened.enter_context(closing(HttpServer(listen, pages)))
        events.emit(Listening(address=server.address))


class _Later:
    """A reload, which may be asked for before there is anybody to carry it out: signals are minded from the start."""

    def __init__(self) -> None:
        self._carry_out: Callable[[], None] | None = None
        self._asked = False

    def __call__(self) -> None:
        self._asked = True
        if self._carry_out is not None:
            self._carry_out()

    def pass_on(self, carry_out: Callable[[], None]) -> None:
        self._carry_out = carry_out
        if self._asked:
            carry_out()


class _SeveralPipelines:
    """The pipelines that all processes run, as they were last taken in."""

    def __init__(
        self,
        frame: Frame,
        several: Sequence[Settings],
        names: Sequence[str],
        events: Events,
        *,
        rehearse: Callable[[Settings], None],
    ) -> None:
        self._frame = frame
        self._several = several
        self._names = names
        self._events = events
        self._rehearse = rehearse
        self._standing = {one.name: one for one in planned(several)}

    def take_in(self, stop: Stop) -> Sequence[Planned] | None:
        """Take in what is configured now. It raises where that cannot be used, and gives None where a stop is asked;
        nothing is taken in then.
        """
        read = read_several(self._frame, self._names, self._several, self._events)
        for one in read:
            if stop.asked:
                return None
            if one.name in self._standing and one != self._standing[one.name]:
                self._rehearse(one.settings)
        self._standing = {one.name: one for one in read}
        return read


class _OnePipeline:
    """The pipeline that all processes run, as it was last taken in."""

    def __init__(
        self, frame: Frame, settings: Settings, events: Events, *, rehearse: Callable[[Settings], None]
    ) -> None:
        self._frame = frame
        self._settings = settings
        self._events = events
        self._rehearse = rehearse
        self._standing = self._as_workers_run_it(planned_one(settings))

    def changed(self) -> bool:
        """Whether the workers are to be exchanged: it is another now. Raises SofetchError where it cannot be used."""
        from sofetch.events import Reloaded

        read = self._as_workers_run_it(read_one(self._frame, self._settings, self._events, supervising=True))
        changed = read != self._standing
        if changed:
            self._rehearse(read[0].settings)
        self._standing = read
        self._events.emit(Reloaded(started=int(changed), ended=int(changed), unchanged=int(not changed)))
        return changed

    @staticmethod
    def _as_workers_run_it(read: Sequence[Planned]) -> list[Planned]:
        from msgspec.structs import replace

        return [replace(one, settings=supervised(one.settings)) for one in read]


def _sound(take_in: Callable[[], bool], events: Events) -> bool:
    """Whether what is configured now can be used: asked once, here, so that either all workers take it in or none."""
    from sofetch.errors import place_of
    from sofetch.events import ReloadRefused, Unexpected

    try:
        return take_in()
    except SofetchError as error:
        events.emit(ReloadRefused(code=error.code, what=error.what))
    except Exception as error:  # noqa: BLE001  # told; a fault in reading must not end what runs
        events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
    return False


@contextmanager
def _watching(
    settings: Settings, *, clock: Clock, events: Events, stop: Stop, drawn: LivePanel | None
) -> Iterator[Hear]:
    """Hears the events of several workers, and serves what it makes of them where [http] says so: here, and not by each
    of them.
    """
    from msgspec.structs import replace

    from sofetch.events import Listening
    from sofetch.observe.health import Health
    from sofetch.observe.metrics import Metrics
    from sofetch.observe.probes import Probes
    from sofetch.observe.procfs import process_use
    from sofetch.observe.serving import HttpServer, pages
    from sofetch.observe.telemetry import open_telemetry
    from sofetch.processes.health import FleetHealth

    health = FleetHealth(
        lambda breakers: Health(
            pipeline=settings.pipeline_name,
            breakers=breakers,
            clock=clock,
            stop=stop,
            unhealthy_after_seconds=settings.http.unhealthy_after_seconds,
        ),
        clock=clock,
    )
    metrics = Metrics(events.counters, clock=clock, use=process_use, pid=os.getpid(), supervising=True)
    probes = Probes(clock=clock, stop=stop, stuck_after_seconds=settings.http.stuck_after_seconds)
    # The workers send their spans, each its own.
    pushing = replace(settings.telemetry, traces=False)
    telemetry = open_telemetry(pushing, pipeline=settings.pipeline_name, metrics=metrics, clock=clock)

    def hear(process: int, event: Event) -> None:
        for one in (health, metrics, probes):
            one.hear(process, event)
        if drawn is not None:
            drawn.hear(process, event)

    with ExitStack() as opened:
        if telemetry is not None:
            opened.callback(telemetry.close)
            events.listen(telemetry)
        if settings.http.listen is not None:
            served = pages(report=health.report, probes=probes, metrics=metrics)
            server = opened.enter_context(closing(HttpServer(settings.http.listen, served)))
            events.emit(Listening(address=server.address))
        yield hear
