"""The live line of a terminal: how far a run or a send has come.

Owns what moves on the screen, with rich, which is imported here and nowhere else. It goes to stderr; log lines pass
above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sofetch.cli.text import count, duration
from sofetch.events import BatchDone, Event, Outage, Recovered
from sofetch.ports import Clock

if TYPE_CHECKING:
    from sofetch.load.rotation import Progress


class RunProgress:
    """A listener for events that keeps one line of counts up to date while it is entered."""

    def __init__(self, *, clock: Clock, console: Console | None = None) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._loaded = self._duplicates = self._quarantined = 0
        self._state = ""
        self._live = Live(
            get_renderable=self.line,
            console=console or Console(stderr=True),
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
        )

    def __call__(self, event: Event) -> None:
        """Take notice of an event."""
        match event:
            case BatchDone():
                self._loaded += event.loaded
                self._duplicates += event.duplicates
                self._quarantined += event.quarantined
            case Outage():
                self._state = f"the {event.dependency} is away, attempt {event.attempt}"
            case Recovered():
                self._state = ""
            case _:
                pass

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def line(self) -> Text:
        """The line as it is now."""
        seconds = self._clock.monotonic() - self._started
        parts = [f"{self._loaded:,} loaded", f"{self._quarantined:,} quarantined"]
        if self._duplicates:
            parts.append(count(self._duplicates, "duplicate"))
        parts.append(duration(seconds))
        return Text("  ".join([*parts, self._state or "Ctrl-C drains and stops"]).rstrip(), style="dim")


Told = Callable[[int], None]
"""Takes how many were sent so far."""


@contextmanager
def sending(console: Console | None = None) -> Iterator[Told]:
    """A line that counts what was sent while it is entered."""
    sent = 0

    def told(total: int) -> None:
        nonlocal sent
        sent = total

    with Live(
        get_renderable=lambda: Text(f"{count(sent, 'message')} sent", style="dim"),
        console=console or Console(stderr=True),
        refresh_per_second=5,
        transient=True,
        redirect_stdout=False,
    ):
        yield told


@contextmanager
def rotating(console: Console | None = None) -> Iterator[Callable[[Progress], None]]:
    """A line that says how far a rotation is while it is entered."""
    last: Progress | None = None

    def told(progress: Progress) -> None:
        nonlocal last
        last = progress

    def line() -> Text:
        if last is None:
            return Text("looking for tokens of earlier keys", style="dim")
        percent = 100 * last.block // max(last.blocks, 1)
        return Text(f"{last.table}  sweep {last.sweep}  {percent} %  {last.rows:,} rows upgraded", style="dim")

    with Live(
        get_renderable=line,
        console=console or Console(stderr=True),
        refresh_per_second=5,
        transient=True,
        redirect_stdout=False,
    ):
        yield told
