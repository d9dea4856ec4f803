"""A restore for real: base backup and WAL, the gap replayed from the archive, and verified. What it takes, as a table.

``make drill-restore``.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from faults.failover import missing_binary
from faults.restore import Recovery, recover

TITLE: Final = (
    *("round", "acknowledged", "in the base backup", "restored", "missing", "replayed", "missing then"),
    *("same rows", "restore s", "backfill s"),
)


def main() -> int:
    """Run the rounds; 1 if one did not come back to exactly what was there."""
    parser = argparse.ArgumentParser(description="Lose a primary and its last WAL, restore, replay, verify.")
    parser.add_argument("--rounds", type=int, default=2, help="how many restores")
    parser.add_argument("--batches", type=int, default=40, help="batches before the backup, in the WAL, and in the gap")
    parser.add_argument("--batch", type=int, default=500, help="messages in a batch")
    asked = parser.parse_args()
    if missing_binary():
        sys.stderr.write(f"the embedded Postgres ships no {missing_binary()}\n")
        return 2
    _print_row(TITLE)
    _print_row(["---"] * len(TITLE))
    failed = False
    for number in range(1, asked.rounds + 1):
        done = recover(batches=asked.batches, batch=asked.batch)
        _print_row(_cells(number, done))
        failed |= not (done.same_rows and done.left == 0 and done.missing == done.replayed)
    return int(failed)


def _cells(number: int, done: Recovery) -> list[str]:
    counts = (done.acknowledged, done.in_base_backup, done.restored, done.missing, done.replayed, done.left)
    same = "yes" if done.same_rows else "no"
    return [
        str(number),
        *(f"{value:,}" for value in counts),
        same,
        f"{done.restore_seconds:.1f}",
        f"{done.backfill_seconds:.1f}",
    ]


def _print_row(cells: list[str] | tuple[str, ...]) -> None:
    sys.stdout.write("| " + " | ".join(cells) + " |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
