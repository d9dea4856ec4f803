"""What bad rows in a batch cost: attempts to COPY, pipelines of single rows, and time, against an embedded Postgres.

Usage: python bench/poison.py [--json] [--write] [--rows 1000] [--runs 5]

A batch of 1,000 rows is loaded, of which so many break a constraint, spread at random. Time is the wall clock of one
``load``: the failed transaction, the search, and the load of the rest. The first run is for warming up and does not
count. Server and client share the machine, and nothing lies between them but a socket.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from machine import describe_machine
from sofetch.cli.text import table
from sofetch.embedded import start_embedded
from sofetch.load import one_by_one
from sofetch.load.postgres import PostgresSink
from sofetch.load.rows import RowWriter
from sofetch.load.setup.schema import apply_schema
from sofetch.record import MaskedRecord, Refused
from sofetch.settings import Settings

RESULTS = Path(__file__).parent / "results"
BAD = (0, 1, 5, 200, 1000)
SETTINGS = msgspec.convert(
    {"source": {"queue": "q"}, "sink": {"table": "events"}, "column": [{"name": "a"}, {"name": "b", "type": "bigint"}]},
    Settings,
)
KINDS = {
    "CHECK": "ALTER TABLE events ADD CHECK (a NOT LIKE 'bad%')",
    "unique": "CREATE UNIQUE INDEX ON events (a); INSERT INTO events VALUES ('bad', 0)",
    "foreign key": (
        "CREATE TABLE known (a varchar PRIMARY KEY);"
        "INSERT INTO known SELECT 'good-' || n FROM generate_series(0, 10000) AS n;"
        "ALTER TABLE events ADD FOREIGN KEY (a) REFERENCES known DEFERRABLE INITIALLY DEFERRED"
    ),
    "trigger": (
        "CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.a LIKE 'bad%' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER judge BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION judge()"
    ),
}


@dataclass(frozen=True)
class Result:
    """One kind of constraint with so many bad rows in the batch; milliseconds of one ``load``."""

    constraint: str
    bad: int
    copies: int
    pipelines: int
    median_ms: float
    fastest_ms: float
    slowest_ms: float
    rows: int
    runs: int


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Counts attempts to COPY rows and pipelines of single rows."""
    counted: Counter[str] = Counter()
    write, round_trip = RowWriter.write, one_by_one._round_trip  # noqa: SLF001

    def counted_write(*arguments: Any) -> Any:
        counted["copies"] += 1
        return write(*arguments)

    def counted_round_trip(*arguments: Any) -> Any:
        counted["pipelines"] += 1
        return round_trip(*arguments)

    RowWriter.write = counted_write  # type: ignore[method-assign]
    one_by_one._round_trip = counted_round_trip  # noqa: SLF001
    try:
        yield counted
    finally:
        RowWriter.write = write  # type: ignore[method-assign]
        one_by_one._round_trip = round_trip  # noqa: SLF001


def batch(bad: int, *, rows: int, run: int) -> list[MaskedRecord]:
    """Rows, of which ``bad`` are bad; keys that no other run has."""
    chance = random.Random(bad * 1_000 + run)  # noqa: S311  # the same places each time
    places = set(chance.sample(range(rows), min(bad, rows)))
    started_ms = time.time_ns() // 1_000_000
    return [
        MaskedRecord(
            f"m-{number}",
            (started_ms + number).to_bytes(6, "big") + chance.randbytes(10),
            ("bad" if number in places else f"good-{number}", number),
        )
        for number in range(rows)
    ]


def measure(dsn: str, kind: str, bad: int, *, rows: int, runs: int) -> Result:
    """Load batch after batch into a table of its own."""
    _run(dsn, "DROP TABLE IF EXISTS events, known; DROP FUNCTION IF EXISTS judge")
    apply_schema(SETTINGS, dsn=dsn)
    _run(dsn, KINDS[kind])
    sink = PostgresSink(SETTINGS, dsn=dsn)
    sink.prepare([])
    times: list[float] = []
    with counting() as counted:
        for run in range(runs + 1):
            _run(dsn, "DELETE FROM events WHERE a <> 'bad'")
            records = batch(bad, rows=rows, run=run)
            counted.clear()
            started = time.perf_counter()
            results = sink.load(records, [])
            times.append((time.perf_counter() - started) * 1e3)
            if sum(isinstance(it, Refused) for it in results) != min(bad, rows):
                raise SystemExit(f"{kind}, {bad} bad rows: not exactly these were refused")
    sink.close()
    return Result(
        constraint=kind,
        bad=bad,
        copies=counted["copies"],
        pipelines=counted["pipelines"],
        median_ms=round(statistics.median(times[1:]), 1),
        fastest_ms=round(min(times[1:]), 1),
        slowest_ms=round(max(times[1:]), 1),
        rows=rows,
        runs=runs,
    )


def _run(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statements.encode())


HEADER = ("constraint", "bad rows", "COPY attempts", "pipelines", "ms", "fastest", "slowest")


def _cells(it: Result) -> tuple[str, ...]:
    return (
        it.constraint,
        str(it.bad),
        str(it.copies),
        str(it.pipelines),
        f"{it.median_ms:.1f}",
        f"{it.fastest_ms:.1f}",
        f"{it.slowest_ms:.1f}",
    )


def as_markdown(machine: dict[str, str], results: list[Result]) -> str:
    """A page for the results' folder."""
    about = "\n".join(f"* {key}: {value}" for key, value in machine.items())
    rows = "\n".join(f"| {' | '.join(_cells(it))} |" for it in results)
    return (
        "# What bad rows in a batch of 1,000 cost\n\n"
        "Got from `python bench/poison.py --write`: one load of a batch, its search included, against\n"
        "an embedded PostgreSQL on the same machine; median, fastest and slowest run.\n\n"
        f"{about}\n\n"
        f"| {' | '.join(HEADER)} |\n| --- | --: | --: | --: | --: | --: | --: |\n{rows}\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/poison.json and .md too")
    parser.add_argument("--rows", type=int, default=1_000, help="rows of a batch")
    parser.add_argument("--runs", type=int, default=5, help="runs that count")
    options = parser.parse_args()
    machine = describe_machine("psycopg")
    with start_embedded(queue=False) as server:
        with psycopg.connect(server.dsn) as connection:
            machine["postgres"] = str(connection.info.server_version // 10_000)
        results = [
            measure(server.dsn, kind, bad, rows=options.rows, runs=options.runs) for kind in KINDS for bad in BAD
        ]
    document = json.dumps({"machine": machine, "results": [asdict(it) for it in results]}, indent=2) + "\n"
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "poison.json").write_text(document)
        (RESULTS / "poison.md").write_text(as_markdown(machine, results))
    lines = [", ".join(f"{key} {value}" for key, value in machine.items()), "", *table(HEADER, map(_cells, results))]
    sys.stdout.write(document if options.json else "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
