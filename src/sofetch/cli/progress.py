"""The live line of a terminal: how far a send or a rotation has come.

Owns what moves on the screen, with rich, which is imported here and nowhere else. It goes to stderr; log lines pass
above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sofetch.cli.text import count

if TYPE_CHECKING:
    from sofetch.load.rotation.tokens import Progress


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
