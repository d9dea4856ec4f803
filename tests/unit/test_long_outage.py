"""Long outages of the database under a full queue: the real worker on the real source, on a fake clock.

The fleets' threads are not started. Their steps are taken here, one after the other, whenever the worker receives or
waits, so that hours pass in a second and every run is the same.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events
from sofetch.pipeline import Steps
from sofetch.record import (
    Decoded,
    LoadResult,
    Masked,
    MaskedRecord,
    Message,
    Record,
    Rejection,
    SealedRejection,
)
from sofetch.settings import BatchSettings, SourceSettings
from sofetch.source.fleets import Fleets
from sofetch.source.sqs import SqsSource
from sofetch.source.transport import MAX_VISIBILITY_SECONDS
from sofetch.stopping import Stop
from sofetch.testing import FakeClock, MemoryQueue, MemorySink
from sofetch.worker import Summary, Worker

MESSAGES = 300
BATCH = 50
MAX_RECEIVE_COUNT = 3
SETTINGS = SourceSettings(queue="queue", wait_seconds=0, max_in_flight=200)


class NothingToDo(Exception):
    """A thread of the fleet would wait now."""


class Unwaiting(threading.Condition):
    """Says that there is nothing to do instead of waiting for it."""

    def wait(self, timeout: float | None = None) -> bool:
        if timeout == 0:
            return False
        raise NothingToDo


class SteppedSource(SqsSource):
    """The SQS source, its threads' steps taken when ``step`` is called."""

    def __init__(self, queue: MemoryQueue, clock: FakeClock) -> None:
        super().__init__(SETTINGS, transport=queue, clock=clock)
        desk = self._desk
        desk._receivers, desk._deleters, desk._consumer = (Unwaiting(desk._lock) for _ in range(3))
        assert isinstance(self._fleets, Fleets)
        self._threads = self._fleets
        self._timeout_seconds = queue.visibility_timeout_seconds()
        self._desk.set_timeout(self._timeout_seconds)
        self._started = True

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        self.step()
        return super().receive(max_messages=max_messages, max_bytes=max_bytes, wait_seconds=wait_seconds)

    def step(self) -> None:
        with suppress(NothingToDo):
            held = -1
            while held < self.state().held:  # an empty answer is the end of a round, or it would poll for ever
                held = self.state().held
                self._threads.receiving._step()
        with suppress(NothingToDo):
            for _ in range(10_000):
                self._threads.deleting._step()
            raise AssertionError("the deleters call for ever")


