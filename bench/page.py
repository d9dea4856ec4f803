"""What a result looks like to people: lines for a terminal, a page, the table of targets in the README.

Pure but for ``write_targets``. Every figure comes from the result; none is typed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plot import Line, Panel, chart
from sofetch.cli.text import table
from targets import Document, Row, best, verdicts

README = Path(__file__).parent / "README.md"
_MARKS = ("<!-- generated: targets -->", "<!-- end: targets -->")
Cells = tuple[str, ...]


def as_terminal(document: Document) -> list[str]:
    """Tables for a terminal."""
    lines = [", ".join(f"{key} {value}" for key, value in document["machine"].items())]
    for title, header, rows in _tables(document):
        if rows:
            lines += ["", title, *table(header, rows)]
    return lines


def as_markdown(document: Document) -> str:
    """A page for the results' folder."""
    about = "\n".join(f"* {key}: {value}" for key, value in document["machine"].items())
    parts = [
        "# From SQS to Postgres: how fast, and what it costs\n\n"
        "Got from `make bench`; how each figure is got, and what is not measured, is in the "
        "[README](../README.md). Medians; in brackets the fastest and slowest run.\n",
        f"{about}\n",
        "![Messages per CPU second](pipeline.svg)\n" if not document["quick"] else "",
    ]
    parts += [f"## {title}\n\n{_markdown_table(header, rows)}" for title, header, rows in _tables(document) if rows]
    return "\n".join(part for part in parts if part)


def targets_table(document: Document) -> str:
    """The targets and their figures, for the README."""
    return _markdown_table(*_targets(document))


def write_targets(document: Document) -> None:
    """Put the table of targets into the README, between its marks."""
    text = README.read_text()
    README.write_text(with_targets(text, document))


def with_targets(text: str, document: Document) -> str:
    """The README's text with the table as it is now."""
    begin, end = _MARKS
    new = f"{begin}\n{targets_table(document)}{end}"
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: new, text, flags=re.DOTALL)


def _tables(document: Document) -> list[tuple[str, Cells, list[Cells]]]:
    return [
        ("Targets", *_targets(document)),
        ("Whole, from queue to table", *_wholes(document)),
        ("CPU time by process, for one message", *_costs(document)),
        ("Where the worker's time for a message goes", *_profile(document)),
        ("Parts", *_parts(document)),
        ("Masks", *_masks(document)),
        ("Latency", *_latencies(document)),
        ("Starting", *_startings(document)),
        ("Memory over a long run", *_memories(document)),
        ("Not measured here", ("what", "why"), [(it["program"], it["reason"]) for it in document["missing"]]),
    ]


def _targets(document: Document) -> tuple[Cells, list[Cells]]:
    rows = [(it.what, it.target, it.figure, it.mark) for it in verdicts(document)]
    return ("what", "target", "measured", "met"), rows


def _wholes(document: Document) -> tuple[Cells, list[Cells]]:
    header = ("program", "queue", "ms a call", "messages", "a second", "a CPU second", "cores", "dedupes", "isolates")
    return header, [
        (
            _program(it),
            it["queue"],
            str(it["latency_ms"]),
            f"{it['messages']:,}",
            _spread(it["per_second"]),
            _spread(it["per_cpu_second"]) if _is_long(it) else "",
            f"{it['cores']['median']:.2f}",
            _yes(it["dedupes"]),
            _yes(it["isolates"]),
        )
        for it in document["whole"]
    ]


def _costs(document: Document) -> tuple[Cells, list[Cells]]:
    header = (
        "program",
        "ms a call",
        "worker µs",
        "Postgres µs",
        "queue server µs",
        "start, CPU s",
        "peak MB",
        "calls per 1,000",
        "WAL bytes",
    )
    return header, [
        (
            _program(it),
            str(it["latency_ms"]),
            _spread(it["worker_us"], digits=1),
            f"{it['postgres_us']['median']:.1f}",
            f"{it['queue_us']['median']:.1f}",
            f"{it['start_cpu_seconds']['median']:.2f}",
            f"{it['peak_mb']['median']:.0f}",
            "" if it["calls_per_1000"] is None else f"{it['calls_per_1000']:.0f}",
            f"{it['wal_bytes']['median']:.0f}",
        )
        for it in document["whole"]
        if it["queue"] == "minimal"
    ]


