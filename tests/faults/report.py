"""The report of a campaign: Markdown for people, and the same figures as JSON beside it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults.rows import ROWS
from faults.run import Verdict

_ROOT = Path(__file__).parents[2]
MUTATIONS = _ROOT / "docs" / "fault-mutations.json"
"""What ``make mutations`` found, for this report."""


def write_report(verdict: Verdict, path: Path) -> None:
    """Write both files."""
    figures = figures_of(verdict)
    path.with_suffix(".json").write_text(json.dumps(figures, indent=2) + "\n")
    path.write_text("\n".join(_lines(figures)) + "\n")


def rewrite_report(path: Path) -> None:
    """Write the page anew from its figures, after the mutations were tried again, say."""
    path.write_text("\n".join(_lines(json.loads(path.with_suffix(".json").read_text()))) + "\n")


def figures_of(verdict: Verdict) -> dict[str, Any]:
    """Everything that is worth keeping of a campaign."""
    return {
        "command": f'make faults ARGS="{verdict.order.arguments}"',
        "machine": _machine(),
        "order": asdict(verdict.order),
        "seconds": verdict.seconds,
        "violations": [str(violation) for violation in verdict.violations],
        "faults": {name: verdict.faults[name] for name in sorted(verdict.faults)},
        "faults_total": verdict.faults.total(),
        "fault_kinds": len(verdict.faults),
        "faults_planned": verdict.planned,
        "deliveries": verdict.delivered,
        "redeliveries": verdict.redelivered,
        "most_receives_of_a_message": verdict.most_receives,
        "calls": dict(sorted(verdict.calls.items())),
        "worker_starts": verdict.starts,
        "worker_ends": dict(sorted(verdict.exits.items())),
        "quarantined": verdict.quarantined,
    }


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    order, violations = figures["order"], figures["violations"]
    yield "# Fault campaign"
    yield ""
    yield f"{order['messages']:,} messages, {figures['faults_total']} faults of {figures['fault_kinds']} kinds: " + (
        "nothing lost, nothing doubled, nothing leaked." if not violations else "**something was wrong.**"
    )
    yield ""
    yield from (f"* {violation}" for violation in violations)
    yield "Workers are real processes before a real Postgres and an SQS server, with proxies of the tests between"
    yield "that break calls. An oracle knows every message sent. At the end it looks for each in table and quarantine,"
    yield "by key, recomputes every row and its tokens without the program's code, sees that the queue and its"
    yield "dead-letter queue are empty, and searches tables, indexes, write-ahead log, Postgres' own log and all the"
    yield "workers' output, byte by byte, for planted values. [The figures as JSON](fault-campaign.json)."
    yield ""
    yield "The same messages and the same plan of faults again:"
    yield ""
    yield f"    {figures['command']}"
    yield ""
    yield "A plan goes by messages, not by time; what a fault meets still depends on how threads and processes run."
    yield ""
    yield "## Figures"
    yield ""
    quarantined = sum(figures["quarantined"].values())
    yield from _table(
        ("", ""),
        [
            ("messages sent", f"{order['messages']:,}"),
            ("workers", order["workers"]),
            ("seconds", f"{figures['seconds']:,.0f}"),
            (
                "faults",
                f"{figures['faults_total']} of {figures['fault_kinds']} kinds ({figures['faults_planned']} planned)",
            ),
            ("starts of workers", figures["worker_starts"]),
            ("deliveries", f"{figures['deliveries']:,}"),
            ("of them again", f"{figures['redeliveries']:,}"),
            ("most deliveries of one message", figures["most_receives_of_a_message"]),
            ("quarantined", f"{quarantined:,}"),
            *figures["machine"].items(),
        ],
    )
    yield "A fault that waited for a call and met none is planned and not counted."
    yield ""
    yield from _table(("fault", "times"), figures["faults"].items())
    yield from _table(("reason of quarantine", "messages"), ((k, f"{v:,}") for k, v in figures["quarantined"].items()))
    yield from _table(("call to the queue", "times"), ((k, f"{v:,}") for k, v in figures["calls"].items()))
    yield from _table(("end of a worker", "times"), figures["worker_ends"].items())
    yield "## The list, and the tests"
    yield ""
    yield "Each fault by itself, in `make test`:"
    yield ""
    yield from _table(
        ("#", "fault", "tests"),
        ((row.numbers, row.fault, "<br>".join(f"`{test}`" for test in row.tests)) for row in ROWS),
    )
    if MUTATIONS.exists():
        yield from _mutations(json.loads(MUTATIONS.read_text()))


def _mutations(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## The code broken on purpose"
    yield ""
    yield "`make mutations` breaks a copy of the source and runs what must notice:"
    yield ""
    yield from _table(
        ("mutation", "file", "caught by"),
        ((one["name"], f"`{one['file']}`", "<br>".join(f"`{it}`" for it in one["caught_by"])) for one in found),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
    yield ""


def _machine() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("machine", _ROOT / "bench" / "machine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    described: dict[str, str] = module.describe_machine("psycopg", "boto3")
    return described
