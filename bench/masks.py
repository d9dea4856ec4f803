"""CPU time of each mask per value: distinct values in batches of 1,000, as a worker masks them.

Usage: python bench/masks.py [--json] [--write] [--values 50000] [--runs 9]

Values are distinct (but for dates), so that nothing is found in a batch's memo. A run masks all values; the first is
for warming up and does not count. Time is the process's CPU time, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from uuid import UUID

from machine import describe_machine
from sofetch.cli.text import table
from sofetch.columns import ROW_MASKS
from sofetch.mask import new_keyring_text, parse_keyring
from sofetch.mask.column import ColumnMasker
from sofetch.mask.identity import Identity
from sofetch.mask.rows import compile_row_masker
from sofetch.record import Message, Record
from sofetch.settings import ColumnSettings, Settings, SinkSettings, SourceSettings

BATCH_MESSAGES = 1_000
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Case:
    """One mask over one sort of values. ``target_us`` is the most that it may take; ``share`` of the values is used."""

    mask: str
    of: str
    column: dict[str, Any]
    make: Callable[[random.Random, int], str]
    target_us: float | None = None
    share: float = 1.0


def device_id(chance: random.Random, number: int) -> str:
    """A device id as in the example: distinct, eleven characters."""
    return f"{chance.randrange(1000):03}-{number % 100:02}-{number // 100:04}"


def ipv4(_chance: random.Random, number: int) -> str:
    """Addresses spread over many networks."""
    return str(IPv4Address(0x0B000000 + number * 40_503))


def ipv6(chance: random.Random, _number: int) -> str:
    """Addresses of one /32."""
    return str(IPv6Address(0x20010DB8 << 96 | chance.getrandbits(96)))


def uuid(chance: random.Random, _number: int) -> str:
    """Random UUIDs, canonical already."""
    return str(UUID(int=chance.getrandbits(128)))


def email(chance: random.Random, number: int) -> str:
    """Addresses at five hundred hosts."""
    return f"user.{number}@host{chance.randrange(500)}.example.com"


def amount(chance: random.Random, number: int) -> str:
    """Numbers with two decimals."""
    return f"{number}.{chance.randrange(100):02}"


def birth_date(chance: random.Random, number: int) -> str:
    """Dates of eighty years; few of them distinct, as in life."""
    return f"{1930 + number % 80}-{1 + chance.randrange(12):02}-{1 + chance.randrange(28):02}"


CASES = (
    Case("token", "string", {}, device_id, 1.5),
    Case("token", "IPv4", {"kind": "ip"}, ipv4),
    Case("token", "UUID", {"kind": "uuid"}, uuid),
    Case("token", "e-mail", {"kind": "email"}, email),
    Case("reversible", "string", {}, device_id, 3.0),
    Case("reversible", "IPv4", {"kind": "ip"}, ipv4),
    Case("ip", "IPv4", {}, ipv4, 2.0),
    Case("ip", "IPv6", {}, ipv6),
    Case("ip_prefix", "IPv4", {}, ipv4, 40.0),
    Case("ip_prefix", "IPv6", {}, ipv6, share=0.2),
    Case("redact", "string", {}, device_id),
    Case("truncate", "IPv4", {"kind": "ip"}, ipv4),
    Case("bucket", "e-mail", {"kind": "email"}, email),
    Case("bucket", "date", {"kind": "date"}, birth_date),
    Case("partial", "string", {}, device_id),
    Case("partial", "e-mail", {"kind": "email"}, email),
    Case("round", "number", {"round_to": 1000.0}, amount),
    Case("noise", "number", {"noise_scale": 1000.0}, amount, share=0.2),
    Case("date_shift", "date", {"subject": "subject", "shift_days": 30}, birth_date, share=0.2),
    Case("fpe", "string", {}, device_id, share=0.2),
)


@dataclass(frozen=True)
class Result:
    """Microseconds of CPU for one value: the median of the runs, and the fastest and slowest of them."""

    mask: str
    of: str
    median_us: float
    fastest_us: float
    slowest_us: float
    target_us: float | None
    values: int
    runs: int


def measure(case: Case, *, values: int, runs: int) -> Result:
    """Mask the case's values again and again."""
    chance = random.Random(case.mask + case.of)  # noqa: S311  # the same values each time
    count = int(values * case.share)
    made = [case.make(chance, number) for number in range(count)]
    column = ColumnSettings(name="masked", mask=case.mask, domain="bench", **case.column)  # type: ignore[arg-type]
    mask = _by_row(column, made) if column.mask in ROW_MASKS else _by_column(column, made)
    times = [_run(mask, count) / count * 1e6 for _ in range(runs + 1)][1:]
    return Result(
        mask=case.mask,
        of=case.of,
        median_us=round(statistics.median(times), 3),
        fastest_us=round(min(times), 3),
        slowest_us=round(max(times), 3),
        target_us=case.target_us,
        values=count,
        runs=runs,
    )


