"""The plan of a campaign: which faults, in which order, at which moment. The same seed gives the same plan everywhere.

A moment is a number of messages deleted, not a time: a slow machine meets its faults at the same places.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from faults.fleet import CRASH_POINTS
from faults.http_faults import BATCH_ONLY, BATCHES, FAULTS, RECEIVE_ONLY
from faults.tcp_proxy import TIMED, WAITING

Family = Literal["queue", "network", "database", "worker", "messages"]

DATABASE_KINDS = (
    "restarted at once",
    "restarted in order",
    "backends terminated",
    "statements cancelled",
    "read-only",
    "table locked",
    "disk full",
    "connections used up",
    "table gone",
    "column widened",
)
WORKER_KINDS = (
    "killed",
    "told to stop",
    "told to stop twice",
    "hung up",
    "frozen",
    *(f"died {at}" for at in CRASH_POINTS),
)
MESSAGE_KINDS = ("one poison row in many", "nothing but poison")

_COSTLY = {
    "restarted at once": 0.5,
    "restarted in order": 0.3,
    "frozen": 0.4,
    "withheld": 0.4,
    "table gone": 0.4,
    "half open": 0.5,
    "black hole": 0.5,
    "skewed clock": 0.4,
    "told to stop twice": 0.5,
}
"""Those that hold up the campaign for seconds come less often than the rest."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``at`` counts deleted messages; the rest is for those kinds that need it."""

    family: Family
    kind: str
    at: int
    operation: str = ""
    worker: int = 0
    nth: int = 1
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """As the report counts it."""
        return f"{self.family}: {self.kind}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a campaign in their order, and the poison that is among its messages."""

    faults: tuple[Fault, ...]
    bursts: dict[int, tuple[int, int]]


def make_plan(*, seed: int, messages: int, faults: int, workers: int) -> Plan:
    """So many faults between the first messages and the last tenth. Each kind comes once before any comes twice, as
    far as the number allows.
    """
    draw = random.Random(seed)
    kinds = _choose(draw, faults)
    moments = sorted(int(messages * (0.02 + 0.86 * draw.random())) for _ in kinds)
    made = [_fault(draw, family, kind, at, workers) for (family, kind), at in zip(kinds, moments, strict=True)]
    return Plan(tuple(made), _bursts(made, messages))


def every_kind() -> list[tuple[Family, str]]:
    """All kinds there are."""
    return [
        *(("queue", kind) for kind in FAULTS),
        *(("network", kind) for kind in (*WAITING, *TIMED)),
        *(("database", kind) for kind in DATABASE_KINDS),
        *(("worker", kind) for kind in WORKER_KINDS),
        *(("messages", kind) for kind in MESSAGE_KINDS),
    ]


def _choose(draw: random.Random, count: int) -> list[tuple[Family, str]]:
    kinds = every_kind()
    draw.shuffle(kinds)
    weights = [_COSTLY.get(kind, 1.0) for _, kind in kinds]
    return (kinds + draw.choices(kinds, weights, k=max(0, count - len(kinds))))[:count]


def _fault(draw: random.Random, family: Family, kind: str, at: int, workers: int) -> Fault:
    worker, nth, seconds = draw.randrange(workers), draw.randint(1, 4), draw.uniform(0.3, 1.5)
    return Fault(family, kind, at, _operation(draw, family, kind), worker, nth, round(seconds, 2))


def _operation(draw: random.Random, family: Family, kind: str) -> str:
    if family != "queue":
        return ""
    if kind in RECEIVE_ONLY:
        return "ReceiveMessage"
    operations: Sequence[str] = (
        ("DeleteMessageBatch",) if kind in BATCH_ONLY else ("DeleteMessageBatch", "ReceiveMessage")
    )
    # Extensions are few: a fault planned for one waits long for its call.
    return BATCHES[1] if draw.random() < 0.1 else draw.choice(operations)


def _bursts(faults: Sequence[Fault], messages: int) -> dict[int, tuple[int, int]]:
    length = max(10, min(1_000, messages // 40))
    return {
        fault.at: (length, 1 if fault.kind == "nothing but poison" else length)
        for fault in faults
        if fault.family == "messages"
    }