def _parts(document: Document) -> tuple[Cells, list[Cells]]:
    header = ("part", "batch", "CPU µs a message", "a second", "Postgres µs", "WAL bytes", "calls per 1,000")
    return header, [
        (
            it["part"],
            f"{it['batch']:,}",
            _spread(it["us"], digits=2),
            f"{it['per_second']['median']:,.0f}",
            "" if it["postgres_us"] is None else f"{it['postgres_us']['median']:.1f}",
            "" if it["wal_bytes"] is None else f"{it['wal_bytes']['median']:.0f}",
            "" if it["calls_per_1000"] is None else f"{it['calls_per_1000']:.0f}",
        )
        for it in document["parts"]
    ]


def _masks(document: Document) -> tuple[Cells, list[Cells]]:
    return ("mask", "of", "CPU µs a value"), [
        (it["mask"], it["of"], f"{it['median_us']:.2f} ({it['fastest_us']:.2f}-{it['slowest_us']:.2f})")
        for it in document["masks"]
    ]


def _is_long(row: Row) -> bool:
    """Whether the work took CPU time enough beside the start, which is taken off it."""
    return bool(row["worker_us"]["median"] * row["messages"] >= _LEAST_US)


_LEAST_US = 100_000


def _profile(document: Document) -> tuple[Cells, list[Cells]]:
    """The whole beside its parts, each measured alone; what they do not explain is what comes of doing all at once."""
    header = ("what", "CPU µs a message", "of the whole")
    whole = best(document)
    alone = {it["part"]: it["us"]["median"] for it in document["parts"] if it["batch"] == _BATCH}
    if whole is None or not set(_STEPS) <= alone.keys():
        return header, []
    total = whole["worker_us"]["median"]
    steps = [(what, alone[part]) for part, what in _STEPS.items()]
    rest = ("difference to the parts, the noise between their runs included", total - sum(us for _, us in steps))
    rows = [*steps, rest, ("whole", total)]
    return header, [(what, f"{us:.1f}", f"{us / total:.0%}") for what, us in rows]


_BATCH = 1_000
_STEPS = {
    "source, fast": "receive and delete, by the fast path",
    "mask (two tokens, ledger key)": "mask: two tokens and a ledger key",
    "sink": "load, with the ledger",
    "decode": "decode",
}


def _latencies(document: Document) -> tuple[Cells, list[Cells]]:
    return ("program", "messages", "a second", "p50 ms", "p99 ms", "most ms"), [
        (it["program"], str(it["messages"]), f"{it['per_second']:g}", *(f"{it[key]:.0f}" for key in _LATENCIES))
        for it in document["latency"]
    ]


_LATENCIES = ("p50_ms", "p99_ms", "most_ms")


def _startings(document: Document) -> tuple[Cells, list[Cells]]:
    return ("program", "start to first message committed, s", "`--help`, s"), [
        (it["program"], _spread(it["first_receive"], digits=2), _spread(it["help"], digits=2))
        for it in document["starting"]
    ]


def _memories(document: Document) -> tuple[Cells, list[Cells]]:
    return ("program", "messages", "seconds", "quarters, MB", "peak MB"), [
        (
            it["program"],
            f"{it['messages']:,}",
            f"{it['seconds']:.0f}",
            ", ".join(f"{megabytes:.1f}" for megabytes in it["quarters_mb"]),
            f"{it['peak_mb']:.1f}",
        )
        for it in document["memory"]
    ]


def _program(row: Row) -> str:
    return f"{row['program']} ({row['note']})" if row["note"] else str(row["program"])


def _spread(value: Any, *, digits: int = 0) -> str:
    if value["runs"] == 1:
        return f"{value['median']:,.{digits}f}"
    return f"{value['median']:,.{digits}f} ({value['least']:,.{digits}f}-{value['most']:,.{digits}f})"


def _yes(held: bool) -> str:
    return "yes" if held else "**no**"


def _markdown_table(header: Cells, rows: Sequence[Cells]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def as_plot(document: Document) -> str:
    """An SVG of how rates fall with the distance to the queue, for every program that was measured at two of them."""
    panels = [
        Panel(title, [Line(name, points) for name, points in _by_distance(document, key)])
        for title, key in (("Messages a second", "per_second"), ("Messages a CPU second", "per_cpu_second"))
    ]
    return chart("From SQS to Postgres, one process", panels, x_label="milliseconds a call")


def _by_distance(document: Document, key: str) -> list[tuple[str, list[tuple[float, float]]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in document["whole"]:
        if row["queue"] == "minimal":
            lines.setdefault(row["program"], []).append((row["latency_ms"], row[key]["median"]))
    return [(name, sorted(points)) for name, points in lines.items() if len(points) > 1]
