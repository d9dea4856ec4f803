"""``sofetch run`` with several pipelines: one log, one page of health, and a summary of each.

Owns what is shown at the end. Running them is ``sofetch.pipelines``', what is read anew ``run_reload``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from sofetch.cli.frame import Frame
from sofetch.cli.run_processes import serve
from sofetch.cli.run_reload import listen_of, log_of, planned, read_several, rehearsal
from sofetch.cli.run_shown import shown, told_as_event, wants_panel
from sofetch.cli.run_summary import show_summary
from sofetch.cli.run_supervised import relayed, supervised
from sofetch.cli.text import terminal_safe
from sofetch.errors import ExitCode, SofetchError

if TYPE_CHECKING:
    from sofetch.events import Events
    from sofetch.observe.board import Showing
    from sofetch.pipelines import Done, RunOne
    from sofetch.settings import Settings
    from sofetch.stopping import Stop
    from sofetch.worker import Summary


def run_several(
    frame: Frame,
    several: Sequence[Settings],
    *,
    names: Sequence[str],
    processes: int,
    drain: bool,
    apply_schema: bool,
    plain: bool,
    relay_to: int | None,
) -> None:
    """Run them all until stopped or, with ``drain``, until each queue is empty: in this process, or in so many.

    Ends with the exit code of the first error, if any ended by one, once the summaries of all are shown.
    """
    if processes > 1:
        from sofetch.cli.run_processes import supervise_several

        done = supervise_several(
            frame,
            several,
            names=names,
            processes=processes,
            drain=drain,
            apply_schema=apply_schema,
            plain=plain,
        )
    elif relay_to is not None:
        done = _run_relayed(frame, several, names=names, drain=drain, apply_schema=apply_schema, relay_to=relay_to)
    else:
        done = _run(frame, several, names=names, drain=drain, apply_schema=apply_schema, plain=plain)
    _show(frame, done, several)
    _exit(frame, done)


def _run(
    frame: Frame, several: Sequence[Settings], *, names: Sequence[str], drain: bool, apply_schema: bool, plain: bool
) -> Done:
    from sofetch.clock import SystemClock
    from sofetch.observe.board import Board
    from sofetch.pipelines import Pipelines
    from sofetch.stopping import Stop, stop_on_signals

    stop = Stop()
    board = Board(clock=SystemClock())
    log = log_of(several)
    panel = wants_panel(frame, log, plain=plain)
    with (
        shown(frame, log, [one.source for one in several], panel=panel, metrics=board.metrics) as (events, _),
        told_as_event(frame, log, events),
        ExitStack() as opened,
    ):
        pipelines = Pipelines(
            _runner(board, drain=drain, apply_schema=apply_schema),
            read=lambda: read_several(frame, names, several, events),
            events=events,
            stop=stop,
            board=board,
            rehearse=rehearsal(apply_schema=apply_schema),
        )
        opened.enter_context(stop_on_signals(stop, reload=pipelines.reload))
        serve(listen_of(several), board.pages(), opened, events=events)
        return pipelines.run(planned(several))


def _run_relayed(
    frame: Frame, several: Sequence[Settings], *, names: Sequence[str], drain: bool, apply_schema: bool, relay_to: int
) -> Done:
    """The same in a process that has a supervisor: it serves nothing, and tells by events what there is to show."""
    from sofetch.observe.board import ToldBoard
    from sofetch.pipelines import Pipelines
    from sofetch.stopping import Stop, stop_on_signals

    stop = Stop()
    with relayed(stop, relay_to) as (events, _), told_as_event(frame, log_of(several), events, relayed=True):
        board = ToldBoard(events)
        pipelines = Pipelines(
            _runner(board, drain=drain, apply_schema=apply_schema),
            read=lambda: planned([supervised(one) for one in frame.pipelines(names).pipelines]),
            events=events,
            stop=stop,
            board=board,
        )
        with stop_on_signals(stop, reload=pipelines.reload):
            return pipelines.run(planned([supervised(one) for one in several]))


def _runner(board: Showing, *, drain: bool, apply_schema: bool) -> RunOne:
    from sofetch.app import run_pipeline

    def run_one(settings: Settings, events: Events, stop: Stop) -> Summary:
        return run_pipeline(settings, events=events, stop=stop, drain=drain, schema=apply_schema, board=board)

    return run_one


def _show(frame: Frame, done: Done, several: Sequence[Settings]) -> None:
    import msgspec

    if frame.json:
        summaries = {name: msgspec.to_builtins(summary) for name, summary in done.summaries.items()}
        frame.data({"pipelines": summaries, "failed": {name: _as_json(error) for name, error in done.errors.items()}})
        return
    settings = {one.pipeline_name: one for one in several}
    for name, summary in done.summaries.items():
        frame.say(click.style(terminal_safe(name), bold=True))
        show_summary(frame, summary, settings.get(name, several[0]))
    for name, error in done.errors.items():
        what = error.what if isinstance(error, SofetchError) else f"unexpected {type(error).__name__}, see the log"
        frame.say(f"{click.style('✗', fg='red', bold=True)} {terminal_safe(f'{name}: {what}')}")
        if isinstance(error, SofetchError) and error.hint:
            frame.say(f"  → {terminal_safe(error.hint)}")


def _as_json(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SofetchError):
        return {"code": error.code, "what": error.what, "hint": error.hint}
    return {"code": "unexpected", "what": f"unexpected {type(error).__name__}", "hint": "see the log"}


def _exit(frame: Frame, done: Done) -> None:
    """The first error's exit code; with --json the error too, as every command says it."""
    for error in done.errors.values():
        if frame.json:
            raise error
        raise click.exceptions.Exit(error.exit_code if isinstance(error, SofetchError) else ExitCode.UNEXPECTED)
    if any(summary.away for summary in done.summaries.values()):
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)
