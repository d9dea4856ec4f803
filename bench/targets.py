"""The targets, and what a result says of each. Owns which figure answers which target; no figure is typed here.

A target whose figure a result does not hold is told of as not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
Row = Mapping[str, Any]
FAR_MS = 10
MOST_GROWTH_MB = 5.0
"""What a worker's resident memory may grow between the second and the last quarter of a run and be called flat."""


@dataclass(frozen=True)
class Verdict:
    """A target and its figure; ``met`` is None where nothing was measured."""

    what: str
    target: str
    figure: str
    met: bool | None

    @property
    def mark(self) -> str:
        """For a table."""
        return {True: "yes", False: "no", None: ""}[self.met]


def verdicts(document: Document) -> list[Verdict]:
    """One for each target, in the order they were set."""
    return [_verdict(*target, document) for target in _TARGETS]


def best(document: Document, *, latency_ms: int = 0) -> Row | None:
    """The run of sofetch that is held against the targets: of its transports, the one that is on by default."""
    found = [row for row in document["whole"] if row["program"].startswith("sofetch") and row["queue"] == "minimal"]
    return next((row for row in found if row["latency_ms"] == latency_ms), None)


def peer(document: Document, name: str, *, latency_ms: int = 0) -> Row | None:
    """A peer's row."""
    rows = (row for row in document["whole"] if row["program"] == name and row["latency_ms"] == latency_ms)
    return next(rows, None)


Answer = tuple[str, bool] | None


def _per_cpu_second(document: Document) -> Answer:
    row = best(document)
    return row and _at_least(row["per_cpu_second"]["median"], 25_000)


def _against_copy(document: Document) -> Answer:
    ours, theirs = best(document), peer(document, "boto3 + psycopg COPY")
    if ours is None or theirs is None:
        return None
    ratio = ours["per_cpu_second"]["median"] / theirs["per_cpu_second"]["median"]
    return f"{ratio:.1f} ×", ratio >= 6


def _against_naive(document: Document, latency_ms: int) -> Answer:
    ours, theirs = best(document, latency_ms=latency_ms), peer(document, "naive exercise", latency_ms=latency_ms)
    if ours is None or theirs is None:
        return None
    ratio = ours["per_second"]["median"] / theirs["per_second"]["median"]
    return f"{ratio:,.0f} ×", ratio >= 100


def _sink_rate(document: Document) -> Answer:
    rates = {it["part"]: it["per_second"]["median"] for it in document["parts"] if it["batch"] == 1_000}
    if not {"sink", "plain COPY"} <= rates.keys():
        return None
    ratio = rates["sink"] / rates["plain COPY"]
    return f"{ratio:.2f}", ratio >= 0.6


def _wal(document: Document) -> Answer:
    sinks = (it for it in document["parts"] if it["part"] == "sink" and it["batch"] == 1_000)
    sizes = [it["wal_bytes"]["median"] for it in sinks if it["wal_bytes"]]
    return (f"{sizes[0]:.0f} bytes", sizes[0] <= 400) if sizes else None


def _far_rate(document: Document) -> Answer:
    row = best(document, latency_ms=FAR_MS)
    return row and _at_least(row["per_second"]["median"], 10_000)


def _far_cores(document: Document) -> Answer:
    row = best(document, latency_ms=FAR_MS)
    return row and (f"{row['cores']['median']:.2f} cores", row["cores"]["median"] < 1)


def _calls(document: Document) -> Answer:
    row = best(document)
    if row is None or row["calls_per_1000"] is None:
        return None
    return f"{row['calls_per_1000'] / 1000:.3f}", row["calls_per_1000"] <= 210


def _latency(document: Document) -> Answer:
    rows = document["latency"]
    return (f"p50 {rows[0]['p50_ms']:.0f}, p99 {rows[0]['p99_ms']:.0f} ms", rows[0]["p99_ms"] <= 500) if rows else None


def _peak(document: Document) -> Answer:
    rows = document["memory"]
    return (f"{rows[0]['peak_mb']:.0f} MB", rows[0]["peak_mb"] <= 150) if rows else None


def _flat(document: Document) -> Answer:
    rows = document["memory"]
    if not rows:
        return None
    _, second, _, last = rows[0]["quarters_mb"]
    return f"{last - second:+.1f} MB over {rows[0]['messages']:,} messages", last - second <= MOST_GROWTH_MB


def _first_receive(document: Document) -> Answer:
    rows = document["starting"]
    return rows and (f"{rows[0]['first_receive']['median']:.2f} s", rows[0]["first_receive"]["median"] <= 1)


def _help(document: Document) -> Answer:
    rows = document["starting"]
    return rows and (f"{rows[0]['help']['median'] * 1000:.0f} ms", rows[0]["help"]["median"] <= 0.2)


def _at_least(figure: float, least: float) -> Answer:
    return f"{figure:,.0f}", figure >= least


_TARGETS: tuple[tuple[str, str, Callable[[Document], Answer]], ...] = (
    ("messages per CPU second of the worker", "≥ 25,000", _per_cpu_second),
    ("against boto3 + psycopg COPY, per CPU second", "≥ 6 ×", _against_copy),
    ("against the naive exercise, wall, queue at no distance", "≥ 100 ×", lambda it: _against_naive(it, 0)),
    ("against the naive exercise, wall, 10 ms a call", "≥ 100 ×", lambda it: _against_naive(it, FAR_MS)),
    ("sink with ledger against plain COPY without it, rows a second", "≥ 0.6", _sink_rate),
    ("WAL a row, the ledger's included", "≤ 400 bytes", _wal),
    ("messages a second at 10 ms a call, one process", "≥ 10,000", _far_rate),
    ("CPU of the worker at 10 ms a call", "< 1 core", _far_cores),
    ("API calls a message under load", "≤ 0.21", _calls),
    ("sent to committed, 10 messages a second", "p99 ≤ 500 ms", _latency),
    ("resident memory at full speed, most", "≤ 150 MB", _peak),
    ("resident memory, last quarter of a long run against its second", "flat", _flat),
    ("start to the first message committed", "≤ 1 s", _first_receive),
    ("`sofetch --help`", "≤ 200 ms", _help),
)


def _verdict(what: str, target: str, ask: Callable[[Document], Answer], document: Document) -> Verdict:
    answer = ask(document)
    return Verdict(what, target, *answer) if answer else Verdict(what, target, "not measured", None)
