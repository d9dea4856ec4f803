"""A campaign from its first message to the oracle's word: feed, break, wait until all is quiet, judge.

Owns the order of things and when a campaign counts as stuck.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from faults.corpus import PLANTED, PLANTED_BYTES, Corpus
from faults.feeder import Feeder
from faults.injectors import Injectors
from faults.leaks import leaks_in, places_of_postgres
from faults.oracle import Sent, Violation, judge, quarantined
from faults.plan import Plan, make_plan
from faults.servers import DEPTH, ServerKind
from faults.stage import Stage, build_stage
from sofetch.errors import ExitCode

_TICK_SECONDS = 0.02
_STUCK_SECONDS = 90
_FAULTS_AT_ONCE = 4
"""While more than so many are under way no message is sent, or they would all fall on the last ones."""


@dataclass(frozen=True, slots=True)
class Order:
    """Which campaign to run. The same order gives the same messages and the same plan."""

    seed: int
    messages: int
    faults: int
    workers: int = 2
    server: ServerKind = "ministack"
    visibility_seconds: int = 4
    batch_messages: int = 100
    depth: int = 0
    """How many messages may wait in the queue; 0 for what the server bears."""

    @property
    def arguments(self) -> str:
        """The command line that runs it again."""
        return (
            f"--seed {self.seed} --messages {self.messages} --faults {self.faults} --workers {self.workers} "
            f"--batch {self.batch_messages} --server {self.server}"
        )


@dataclass
class Verdict:
    """What came of a campaign."""

    order: Order
    seconds: float = 0.0
    violations: list[Violation] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    planned: int = 0
    delivered: int = 0
    redelivered: int = 0
    most_receives: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    quarantined: dict[str, int] = field(default_factory=dict)


Progress = Callable[[Order, int, int, Injectors], None]


def run_campaign(order: Order, *, progress: Progress | None = None) -> Verdict:
    """Run it and judge it."""
    plan = make_plan(seed=order.seed, messages=order.messages, faults=order.faults, workers=order.workers)
    with build_stage(
        workers=order.workers,
        server=order.server,
        visibility_seconds=order.visibility_seconds,
        batch_messages=order.batch_messages,
    ) as stage:
        sent = Sent(Corpus(order.seed, bursts=plan.bursts))
        began = time.monotonic()
        verdict = Verdict(order, planned=len(plan.faults))
        verdict.violations += play(order, plan, stage, sent, verdict, progress)
        verdict.seconds = round(time.monotonic() - began, 1)
        verdict.violations += judge_stage(stage, sent)
        verdict.quarantined = quarantined(stage.database.dsn)
        return verdict


def play(
    order: Order, plan: Plan, stage: Stage, sent: Sent, verdict: Verdict, progress: Progress | None = None
) -> list[Violation]:
    """Send everything, break everything, and return once the queue is empty and the workers have ended."""
    injectors = Injectors(
        plan.faults,
        loop=stage.loop,
        queue=stage.http,
        network=stage.tcp,
        database=stage.database,
        fleet=stage.fleet,
        visibility_seconds=order.visibility_seconds,
    )
    feeder = Feeder(sent, queue=stage.queue, endpoint=stage.endpoint, messages=sent.count + order.messages)
    stage.fleet.start()
    try:
        stuck = _until_quiet(order, stage, feeder, injectors, progress)
    finally:
        feeder.close()
        injectors.close()
    drained = [] if stuck else _until_empty(stage)
    codes = stage.fleet.stop()
    _note(verdict, stage, injectors)
    return [*stuck, *drained, *_bad_ends(codes)]


def judge_stage(stage: Stage, sent: Sent) -> list[Violation]:
    """The oracle's word on a stage on which all is over."""
    places = [stage.folder, *places_of_postgres(stage.postgres_folder)]
    stage.database.execute("CHECKPOINT")
    found = leaks_in(places, PLANTED, [PLANTED_BYTES])
    found += judge(sent, stage.database.dsn)
    for what, count in (
        ("left in the queue", stage.queue.left(stage.client)),
        ("dead", stage.queue.dead(stage.client)),
    ):
        if count:
            found.append(Violation(what, count, ()))
    return found


def _until_quiet(
    order: Order, stage: Stage, feeder: Feeder, injectors: Injectors, progress: Progress | None
) -> list[Violation]:
    """Until everything is sent and every fault is over."""
    watch, pause = _Watch(), threading.Event()
    first, before = feeder.first, stage.http.traffic.deleted
    while not (feeder.done and injectors.to_come == 0 and injectors.under_way == 0):
        deleted = stage.http.traffic.deleted - before
        injectors.due(deleted)
        if injectors.under_way <= _FAULTS_AT_ONCE:
            feeder.allow(first + deleted + (order.depth or DEPTH[order.server]))
        if progress is not None:
            progress(order, deleted, stage.fleet.starts, injectors)
        if watch.is_stuck(deleted):
            return [Violation("stuck", 1, (f"nothing was deleted for {_STUCK_SECONDS} s",))]
        pause.wait(_TICK_SECONDS)
    return []


def _until_empty(stage: Stage) -> list[Violation]:
    watch, pause = _Watch(), threading.Event()
    while left := stage.queue.left(stage.client):
        if watch.is_stuck(left):
            return [Violation("never drained", left, ())]
        pause.wait(_TICK_SECONDS * 5)
    return []


class _Watch:
    """Notices that a number does not change any more."""

    def __init__(self) -> None:
        self._last = -1
        self._since = time.monotonic()

    def is_stuck(self, number: int) -> bool:
        """Whether it has been the same for too long."""
        now = time.monotonic()
        if number != self._last:
            self._last, self._since = number, now
        return now - self._since > _STUCK_SECONDS


def _bad_ends(codes: list[int]) -> list[Violation]:
    # SIGTERM before the worker has begun ends it by itself: it holds nothing yet. UNAVAILABLE says that the queue did
    # not answer its last calls in time, which a fault may see to; what is left in the queue is judged by itself.
    good = {ExitCode.OK, ExitCode.UNAVAILABLE, -signal.SIGTERM}
    bad = [str(code) for code in codes if code not in good]
    return [Violation("did not end in good order", len(bad), tuple(bad))] if bad else []


def _note(verdict: Verdict, stage: Stage, injectors: Injectors) -> None:
    traffic = stage.http.traffic
    verdict.faults = injectors.happened()
    verdict.delivered, verdict.redelivered = traffic.delivered, traffic.redelivered
    verdict.most_receives, verdict.calls = traffic.most_receives, traffic.calls
    verdict.starts, verdict.exits = stage.fleet.starts, stage.fleet.exits
