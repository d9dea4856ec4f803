"""``sofetch run``: the worker, in a terminal or under a supervisor.

Owns what a run shows while it goes on and at its end. What it does is ``sofetch.app``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sofetch.allocator import give_large_blocks_back
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, QUEUE_ENV, SINK_ENV, Frame, command
from sofetch.cli.run_reload import ONE, planned_one, read_one, rehearsal
from sofetch.cli.run_shown import refusal_told, shown, told_as_event, wants_panel
from sofetch.cli.run_summary import show_summary
from sofetch.cli.run_supervised import configured_for, relayed, supervised
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.events import Events
    from sofetch.settings import Settings
    from sofetch.stopping import Stop
    from sofetch.worker import Summary


def _number_of_processes(context: click.Context, option: click.Parameter, given: str) -> int:
    if given == "auto":
        from sofetch.observe.procfs import usable_cores

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
@click.argument("names", nargs=-1, metavar="[NAME]...")
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
@click.option("--plain", is_flag=True, help="Log lines only, in a terminal too: no live panel.")
@click.option("--relay-to", type=int, hidden=True, help="A pipe for the events: this worker has a supervisor.")
@click.option("--several", is_flag=True, hidden=True, help="Its supervisor takes it to run several pipelines.")
def run(
    frame: Frame,
    *,
    names: tuple[str, ...],
    drain: bool,
    max_messages: int | None,
    processes: int,
    apply_schema: bool,
    plain: bool,
    relay_to: int | None,
    several: bool,
) -> None:
    """Move messages from the queue into the table until stopped.

    Each message is deleted from the queue only after the commit that made it durable, as a row or in quarantine. The
    first SIGTERM or Ctrl-C finishes what is in hand, a second one stops at once; neither loses a message.
    A database, queue or archive that is away is waited for; with --drain it ends the run. The exit code is 3 if one of
    them was away when it was stopped: what was held is back in the queue.

    With --processes each worker has a process of its own, all with the same settings (so [source] max_in_flight counts
    for each). There is one log and one summary. What would end any of them (a key, a table) ends all.

    Where the configuration holds several pipelines, all run, or those of the NAMEs: in one process, apart from each
    other, or with --processes in each of so many. One that is refused ends alone.

    SIGHUP reads the configuration, keys and connection strings anew, and exchanges what has changed: the old pipeline
    finishes what it has in hand before the new one starts. With --processes send it to the first process. In a
    terminal and with --max-messages SIGHUP stops as SIGTERM does.

    Progress and log lines go to stderr: in a terminal a live panel with the log above it, JSON lines elsewhere. The
    summary goes to stdout. `sofetch top` watches a worker from another terminal.
    """
    if processes == 1:  # a supervisor holds no message
        give_large_blocks_back()
    if relay_to is None:
        with refusal_told(frame):
            configured = frame.pipelines(names)
    else:
        configured = configured_for(frame, names, relay_to=relay_to, several=several)
    if configured.several or several:
        from sofetch.cli.run_several import run_several

        if max_messages is not None:
            raise click.UsageError("--max-messages goes with one pipeline")
        run_several(
            frame,
            configured.pipelines,
            names=names,
            processes=processes,
            drain=drain,
            apply_schema=apply_schema,
            plain=plain,
            relay_to=relay_to,
        )
        return
    settings = configured.pipelines[0]
    panel = wants_panel(frame, settings.log, plain=plain)
    if processes > 1 and max_messages is not None:
        raise click.UsageError("--max-messages goes with one process: give it without --processes")
    if processes > 1:
        from sofetch.cli.run_processes import supervise_one

        summary = supervise_one(
            frame, settings, processes=processes, drain=drain, apply_schema=apply_schema, panel=panel
        )
    else:
        summary = _run(
            frame,
            settings,
            drain=drain,
            max_messages=max_messages,
            apply_schema=apply_schema,
            panel=panel,
            relay_to=relay_to,
        )
    show_summary(frame, summary, settings)
    if summary.away:
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)


def _run(
    frame: Frame,
    settings: Settings,
    *,
    drain: bool,
    max_messages: int | None,
    apply_schema: bool,
    panel: bool,
    relay_to: int | None,
) -> Summary:
    from sofetch.app import run_pipeline
    from sofetch.clock import SystemClock
    from sofetch.observe.board import Board
    from sofetch.pipelines import Pipelines
    from sofetch.stopping import Stop, stop_on_signals

    stop = Stop()

    def run_one(settings: Settings, events: Events, stop: Stop) -> Summary:
        own = settings if relay_to is None else supervised(settings)
        return run_pipeline(own, events=events, stop=stop, drain=drain, max_messages=max_messages, schema=apply_schema)

    log, sources = settings.log, [settings.source]
    with (
        relayed(stop, relay_to) if relay_to is not None else shown(frame, log, sources, panel=panel) as (events, _),
        told_as_event(frame, settings.log, events, relayed=relay_to is not None),
    ):
        pipelines = Pipelines(
            run_one,
            read=lambda: read_one(frame, settings, events),
            events=events,
            stop=stop,
            board=Board(clock=SystemClock()),
            rehearse=rehearsal(apply_schema=apply_schema),
            alone=True,
        )
        reloads = relay_to is None and max_messages is None  # a supervisor, or a count, is of one start
        with stop_on_signals(stop, reload=pipelines.reload if reloads else None):
            done = pipelines.run(planned_one(settings))
        for error in done.errors.values():
            raise error
        return done.summaries[ONE]
