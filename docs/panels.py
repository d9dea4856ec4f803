"""What a terminal shows of running workers, for docs/terminal.md: drawn by the program, from made-up events.

Owns the events alone, and the width. It starts no worker and reads no clock, so the same panel comes each time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from rich.console import Console

from sofetch.cli.live import LivePanel
from sofetch.cli.panel import Depth, Panel
from sofetch.cli.top import Watched, drawing
from sofetch.events import BatchDone, Events, Heartbeat, MessagesQuarantined, Outage, WorkerStarted
from sofetch.observe.watching.reading import Reading, together
from sofetch.testing import FakeClock

_WIDTH = 96
_SECONDS = 40


def running() -> Iterator[str]:
    """``sofetch run`` while all is well."""
    panel, _ = _worked()
    yield from _screen(panel)


def away() -> Iterator[str]:
    """The same while the database is away."""
    panel, events = _worked()
    events.emit(
        Outage(
            dependency="database",
            code="sink_unavailable",
            what="the connection was refused",
            attempt=3,
            retry_in_seconds=2.0,
        )
    )
    yield from _screen(panel)


def watched() -> Iterator[str]:
    """``sofetch top`` of two workers, one of which does not answer."""
    there, silent = "http://10.0.3.7:8080/metrics", "http://10.0.3.8:8080/metrics"
    watching = Watched([there, silent])
    for second in range(_SECONDS):
        done = sum(map(_messages, range(second)))
        one = Reading(
            at=second,
            received=done,
            loaded=done,
            batches=second,
            batch_seconds=second * 0.048,
            oldest_seconds=0.9,
            calls=done // 5,
            requests=done // 5,
            held=180,
            workers=1,
        )
        watching.history.add(together({there: one}, at=second))
    watching.silent = {silent: "Connection refused"}
    yield from _screen(lambda: drawing(watching))


def _worked() -> tuple[Callable[[], Panel], Events]:
    clock, events = FakeClock(), Events()
    live = LivePanel(events, clock=clock, console=Console(file=io.StringIO(), width=_WIDTH))
    events.listen(live)
    live.ask_depth(lambda: Depth(12_400, 1_180, 0))
    events.emit(WorkerStarted(pipeline="user_logins", queue="login-queue", table="user_logins", version="1"))
    done = 0
    for second in range(_SECONDS):
        live.panel()
        messages, misfits = _messages(second), int(second == _SECONDS // 2)
        events.emit(
            BatchDone(
                messages=messages,
                loaded=messages - misfits,
                duplicates=0,
                quarantined=misfits,
                retried=0,
                body_bytes=messages * 200,
                milliseconds=48,
                oldest_age_ms=900,
            )
        )
        done += messages
        events.emit(_heartbeat(done))
        if misfits:
            events.emit(MessagesQuarantined(reason="missing_field", field="user_id", count=misfits))
        clock.advance(1.0)
    return live.panel, events


def _heartbeat(done: int) -> Heartbeat:
    """Ten messages a call, each received and deleted."""
    calls = done // 10
    return Heartbeat(
        held_messages=640,
        held_bytes=128_000,
        receives=calls,
        empty_receives=0,
        deletes=calls,
        visibility_changes=0,
        requests=2 * calls,
    )


def _messages(second: int) -> int:
    """What comes in a second: more, and less again."""
    return 400 + 60 * abs(second % 20 - 10)


def _screen(panel: Callable[[], Panel]) -> Iterator[str]:
    console = Console(file=io.StringIO(), width=_WIDTH, force_terminal=False)
    with console.capture() as captured:
        console.print(panel())
    yield "```text"
    yield from (line.rstrip() for line in captured.get().splitlines())
    yield "```"
