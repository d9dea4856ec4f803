"""Failovers for real, in four ways of replicating, under a steady load: what each loses, as a table.

``make drill-failover``. Each round has a primary and a standby of its own time: the one before's survivor is copied.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import Final

import msgspec

from faults.failover import Loading, Tally, both, cut_off, missing_binary, new_primary, promote, replicate, standby_of
from loading import logins, query
from sofetch.embedded import Embedded
from sofetch.load.setup.schema import apply_schema


class Way(msgspec.Struct, frozen=True):
    """One way of replicating, and whether a row may be lost by it."""

    name: str
    names: str
    commit: str
    loses_nothing: bool
    behind_batches: int = 0
    """How many batches are loaded after the standby was cut off, and before the primary dies."""


WAYS: Final = (
    Way("synchronous, on", "*", "on", loses_nothing=True),
    Way("synchronous, remote_write", "*", "remote_write", loses_nothing=True),
    Way("synchronous, local", "*", "local", loses_nothing=False),
    Way("synchronous, local, standby ten batches behind", "*", "local", loses_nothing=False, behind_batches=10),
    Way("asynchronous", "", "on", loses_nothing=False),
    Way("asynchronous, standby ten batches behind", "", "on", loses_nothing=False, behind_batches=10),
)
TITLE: Final = ("replication, synchronous_commit", "round", "acknowledged", "lost", "doubled", "unknown", "away s")


def main() -> int:
    """Run the rounds; 1 if a way that waits for the standby lost a row, or any doubled one."""
    parser = argparse.ArgumentParser(description="Failovers under load, and what each way of replicating loses.")
    parser.add_argument("--rounds", type=int, default=3, help="failovers for each way")
    parser.add_argument("--batches", type=int, default=30, help="batches before the primary dies, and after")
    parser.add_argument("--batch", type=int, default=500, help="messages in a batch")
    asked = parser.parse_args()
    if missing_binary():
        sys.stderr.write(f"the embedded Postgres ships no {missing_binary()}\n")
        return 2
    _print_row(TITLE)
    _print_row(["---"] * len(TITLE))
    failed = False
    with ExitStack() as stack:
        primary = stack.enter_context(new_primary())
        apply_schema(logins(), dsn=primary.dsn)
        for way in WAYS:
            for number in range(1, asked.rounds + 1):
                query(primary.dsn, "TRUNCATE user_logins")
                standby = stack.enter_context(standby_of(primary))
                tally = _fail_over(primary, standby, way, batches=asked.batches, batch=asked.batch)
                primary = standby
                _print_row(_cells(way, number, tally))
                failed |= tally.doubled > 0 or tally.unknown > 0 or (way.loses_nothing and tally.lost > 0)
    return int(failed)


def _fail_over(primary: Embedded, standby: Embedded, way: Way, *, batches: int, batch: int) -> Tally:
    replicate(primary, names=way.names, commit=way.commit)
    with Loading(both(primary, standby), batch=batch) as loading:
        loading.wait_for(batches)
        if way.behind_batches:
            cut_off(standby)
            loading.wait_for(way.behind_batches)
        primary.stop_postgres(immediate=True)
        promote(standby)
        loading.wait_for(batches)
    return loading.tally(standby.dsn)


def _cells(way: Way, number: int, tally: Tally) -> list[str]:
    counts = [f"{value:,}" for value in (tally.acknowledged, tally.lost, tally.doubled, tally.unknown)]
    return [way.name, str(number), *counts, f"{tally.away_seconds:.2f}"]


def _print_row(cells: list[str] | tuple[str, ...]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
