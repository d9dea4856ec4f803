"""What a run shows while it goes on: its log and, in a terminal, the live panel below it.

Owns the order in which the two are set up, and how an error becomes the last line of a log in JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

import click

from sofetch.cli.frame import Frame
from sofetch.errors import ExitCode, SofetchError

if TYPE_CHECKING:
    from sofetch.cli.live import LivePanel
    from sofetch.events import Events
    from sofetch.settings import LogSettings, SourceSettings


def wants_panel(frame: Frame, log: LogSettings, *, plain: bool) -> bool:
    """Whether there is a person to look at a panel, and a terminal that can show it."""
    return not plain and not frame.quiet and _pretty(log) and sys.stderr.isatty()


@contextmanager
def shown(
    frame: Frame,
    log: LogSettings,
    sources: Sequence[SourceSettings],
    *,
    panel: bool,
    workers: Literal["one", "several"] = "one",
    metrics: Callable[[], bytes] | None = None,
    title: str | None = None,
) -> Iterator[tuple[Events, LivePanel | None]]:
    """The events of the run, the log that listens to them and, if wanted, the panel.

    The panel of several workers, each a process, listens to nothing: it has to be told which of them an event is of.
    ``metrics`` is what it reads, if that is not to be made of the events it hears. ``title`` is for what is no worker.
    """
    from sofetch.clock import SystemClock
    from sofetch.events import Events
    from sofetch.observe.log import contain_stray_output, log_writer

    clock, events = SystemClock(), Events()
    if frame.quiet and log.level in {"debug", "info"}:
        log = type(log)(format=log.format, level="warning")
    drawing = (
        _drawn(events, sources, several=workers == "several", metrics=metrics, title=title) if panel else nullcontext()
    )
    with drawing as drawn:
        # While the panel is up, what stands for stderr writes above it.
        events.listen(log_writer(log, clock=clock, stream=sys.stderr))
        contain_stray_output(events)
        if drawn is not None and workers == "one":
            events.listen(drawn)
        yield events, drawn


@contextmanager
def _drawn(
    events: Events,
    sources: Sequence[SourceSettings],
    *,
    several: bool,
    metrics: Callable[[], bytes] | None,
    title: str | None,
) -> Iterator[LivePanel]:
    from sofetch.cli.live import DepthWatch, LivePanel, queue_depth
    from sofetch.clock import SystemClock

    panel = LivePanel(events, clock=SystemClock(), several=several, metrics=metrics, title=title)
    with closing(DepthWatch(lambda: queue_depth(sources))) if sources else nullcontext() as depth, panel:
        if depth is not None:
            panel.ask_depth(depth)
        yield panel


@contextmanager
def told_as_event(frame: Frame, log: LogSettings, events: Events, *, relayed: bool = False) -> Iterator[None]:
    """Where the log is JSON, what ends the run is its last line, and no line of stderr is anything but JSON."""
    from sofetch.errors import place_of
    from sofetch.events import Failed, Unexpected

    try:
        yield
    except Exception as error:
        if _pretty(log) and not relayed:
            raise
        if isinstance(error, SofetchError):
            events.emit(Failed(code=error.code, what=error.what, hint=error.hint))
        else:
            events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
        if frame.json:
            raise
        code = error.exit_code if isinstance(error, SofetchError) else ExitCode.UNEXPECTED
        raise click.exceptions.Exit(code) from None


@contextmanager
def refusal_told(frame: Frame) -> Iterator[None]:
    """The same before there is a log: a configuration that cannot be used is told as a worker's failure is.

    Whoever counts those in the log (an alarm, a collector) is to find this one as well. Its format is what the
    environment says of it, for the file may be what is wrong.
    """
    from sofetch.clock import SystemClock
    from sofetch.events import Events, Failed
    from sofetch.observe.log import log_writer
    from sofetch.settings import LogSettings

    try:
        yield
    except SofetchError as error:
        asked = os.environ.get("SOFETCH_LOG_FORMAT")
        log = LogSettings(format="json" if asked == "json" else "pretty" if asked == "pretty" else "auto")
        if _pretty(log):
            raise
        events = Events(log_writer(log, clock=SystemClock(), stream=sys.stderr))
        events.emit(Failed(code=error.code, what=error.what, hint=error.hint))
        if frame.json:
            raise
        raise click.exceptions.Exit(error.exit_code) from None


def _pretty(log: LogSettings) -> bool:
    return log.format == "pretty" or (log.format == "auto" and sys.stderr.isatty())
