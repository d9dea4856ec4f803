"""A guard against growing slow: CPU time of each step for a message, as a ratio to a calibration loop in the same run.

Usage: python bench/check.py [--json] [--update] [--baselines bench/baselines.json] [--rounds 25]

Fails if a step takes more than its committed ratio times the margin. A ratio says little about a machine's speed and
much about the code's: the loop does work of the same kinds (JSON, hashing, tuples, joining bytes), in the same process,
by turns with the steps, and of the rounds the quickest counts, so that a busy machine does not fail it. It is not for
finding a slowdown of a tenth; ``--update`` writes new baselines after a change that is meant.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bodies import login_bodies, login_messages
from machine import describe_machine
from parts import BATCH_MESSAGES, chunks, masked_records
from rig import place, postgres
from sofetch.cli.text import table
from sofetch.decode import compile_decoder
from sofetch.load.postgres import PostgresSink
from sofetch.mask import compile_masker, parse_keyring
from sofetch.source.answers import messages_of
from sofetch.source.boto import parse_messages
from sofetch.source.transport import MAX_BATCH_ENTRIES

BASELINES = Path(__file__).parent / "baselines.json"
MARGIN = 1.5
"""How far above its baseline a step may be: twice what differs between Python versions and machines."""


@dataclass(frozen=True)
class Verdict:
    """A step's ratio to the calibration loop now, and its baseline (None: there is none yet)."""

    step: str
    ratio: float
    baseline: float | None

    @property
    def slow(self) -> bool:
        """Whether the guard fails for it."""
        return self.baseline is None or self.ratio > self.baseline * MARGIN


def calibrate() -> None:
    """The loop: what a batch of messages might cost in plain Python. Changing it makes all baselines void."""
    state = hmac.new(b"k" * 32, None, hashlib.sha256)
    rows = []
    for body in _CALIBRATION:
        fields = json.loads(body)
        copied = state.copy()
        copied.update(fields["user_id"].encode())
        rows.append((*fields.values(), copied.digest()[:20].hex()))
    columns = list(zip(*rows, strict=True))
    b"".join(value.encode() for value in columns[-1])


_CALIBRATION = list(login_bodies(BATCH_MESSAGES))


@contextmanager
def steps(*, rounds: int) -> Iterator[Mapping[str, Callable[[], object]]]:
    """What is guarded: each takes one batch of a thousand messages once."""
    with place() as home, postgres() as server, server.fresh_database(home.settings()) as database:
        settings = home.settings()
        decode, masker = compile_decoder(settings), compile_masker(settings, parse_keyring(home.keyring))
        messages = login_messages(BATCH_MESSAGES)
        records = decode(messages).records
        sink = PostgresSink(settings, dsn=database.dsn)
        sink.prepare(masker.fingerprints())
        fresh = chunks(masked_records(home, rounds * BATCH_MESSAGES), BATCH_MESSAGES)
        answer = _answer()
        tens = list(chunks(answer, MAX_BATCH_ENTRIES))
        wire = [json.dumps({"Messages": ten}).encode() for ten in tens]
        gc.freeze()
        try:
            yield {
                "decode": lambda: decode(messages),
                "mask": lambda: masker.mask(records),
                "sink": lambda: sink.load(next(fresh), []),
                "source parse, fast": lambda: [messages_of(ten) and None for ten in wire],
                "source parse, boto3": lambda: [parse_messages(ten) and None for ten in tens],
            }
        finally:
            gc.unfreeze()
            sink.close()


def _answer() -> list[dict[str, Any]]:
    """Messages as botocore gives them."""
    return [
        {
            "MessageId": f"00000000-0000-4000-8000-{number:012}",
            "ReceiptHandle": "h" * 340,
            "Body": body.decode(),
            "MD5OfBody": hashlib.md5(body, usedforsecurity=False).hexdigest(),
            "Attributes": {"SentTimestamp": "1795000000000", "ApproximateReceiveCount": "1"},
        }
        for number, body in enumerate(login_bodies(BATCH_MESSAGES))
    ]


def ratios(*, rounds: int) -> dict[str, float]:
    """Each step's quickest round by the loop's quickest; the first round warms up."""
    with steps(rounds=rounds + 1) as guarded:
        work: dict[str, Callable[[], object]] = {"": calibrate, **guarded}
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(rounds + 1):
            for name, step in work.items():
                seconds[name].append(_cpu_seconds(step))
    quickest = {name: min(taken[1:]) for name, taken in seconds.items()}
    loop = quickest.pop("")
    return {name: round(taken / loop, 3) for name, taken in quickest.items()}


def _cpu_seconds(step: Callable[[], object]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def main() -> int:
    """Measure, compare, and say what is slow."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--update", action="store_true", help="write the ratios of this run as the new baselines")
    parser.add_argument("--baselines", type=Path, default=BASELINES, help="the file with the committed ratios")
    parser.add_argument("--rounds", type=int, default=25, help="of which the quickest counts")
    options = parser.parse_args()
    machine, now = describe_machine("psycopg", "msgspec"), ratios(rounds=options.rounds)
    if options.update:
        options.baselines.write_text(json.dumps({"machine": machine, "ratios": now}, indent=2) + "\n")
    committed = json.loads(options.baselines.read_text())["ratios"]
    found = [Verdict(step, ratio, committed.get(step)) for step, ratio in now.items()]
    if options.json:
        sys.stdout.write(json.dumps({"machine": machine, "results": [asdict(it) for it in found]}, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(as_table(found)) + "\n")
    slow = [it.step for it in found if it.slow]
    if slow:
        sys.stderr.write(f"slower than {MARGIN} times the baseline, or without one: {', '.join(slow)}\n")
    return 1 if slow else 0


def as_table(verdicts: list[Verdict]) -> list[str]:
    """Lines for a terminal."""
    rows = [
        (it.step, f"{it.ratio:.3f}", "" if it.baseline is None else f"{it.baseline:.3f}", "SLOW" if it.slow else "")
        for it in verdicts
    ]
    return table(("step", "ratio", "baseline", ""), rows)


if __name__ == "__main__":
    sys.exit(main())
