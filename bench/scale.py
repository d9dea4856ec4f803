"""Whether loading stays as fast as the table grows: rows a second, slice by slice, into a table partitioned by days.

Usage: python bench/scale.py [--json] [--write] [--rows 10000000] [--slice 1000000] [--days 10] [--plain]

Rows go through the sink in batches of 1,000, their ledger keys with them, into a table with an index on a token; their
times spread evenly over the last days. Time is the wall clock of the loads alone: rows are made between them. The first
slice warms up. Fails if any other is more than 20 % off the median of those. ``--plain`` does without partitions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from machine import describe_machine
from rig import Database, postgres
from sofetch.cli.text import table
from sofetch.load.partitions.maintain import maintain
from sofetch.load.postgres import PostgresSink
from sofetch.record import MaskedRecord
from sofetch.settings import Settings

RESULTS = Path(__file__).parent / "results"
BATCH_ROWS = 1_000
MOST_OFF = 0.20
"""How far a slice may be from the median, either way: what grows quicker began slow."""
COLUMNS = [
    {"name": "user_id", "max_length": 128},
    {"name": "masked_ip", "mask": "token", "kind": "ip", "from": "ip"},
    {"name": "create_time", "type": "timestamp", "value": "sent_time"},
]


@dataclass(frozen=True)
class Slice:
    """So many rows, and how fast they went in. ``rows`` counts from the beginning."""

    rows: int
    per_second: float


def main() -> None:
    """Load, print, and fail where it grew slow."""
    options = _options()
    slices, version = measure(options.rows, slice_rows=options.slice, days=options.days, plain=options.plain)
    document = _document(slices, options, version)
    if options.write:
        (RESULTS / "scale.json").write_text(json.dumps(document, indent=2) + "\n")
        (RESULTS / "scale.md").write_text(_page(document))
    sys.stdout.write((json.dumps(document) if options.json else _table(slices)) + "\n")
    off = document["off_the_median"]
    if any(abs(one) > MOST_OFF for one in off):
        sys.exit(f"scale: slices are {min(off):+.0%} to {max(off):+.0%} off their median; {MOST_OFF:.0%} is allowed")


def measure(rows: int, *, slice_rows: int, days: int, plain: bool) -> tuple[list[Slice], str]:
    """Load them all; the slices, and Postgres' version."""
    settings = _settings(days, plain=plain)
    with postgres() as server, server.fresh_database(settings) as database:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute("CREATE INDEX ON events (masked_ip)")
        began = datetime.now(UTC) - timedelta(days=days)  # the ledger has partitions for two weeks back
        maintain(settings, dsn=database.dsn, now=began)
        slices = list(_slices(settings, database, rows, slice_rows=slice_rows, began=began, days=days))
        found = int(database.one("SELECT count(*) FROM events"))
        if found != rows:
            sys.exit(f"scale: {found:,} rows are in the table, not {rows:,}")
        return slices, server.version


def off_the_median(slices: list[Slice]) -> list[float]:
    """How far each slice after the first is from the median of those: 0.1 is a tenth quicker, -0.1 a tenth slower."""
    speeds = [one.per_second for one in slices[1:]]
    return [speed / statistics.median(speeds) - 1 for speed in speeds]


def _settings(days: int, *, plain: bool) -> Settings:
    sink: dict[str, Any] = {"table": "events"}
    if not plain:
        sink |= {"partition_by": "day", "partition_column": "create_time", "partition_ahead": days}
    return msgspec.convert({"source": {"queue": "q"}, "sink": sink, "column": COLUMNS}, Settings)


def _slices(
    settings: Settings, database: Database, rows: int, *, slice_rows: int, began: datetime, days: int
) -> Iterator[Slice]:
    sink = PostgresSink(settings, dsn=database.dsn)
    sink.prepare([])
    for start in range(0, rows, slice_rows):
        end, seconds = min(start + slice_rows, rows), 0.0
        for first in range(start, end, BATCH_ROWS):
            batch = [_record(at, rows, began, days) for at in range(first, min(first + BATCH_ROWS, end))]
            before = time.perf_counter()
            sink.load(batch, [])
            seconds += time.perf_counter() - before
        yield Slice(end, (end - start) / seconds)
    sink.close()


def _record(at: int, rows: int, began: datetime, days: int) -> MaskedRecord:
    """A row as the masker gives it, in the order of time, with a token that no other has."""
    sent = began + timedelta(days=days) * (at / rows)
    digest = hashlib.sha256(at.to_bytes(8, "big")).digest()
    key = int(sent.timestamp() * 1000).to_bytes(6, "big") + digest[:10]
    return MaskedRecord(str(at), key, (f"user-{at}", f"h1.k1.{digest[:20].hex()}", sent))


def _document(slices: list[Slice], options: argparse.Namespace, version: str) -> dict[str, Any]:
    return {
        "machine": describe_machine("psycopg") | {"postgres": version},
        "rows": options.rows,
        "slice_rows": options.slice,
        "partitions": 0 if options.plain else options.days + 1,
        "off_the_median": off_the_median(slices),
        "slices": [asdict(one) for one in slices],
    }


def _table(slices: list[Slice]) -> str:
    return "\n".join(table(["rows", "rows/s"], [[f"{one.rows:,}", f"{one.per_second:,.0f}"] for one in slices]))


def _page(document: dict[str, Any]) -> str:
    rows = "\n".join(f"| {one['rows']:,} | {one['per_second']:,.0f} |" for one in document["slices"])
    machine = "\n".join(f"* {name}: {value}" for name, value in document["machine"].items())
    off = document["off_the_median"]
    verdict = f"The slices after the first are {min(off):+.1%} to {max(off):+.1%} off their median.\n" if off else ""
    command = f"python bench/scale.py --write --rows {document['rows']} --slice {document['slice_rows']}"
    return f"""# Whether loading stays as fast as the table grows

Got from `{command}`: {document["rows"]:,} rows, and no more than that, into a table of
{document["partitions"]} partitions with an index on a token.

{machine}

| rows so far | rows/s of this slice |
| --: | --: |
{rows}

{verdict}"""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write results/scale.*")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--slice", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=10, choices=range(1, 15), metavar="1..14")
    parser.add_argument("--plain", action="store_true", help="no partitions")
    return parser.parse_args()


if __name__ == "__main__":
    main()
