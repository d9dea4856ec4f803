"""The panel of a terminal: what workers do now, as lines that stay where they are.

Owns how it looks: numbers to the right, a sparkline for each rate, what is wrong in colour and in words. It is given
all it shows and asks nothing. Fits itself to the width; what does not fit is left out, sparklines first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from sofetch.cli.text import count, duration, terminal_safe
from sofetch.observe.watching.history import Counted, History
from sofetch.observe.watching.reading import Reading

_BARS = "▁▂▃▄▅▆▇█"
_ROWS: tuple[tuple[str, Counted, str], ...] = (
    ("loaded", "loaded", "green"),
    ("duplicates", "duplicates", "cyan"),
    ("quarantined", "quarantined", "yellow"),
    ("released", "released", "magenta"),
)
_LEAST_SPARKLINE = 8
_WIDEST_SPARKLINE = 60
_BESIDE_SPARKLINE = 46


class Depth(Struct, frozen=True):
    """What waits in the queue, as the queue says it."""

    waiting: int
    in_flight: int
    delayed: int


class View(Struct, frozen=True, kw_only=True):
    """All that one drawing shows. ``state`` and ``told`` are for people's eyes; ``away`` says of each dependency that
    is not there what is known of it; ``last`` are the latest warnings and errors, the newest last.
    """

    title: str
    state: str
    history: History
    up_seconds: float | None = None
    depth: Depth | None = None
    depth_trouble: str = ""
    away: Sequence[str] = ()
    last: Sequence[str] = ()
    footer: str = ""


class Panel:
    """A drawing of a view, for rich."""

    def __init__(self, view: View) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, fitted to the console's width."""
        view, width = self._view, options.max_width
        yield _headline(view, width)
        latest = view.history.latest
        if latest is None:
            yield Text("  no reading yet", style="dim")
        else:
            yield _counts(view.history, latest, width)
            for line in _facts(view, latest):
                yield _fitted(line, width)
        for text in view.away:
            yield _fitted(Text.assemble(("  away  ", "bold red"), terminal_safe(text)), width)
        for text in view.last:
            yield _fitted(Text.assemble(("  last  ", "yellow"), (terminal_safe(text), "dim")), width)
        if view.footer:
            yield _fitted(Text(f"  {view.footer}", style="dim"), width)


def sparkline(values: Sequence[float], *, width: int) -> str:
    """A bar for each value, the highest one full; the newest at the right end. No bar where there was nothing."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    bars = "".join(_BARS[min(7, int(value / top * 8))] if value > 0 else " " for value in shown) if top else ""
    return bars.rjust(width)


def _headline(view: View, width: int) -> Text:
    style = "bold red" if view.away else "bold green" if view.state == "running" else "bold yellow"
    right = view.state if view.up_seconds is None else f"{view.state}  {duration(view.up_seconds)}"
    left = terminal_safe(view.title)
    room = width - len(right) - 3
    if len(left) > room:
        left = left[: max(room - 1, 0)] + "…"
    return Text.assemble((left, "bold"), " " * max(width - len(left) - len(right) - 1, 1), (right, style))


def _counts(history: History, latest: Reading, width: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    room = min(width - _BESIDE_SPARKLINE, _WIDEST_SPARKLINE)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=9)
    table.add_column(justify="right", no_wrap=True, min_width=10)
    if room >= _LEAST_SPARKLINE:
        table.add_column(no_wrap=True)
    for name, counted, colour in _ROWS:
        total, rate = int(getattr(latest, counted)), history.rate(counted)
        quiet = not total and counted in {"duplicates", "released"}
        cells = [Text(f"  {name:<11}", style="dim" if quiet else ""), Text(f"{total:,}"), Text(_a_second(rate))]
        if room >= _LEAST_SPARKLINE:
            cells.append(Text(sparkline(history.rates(counted, most=room), width=room), style=colour))
        table.add_row(*cells, style="dim" if quiet else "")
    return table


def _facts(view: View, latest: Reading) -> Iterator[Text]:
    yield _fact("queue", _queue(view, latest))
    yield _fact("batches", _batches(view.history, latest))
    if latest.received and latest.requests:
        yield _fact("requests", f"{latest.requests / latest.received:.2f} a message")
    if latest.workers > 1:
        memory = f", {latest.memory_bytes / 1_048_576:,.0f} MiB together" if latest.memory_bytes else ""
        yield _fact("workers", f"{latest.workers:,.0f}{memory}")


def _queue(view: View, latest: Reading) -> str:
    held = f"{count(int(latest.held), 'message')} held here"
    if view.depth is None:
        return f"{held}{'; ' + view.depth_trouble if view.depth_trouble else ''}"
    delayed = f", {view.depth.delayed:,} delayed" if view.depth.delayed else ""
    return f"about {view.depth.waiting:,} waiting, {view.depth.in_flight:,} in flight{delayed}; {held}"


def _batches(history: History, latest: Reading) -> str:
    batches = history.risen("batches")
    if not batches:
        return "none just now"
    each, seconds = history.risen("received") / batches, history.risen("batch_seconds") / batches
    oldest = "" if latest.oldest_seconds is None else f"; oldest {duration(latest.oldest_seconds)}"
    return f"{count(round(each), 'message')}, {seconds * 1_000:,.0f} ms each{oldest}"


def _fact(name: str, text: str) -> Text:
    return Text.assemble(f"  {name:<11}  ", (terminal_safe(text), ""))


def _a_second(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 or not rate else f"{rate:.1f}/s"


def _fitted(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
