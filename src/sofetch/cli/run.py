"""``sofetch run``: the worker, in a terminal or under a supervisor.

Owns what a run shows while it goes on and at its end. What it does is ``sofetch.app``'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import click

from sofetch.calls import advice, dollars_for_a_million, price
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, QUEUE_ENV, SINK_ENV, Frame, command
from sofetch.cli.text import count, duration
from sofetch.errors import ExitCode, SofetchError

if TYPE_CHECKING:
    from sofetch.events import Event, Events
    from sofetch.ports import Clock
    from sofetch.settings import LogSettings, Settings
    from sofetch.stopping import Stop
    from sofetch.worker import Summary

    Hear = Callable[[int, Event], None]


def _number_of_processes(context: click.Context, option: click.Parameter, given: str) -> int:
    if given == "auto":
        from sofetch.supervisor import usable_cores

        return usable_cores()
    number: int = click.IntRange(1, MOST_PROCESSES)(given, option, context)
    return number


MOST_PROCESSES = 64


@command(
    "run",
    example="sofetch run                   # until Ctrl-C or SIGTERM\n"
    "sofetch run --drain --json    # until empty\n"
    "sofetch run --processes auto  # a worker on each core",
    environment=(KEY_ENV, SINK_ENV, QUEUE_ENV, OVERRIDE_ENV),
)
@click.option("--drain", is_flag=True, help="End when the queue is empty.")
@click.option("--max-messages", type=click.IntRange(min=1), metavar="N", help="End after N received messages.")
@click.option(
    "--processes",
    default="1",
    callback=_number_of_processes,
    metavar="N|auto",
    help="So many workers, a process each; `auto`: one for each core. A worker that dies is started again.",
)
@click.option("--apply-schema", is_flag=True, help="Apply the missing DDL first, as `sofetch schema --apply` does.")
@click.option("--relay-to", type=int, hidden=True, help="A pipe for the events: this worker has a supervisor.")
def run(
    frame: Frame,
    *,
    drain: bool,
    max_messages: int | None,
    processes: int,
    apply_schema: bool,
    relay_to: int | None,
) -> None:
    """Move messages from the queue into the table until stopped.

    Each message is deleted from the queue only after the commit that made it durable, as a row or in quarantine. The
    first SIGTERM or Ctrl-C finishes what is in hand, a second one stops at once; neither loses a message.
    A database or queue that is away is waited for; with --drain it ends the run. The exit code is 3 if one of them was
    away when it was stopped: what was held is back in the queue.

    With --processes each worker has a process of its own, all with the same settings (so [source] max_in_flight counts
    for each). There is one log and one summary. What would end any of them (a key, a table) ends all.

    Progress and log lines go to stderr: one live line in a terminal, JSON lines elsewhere. The summary goes to stdout.
    """
    settings = frame.settings()
    if processes > 1 and max_messages is not None:
        raise click.UsageError("--max-messages goes with one process: give it without --processes")
    if processes > 1:
        summary = _supervise(frame, settings, processes=processes, drain=drain, apply_schema=apply_schema)
    else:
        summary = _run(
            frame, settings, drain=drain, max_messages=max_messages, apply_schema=apply_schema, relay_to=relay_to
        )
    _show_summary(frame, summary, settings)
    if summary.away:
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)


def _run(
    frame: Frame,
    settings: Settings,
    *,
    drain: bool,
    max_messages: int | None,
    apply_schema: bool,
    relay_to: int | None,
) -> Summary:
    from msgspec.structs import replace

    from sofetch.app import Pipeline
    from sofetch.stopping import Stop, stop_on_signals

    if relay_to is not None:  # its supervisor answers for it, and sends the metrics of all
        http, telemetry = replace(settings.http, listen=None), replace(settings.telemetry, metrics=False)
        settings = replace(settings, http=http, telemetry=telemetry)
    stop = Stop()
    with (
        _events(frame, settings.log) if relay_to is None else _relayed(stop, relay_to) as events,
        stop_on_signals(stop),
        _told_as_event(frame, settings.log, events, relayed=relay_to is not None),
        Pipeline.open(
            settings, events=events, stop=stop, patience_seconds=0 if drain else None, schema=apply_schema
        ) as pipeline,
    ):
        return pipeline.run(drain=drain, max_messages=max_messages)


def _supervise(frame: Frame, settings: Settings, *, processes: int, drain: bool, apply_schema: bool) -> Summary:
    """Workers of the same configuration, each in a process of its own."""
    from sofetch.clock import SystemClock
    from sofetch.stopping import Stop, stop_on_signals
    from sofetch.supervisor import Supervisor

    command = [sys.executable, "-m", "sofetch", "run"]
    command += ["-c", frame.config] if frame.config else []
    command += ["--drain"] if drain else []
    command += ["--apply-schema"] if apply_schema else []  # an advisory lock keeps the workers from doing it twice
    stop, clock = Stop(), SystemClock()
    with (
        _events(frame, settings.log) as events,
        stop_on_signals(stop),
        _told_as_event(frame, settings.log, events),
        _watching(settings, clock=clock, events=events, stop=stop) as hear,
    ):
        return Supervisor(command, processes=processes, clock=clock, events=events, stop=stop, hear=hear).run()


@contextmanager
def _watching(settings: Settings, *, clock: Clock, events: Events, stop: Stop) -> Iterator[Hear]:
    """Hears the events of several workers, and serves what it makes of them where [http] says so: here, and not by each
    of them.
    """
    from msgspec.structs import replace

    from sofetch.events import Listening
    from sofetch.fleet_health import FleetHealth
    from sofetch.health import Health
    from sofetch.metrics import Metrics
    from sofetch.probes import Probes
    from sofetch.procfs import process_use
    from sofetch.serving import HttpServer, pages
    from sofetch.telemetry import open_telemetry

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

    with ExitStack() as opened:
        if telemetry is not None:
            opened.callback(telemetry.close)
            events.listen(telemetry)
        if settings.http.listen is not None:
            served = pages(report=health.report, probes=probes, metrics=metrics)
            server = opened.enter_context(closing(HttpServer(settings.http.listen, served)))
            events.emit(Listening(address=server.address))
        yield hear


@contextmanager
def _relayed(stop: Stop, descriptor: int) -> Iterator[Events]:
    """The events of a worker that has a supervisor: it tells them on, and shows nothing itself."""
    from sofetch.events import Events
    from sofetch.log import contain_stray_output
    from sofetch.relay import relay_to
    from sofetch.supervisor import stop_when_alone

    stop_when_alone(stop, descriptor=sys.stdin.fileno())
    events = Events(relay_to(descriptor))
    contain_stray_output(events)
    yield events


@contextmanager
def _events(frame: Frame, log: LogSettings) -> Iterator[Events]:
    """The events of the run, with their listeners: the log and, in a terminal, the live line."""
    from sofetch.clock import SystemClock
    from sofetch.events import Events
    from sofetch.log import contain_stray_output, log_writer

    clock = SystemClock()
    if frame.quiet and log.level in {"debug", "info"}:
        log = type(log)(format=log.format, level="warning")
    if frame.quiet or not _pretty(log) or not sys.stderr.isatty():
        events = Events(log_writer(log, clock=clock, stream=sys.stderr))
        contain_stray_output(events)
        yield events
        return
    from sofetch.cli.progress import RunProgress

    with RunProgress(clock=clock) as progress:
        events = Events(progress, log_writer(log, clock=clock, stream=sys.stderr))
        contain_stray_output(events)
        yield events


@contextmanager
def _told_as_event(frame: Frame, log: LogSettings, events: Events, *, relayed: bool = False) -> Iterator[None]:
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


def _pretty(log: LogSettings) -> bool:
    return log.format == "pretty" or (log.format == "auto" and sys.stderr.isatty())


def _show_summary(frame: Frame, summary: Summary, settings: Settings) -> None:
    import msgspec

    if frame.json:
        frame.data(msgspec.to_builtins(summary))
        return
    counts = {
        "received": (summary.received, ""),
        "loaded": (summary.loaded, "rows in the table"),
        "duplicates": (summary.duplicates, "loaded by an earlier delivery"),
        "quarantined": (summary.quarantined, _reasons(summary)),
        "released": (summary.released, "back in the queue, to be retried"),
    }
    digits = max(len(f"{number:,}") for number, _ in counts.values())
    for name, (number, meaning) in counts.items():
        frame.say(f"{name:<12} {number:>{digits},}{'  ' + meaning if number and meaning else ''}")
    for line in _cost(summary, settings):
        frame.say(line)
    frame.say(_closing(summary))
    if summary.quarantined:
        frame.note("  → sofetch quarantine list")
    source = settings.source
    for line in advice(
        summary.calls, messages=summary.received, wait_seconds=source.wait_seconds, receivers=source.receivers
    ):
        frame.note(f"  → {line}")


def _cost(summary: Summary, settings: Settings) -> Iterator[str]:
    """The calls to the queue, and what a million messages would cost at this rate."""
    calls = summary.calls
    if not calls.total:
        return
    empty = f", {calls.empty_receives:,} of them empty" if calls.empty_receives else ""
    yield (
        f"calls        {calls.total:,} to the queue: {count(calls.receives, 'receive')}{empty}; "
        f"{count(calls.deletes, 'delete')}; {count(calls.visibility_changes, 'change')} of visibility"
    )
    if summary.received:
        dollars = price(settings.source.queue, settings.cost.dollars_per_million_requests)
        million = dollars_for_a_million(calls, messages=summary.received, dollars_per_million_requests=dollars)
        yield (
            f"cost         ${million:.2f} for a million messages: {calls.requests / summary.received:.2f} requests a "
            f"message, at ${dollars:.2f} a million"
        )


def _reasons(summary: Summary) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in sorted(summary.quarantined_by_reason.items()))


def _closing(summary: Summary) -> str:
    why = {"drained": "the queue is empty", "max_messages": "--max-messages is reached"}
    ended = why.get(summary.stopped_by, f"stopped by {summary.stopped_by}")
    rate = f" ({summary.received / summary.seconds:,.0f} messages/s)" if summary.seconds and summary.received else ""
    away = "".join(f"; the {name} was away, what was held is back in the queue" for name in summary.away[:1])
    return f"{ended} after {duration(summary.seconds)}{rate}{away}"
