"""A quiet pipeline beside busy ones: its message is loaded within a few of their batches. Counted, not timed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from queue import Empty, SimpleQueue

import pytest

from loading import settings_for
from masking import message, ring
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.events import Events
from sofetch.mask import compile_masker
from sofetch.observe.board import Board
from sofetch.pipeline import Steps
from sofetch.pipelines import Pipelines, Planned
from sofetch.record import Loaded, LoadResult, MaskedRecord, Message, SealedRejection
from sofetch.settings import Settings
from sofetch.stopping import Stop
from sofetch.worker import Summary, Worker

BATCH = 1_000
ROUNDS = 8
FEW = 6
"""Batches of each busy pipeline. Mostly none go by; the rest is for a machine that has other things to do.

Half of the rounds keep to it: a batch takes a few milliseconds, and a machine that stands still for a moment lets many
by in one round. One who waits for good is found at a thousand.
"""


class Fed:
    """A source that waits for what it is fed."""

    def __init__(self) -> None:
        self.fed: SimpleQueue[Sequence[Message]] = SimpleQueue()

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        try:
            return self.fed.get(timeout=0.05)
        except Empty:
            return []

    def acknowledge(self, _: object) -> None:
        """Nothing is held."""

    pause = resume = lambda _self: None

    def drained(self) -> bool:
        return False


class Endless(Fed):
    """One that always has a full batch, and so never waits."""

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        return BODIES


def body(number: int) -> bytes:
    return json.dumps({"id": f"user-{number}", "ip": f"10.0.{number >> 8}.{number & 255}", "rest": "x" * 200}).encode()


BODIES = [message(body(number), id=f"m{number}") for number in range(BATCH)]


class Race:
    """Busy pipelines, and a quiet one that is given a message now and then; how many batches go by until it is loaded.

    They decode and mask for real, and never wait: what can be worse for one beside them?
    """

    def __init__(self, busy: int) -> None:
        self.stop = Stop()
        self.batches = 0
        self.fed_at = 0
        self.waiting = False
        self.passed: list[int] = []
        self.quiet = Fed()
        self._busy = busy
        columns = [{"name": "id"}, {"name": "ip", "mask": "token"}]
        self.planned = [
            Planned(name, settings_for(columns, table=name)) for name in ("quiet", *(f"busy_{n}" for n in range(busy)))
        ]

    def run_one(self, settings: Settings, events: Events, stop: Stop) -> Summary:
        quiet = settings.pipeline_name == "quiet"
        load = self.load_quiet if quiet else self.load_busy
        worker = Worker(
            source=self.quiet if quiet else Endless(),  # type: ignore[arg-type]  # what a worker calls of it
            steps=Steps(compile_decoder(settings), compile_masker(settings, ring()), Loading(load)),
            batch=settings.batch,
            release_after_seconds=1,
            clock=SystemClock(),
            events=events,
            stop=stop,
        )
        return worker.run()

    def load_busy(self) -> None:
        self.batches += 1
        if not self.waiting and self.batches - self.fed_at >= 3 * self._busy:
            self.waiting, self.fed_at = True, self.batches
            self.quiet.fed.put(BODIES[:1])
        elif self.waiting and self.batches - self.fed_at > 1_000:
            self.stop.ask("starved")

    def load_quiet(self) -> None:
        self.passed.append(self.batches - self.fed_at)
        self.waiting, self.fed_at = False, self.batches
        if len(self.passed) == ROUNDS:
            self.stop.ask("done")

    def run(self) -> None:
        board = Board(clock=SystemClock())
        done = Pipelines(self.run_one, read=list, events=Events(), stop=self.stop, board=board).run(self.planned)
        assert not done.errors


class Loading:
    """A sink that only tells that it was called."""

    def __init__(self, called: object) -> None:
        self._called = called

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        assert not rejections
        self._called()  # type: ignore[operator]
        return [Loaded(record.message_id) for record in records]

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("busy", [1, 3])
def test_a_quiet_pipeline_is_loaded_within_a_few_batches_of_the_busy_ones(busy: int) -> None:
    race = Race(busy)
    race.run()
    assert race.stop.reason == "done"
    assert sorted(race.passed)[ROUNDS // 2] <= FEW * busy
