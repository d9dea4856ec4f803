"""``python -m faults.campaign``: run a campaign from the command line, see ``make faults``.

Owns the command line, what is shown meanwhile, and where the report goes.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from faults.injectors import Injectors
from faults.report import write_report
from faults.run import Order, Verdict, run_campaign


def main(arguments: list[str] | None = None) -> int:
    """Run one campaign; 0 if the oracle found nothing wrong."""
    asked = _parser().parse_args(arguments)
    order = Order(
        seed=random.SystemRandom().randrange(1_000_000) if asked.seed is None else asked.seed,
        messages=asked.messages,
        faults=asked.faults,
        workers=asked.workers,
        server=asked.server,
        batch_messages=asked.batch,
    )
    _say(f"campaign of seed {order.seed}: make faults ARGS={order.arguments!r}")
    verdict = run_campaign(order, progress=_Line())
    _say("")
    if asked.report is not None:
        write_report(verdict, asked.report)
    return _tell(verdict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="faults.campaign", description="Break everything, and count.")
    parser.add_argument("--seed", type=int, help="the same seed gives the same messages and faults; default: any")
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=100, help="most messages in one transaction")
    parser.add_argument("--server", choices=["ministack", "fast"], default="ministack")
    parser.add_argument("--report", type=Path, help="Markdown file to write, and a JSON file beside it")
    return parser


class _Line:
    """One line that says how far it is: rewritten in a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._next = 0.0
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()

    def __call__(self, order: Order, deleted: int, starts: int, injectors: Injectors) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.5 if self._live else 10.0)
        text = (
            f"{now - self._began:5.0f} s  {deleted:>9,} of {order.messages:,} messages  "
            f"{injectors.happened().total():>4} faults, {injectors.to_come} to come  {starts} starts"
        )
        sys.stderr.write(f"\r{text}\033[K" if self._live else f"{text}\n")
        sys.stderr.flush()


def _tell(verdict: Verdict) -> int:
    for violation in verdict.violations:
        _say(f"WRONG {violation}")
    _say(
        f"{verdict.order.messages:,} messages, {verdict.faults.total()} faults of {len(verdict.faults)} kinds, "
        f"{verdict.starts} starts, {verdict.redelivered:,} redeliveries, "
        f"{sum(verdict.quarantined.values()):,} quarantined, {verdict.seconds:.0f} s"
    )
    if verdict.violations:
        _say(f"seed {verdict.order.seed} failed; again: make faults ARGS={verdict.order.arguments!r}")
        return 1
    _say("nothing lost, nothing doubled, nothing leaked, nothing left")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