class AwaySink(MemorySink):
    """Takes one batch, and is then away for a time, counted from its first refusal."""

    def __init__(self, clock: FakeClock, queue: MemoryQueue, *, away_seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._queue = queue
        self.receives_before = 0
        self._away_seconds = away_seconds
        self.back_at: float | None = None

    @property
    def away(self) -> bool:
        return self.back_at is not None and self._clock.monotonic() < self.back_at

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        if self.loads == 1 and self.back_at is None:
            self.back_at = self._clock.monotonic() + self._away_seconds
            self.receives_before = self._queue.calls["receive"]
        if self.away:
            raise SinkUnavailable("away", sqlstate="57P03")
        return super().load(records, rejections)


@dataclass
class Masker:
    def mask(self, records: Sequence[Record]) -> Masked:
        return Masked([MaskedRecord(one.message.id, one.message.id.encode(), ()) for one in records], [], {})

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        assert not rejections, "an outage is no message's fault"
        return []


@dataclass
class World:
    """A full queue, a worker, and what was seen of them."""

    away_seconds: float
    visibility_seconds: int
    clock: FakeClock = field(default_factory=FakeClock)
    receive_counts: Counter[str] = field(default_factory=Counter)
    seen: list[Event] = field(default_factory=list)
    receives_while_away: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.queue = MemoryQueue(
            clock=self.clock,
            visibility_timeout_seconds=self.visibility_seconds,
            max_receive_count=MAX_RECEIVE_COUNT,
        )
        self.queue.send_all([b"{}"] * MESSAGES)
        self.source = SteppedSource(self.queue, self.clock)
        self.sink = AwaySink(self.clock, self.queue, away_seconds=self.away_seconds)

    def run(self) -> Summary:
        worker = Worker(
            source=self.source,
            steps=Steps(self._decode, Masker(), self.sink),
            batch=BatchSettings(max_messages=BATCH, max_wait_seconds=0),
            release_after_seconds=5,
            clock=self.clock,
            events=Events(self.seen.append),
            stop=_Passing(self),
        )
        return worker.run(max_messages=None, drain=False)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the fleets do what becomes due."""
        while seconds > 0:
            tick = min(seconds, self.visibility_seconds / 10)
            self.clock.advance(tick)
            seconds -= tick
            self.source.step()
            if self.sink.away:
                self.receives_while_away.add(self.queue.calls["receive"])

    def _decode(self, messages: Sequence[Message]) -> Decoded:
        for message in messages:
            self.receive_counts[message.id] = max(self.receive_counts[message.id], message.receive_count)
        if len(self.sink.rows) == MESSAGES and not self.queue.message_ids():
            raise AssertionError("a message was given after all of them were deleted")
        return Decoded([Record(message, ()) for message in messages], [])


class _Passing(Stop):
    """Lets time pass instead of sleeping; asks when everything is loaded and deleted."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    @property
    def asked(self) -> bool:
        world = self._world
        done = len(world.sink.rows) == MESSAGES and not world.queue.message_ids()
        if not world.sink.away and not done:
            world.pass_time(1)
        return done

    def wait(self, seconds: float) -> bool:
        self._world.pass_time(seconds)
        return False


def test_ten_minutes_without_a_database_cost_a_full_queue_no_receive_at_all() -> None:
    world = World(away_seconds=600, visibility_seconds=30)
    summary = world.run()
    assert len(world.sink.rows) == MESSAGES
    assert world.queue.message_ids() == set()
    assert world.queue.dead_letters == []
    assert set(world.receive_counts.values()) == {1}
    assert world.receives_while_away == {world.sink.receives_before}, "receiving went on while the database was away"
    assert world.source.state().tally.extended > 0
    assert (summary.loaded, summary.duplicates, summary.quarantined, summary.away) == (MESSAGES, 0, 0, [])
    assert 600 < world.clock.monotonic() < 700


@pytest.mark.parametrize("hours", [13, 50])
def test_hours_without_a_database_cost_one_receive_and_leave_nothing_in_the_dead_letter_queue(hours: int) -> None:
    world = World(away_seconds=hours * 3_600, visibility_seconds=600)
    summary = world.run()
    assert len(world.sink.rows) == MESSAGES
    assert world.queue.message_ids() == set()
    assert world.queue.dead_letters == []
    assert set(world.receive_counts.values()) == {1, 2}
    assert world.receives_while_away == {world.sink.receives_before}
    tally = world.source.state().tally
    assert tally.given_back >= BATCH
    assert tally.lost == 0
    # The batch in hand was given back too, and loaded all the same once it could be: it came again, and was known.
    assert (summary.loaded, summary.duplicates) == (MESSAGES, BATCH)


def test_what_is_given_back_comes_again_at_different_times_and_within_the_queues_limit() -> None:
    world = World(away_seconds=13 * 3_600, visibility_seconds=600)
    visible: dict[float, int] = {}

    class Watching(_Passing):
        def wait(self, seconds: float) -> bool:
            super().wait(seconds)
            visible[world.clock.monotonic()] = len(world.queue.visible_ids())
            return False

    worker = Worker(
        source=world.source,
        steps=Steps(world._decode, Masker(), world.sink),
        batch=BatchSettings(max_messages=BATCH, max_wait_seconds=0),
        release_after_seconds=5,
        clock=world.clock,
        events=Events(),
        stop=Watching(world),
    )
    worker.run()
    held = world.source.state().tally.given_back
    before = visible[min(visible)]
    rising = [at for at, count in visible.items() if before < count < before + held]
    assert rising, "all came back at one moment"
    assert min(rising) > SETTINGS.hold_seconds
    assert max(rising) < MAX_VISIBILITY_SECONDS
