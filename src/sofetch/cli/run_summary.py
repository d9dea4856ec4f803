"""The summary of a run: what came to what, what it cost, why it ended.

Owns its words and their order. The numbers are the worker's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sofetch.calls import advice, dollars_for_a_million, price
from sofetch.cli.frame import Frame
from sofetch.cli.text import count, duration

if TYPE_CHECKING:
    from sofetch.settings import Settings
    from sofetch.worker import Summary


def show_summary(frame: Frame, summary: Summary, settings: Settings) -> None:
    """The result of a run, for people or as JSON."""
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
    held = "what was held is back in the queue" if summary.received else "nothing was received"
    away = "".join(f"; the {name} was away, {held}" for name in summary.away[:1])
    return f"{ended} after {duration(summary.seconds)}{rate}{away}"