def _by_column(column: ColumnSettings, values: list[str]) -> Callable[[int, int], object]:
    masker = ColumnMasker(column, parse_keyring(new_keyring_text()))
    return lambda start, end: masker.mask(values[start:end])


def _by_row(column: ColumnSettings, values: list[str]) -> Callable[[int, int], object]:
    """Masks that need the row: the other column is the subject, a different one in each row."""
    keyring, columns = parse_keyring(new_keyring_text()), [column, ColumnSettings(name="subject")]
    settings = Settings(source=SourceSettings(queue="q"), sink=SinkSettings(table="t"), column=columns)
    masker = compile_row_masker(column, columns, identity=Identity(settings, keyring), keyring=keyring)
    records = [
        Record(Message(id=str(UUID(int=number)), body=b"", queue="q", sent_ms=0, received_ms=0), (value, str(number)))
        for number, value in enumerate(values)
    ]
    return lambda start, end: masker.mask(records[start:end])


def _run(mask: Callable[[int, int], object], count: int) -> float:
    started = time.process_time()
    for start in range(0, count, BATCH_MESSAGES):
        mask(start, start + BATCH_MESSAGES)
    return time.process_time() - started


def as_table(results: list[Result]) -> list[str]:
    """Lines for a terminal."""
    header = ("mask", "of", "µs/value", "fastest", "slowest", "target")
    rows = [
        (it.mask, it.of, f"{it.median_us:.2f}", f"{it.fastest_us:.2f}", f"{it.slowest_us:.2f}", _target(it))
        for it in results
    ]
    return table(header, rows)


def _target(result: Result) -> str:
    return "" if result.target_us is None else f"≤ {result.target_us:g}"


def as_markdown(machine: dict[str, str], results: list[Result]) -> str:
    """A page for the results' folder."""
    about = "\n".join(f"* {key}: {value}" for key, value in machine.items())
    rows = "\n".join(
        f"| {it.mask} | {it.of} | {it.median_us:.2f} | {it.fastest_us:.2f} | {it.slowest_us:.2f} | {_target(it)} |"
        for it in results
    )
    return (
        "# CPU time of a mask, in microseconds per value\n\n"
        "Got from `python bench/masks.py --write`: distinct values in batches of 1,000, one core, from the decoded\n"
        "value to the finished cell; median, fastest and slowest run.\n\n"
        f"{about}\n\n"
        "| mask | of | median | fastest | slowest | target |\n| --- | --- | --: | --: | --: | --: |\n"
        f"{rows}\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/masks.json and .md too")
    parser.add_argument("--values", type=int, default=50_000, help="distinct values of each run")
    parser.add_argument("--runs", type=int, default=9, help="runs that count")
    options = parser.parse_args()
    machine = describe_machine("cryptography")
    results = [measure(case, values=options.values, runs=options.runs) for case in CASES]
    document = json.dumps({"machine": machine, "results": [asdict(it) for it in results]}, indent=2) + "\n"
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "masks.json").write_text(document)
        (RESULTS / "masks.md").write_text(as_markdown(machine, results))
    lines = [", ".join(f"{key} {value}" for key, value in machine.items()), "", *as_table(results)]
    sys.stdout.write(document if options.json else "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
