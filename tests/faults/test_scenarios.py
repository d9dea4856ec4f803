"""Each row of the list of faults as a scenario: real workers, a few faults of one kind, and the oracle's word.

One stage serves all: messages go on being numbered, and what one scenario lost the next one finds, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from faults.corpus import Corpus
from faults.fleet import CRASH_POINTS
from faults.http_faults import BATCH_ONLY, BATCHES, FAULTS, RECEIVE_ONLY
from faults.oracle import Sent
from faults.plan import Family, Fault, Plan
from faults.rows import ROWS
from faults.run import Order, Verdict, judge_stage, play
from faults.stage import Stage, build_stage

_ROOT = Path(__file__).parents[2]
_MESSAGES = 240


def some(family: Family, *kinds: str, seconds: float = 0.6, operation: str = "") -> list[Fault]:
    """These faults, one after the other, spread over the messages; those of the queue from the first call on."""
    step, first = _MESSAGES // (len(kinds) + 1), 0 if family == "queue" else 1
    return [
        Fault(family, kind, (at + first) * step, operation=operation, worker=at % 2, seconds=seconds)
        for at, kind in enumerate(kinds)
    ]


_ERRORS = tuple(kind for kind in FAULTS if kind not in (*RECEIVE_ONLY, *BATCH_ONLY, "withheld"))
SCENARIOS: Mapping[str, list[Fault]] = {
    "deaths at every step": some("worker", *(f"died {point}" for point in CRASH_POINTS)),
    "a database that restarts": some("database", "restarted at once", "backends terminated", "statements cancelled"),
    "a database that is read-only": some("database", "read-only"),
    "a full disk": some("database", "disk full"),
    "a network that cuts": some(
        "network", "reset", "cut in copy", "reply to commit lost", "commit lost", "cut in reply", "refused"
    ),
    "a network that swallows": some("network", "black hole", "half open", "slow"),
    "a queue on its bad days": [
        *some("queue", *_ERRORS, operation="ReceiveMessage"),
        *some("queue", *_ERRORS, operation="DeleteMessageBatch"),
    ],
    "a queue that fails entries": [
        *some("queue", *BATCH_ONLY, *BATCH_ONLY, operation="DeleteMessageBatch"),
        *some("queue", "failed", "refused", operation=BATCHES[1]),
    ],
    "a worker that freezes": some("worker", "frozen"),
    "a queue that repeats itself": some("queue", *RECEIVE_ONLY, *RECEIVE_ONLY, operation="ReceiveMessage"),
    "every signal": some("worker", "told to stop", "hung up", "told to stop twice", "killed"),
    "poison": some("messages", "one poison row in many", "nothing but poison"),
    "a database that is busy": some("database", "table locked", "connections used up", seconds=1.3),
    "a table that changes": some("database", "column widened", "table gone"),
}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Servers and proxies; each scenario brings its own workers."""
    with build_stage(workers=2, visibility_seconds=3) as made:
        yield made


@pytest.fixture(scope="module")
def bursts() -> dict[int, tuple[int, int]]:
    """Where poison is among the messages."""
    return {}


@pytest.fixture(scope="module")
def sent(bursts: dict[int, tuple[int, int]]) -> Sent:
    """Everything that the scenarios sent so far."""
    return Sent(Corpus(11, bad_in_1000=30, bursts=bursts))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_survives(name: str, stage: Stage, sent: Sent, bursts: dict[int, tuple[int, int]]) -> None:
    if name == "poison":
        bursts |= {sent.count: (100, 100), sent.count + 100: (100, 1)}
    order = Order(seed=11, messages=_MESSAGES, faults=0, visibility_seconds=3, depth=_MESSAGES // 4)
    verdict = Verdict(order)
    faults = tuple(sorted(SCENARIOS[name], key=lambda fault: fault.at))
    assert play(order, Plan(faults, {}), stage.with_new_workers(2), sent, verdict) == []
    assert judge_stage(stage, sent) == []
    assert verdict.faults.total() > 0, "no fault took place"


def test_every_row_names_tests_that_exist() -> None:
    for row in ROWS:
        assert row.tests, row.numbers
        for test in row.tests:
            file, _, name = test.partition("::")
            text = (_ROOT / file).read_text()
            function, _, parameter = name.partition("[")
            assert not function or f"def {function}(" in text, test
            assert not parameter or parameter.rstrip("]") in SCENARIOS, test


def test_every_row_that_concerns_the_worker_is_there() -> None:
    numbers: set[int] = set()
    for row in ROWS:
        first, *last = (int(number) for number in re.findall(r"\d+", row.numbers))
        numbers |= set(range(first, (last[0] if last else first) + 1))
    assert numbers == {*range(1, 20), 23}
