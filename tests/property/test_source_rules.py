"""The source's rules against a queue that duplicates, fails and forgets, in every order Hypothesis can think of.

Registry and agenda are driven without threads, on a fake clock: what the fleets would do, one step at a time.
"""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sofetch.errors import SofetchError
from sofetch.record import Message
from sofetch.source.agenda import Agenda, Call, Work
from sofetch.source.registry import Registry, Stage
from sofetch.source.transport import EntryFailure, VisibilityChange
from sofetch.testing import FakeClock, MemoryQueue

TIMEOUT_SECONDS = 30
MAX_MESSAGES = 20
BODY = b"x" * 50


class SourceRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = MemoryQueue(clock=self.clock, visibility_timeout_seconds=TIMEOUT_SECONDS)
        self.registry = Registry(max_messages=MAX_MESSAGES, max_bytes=1 << 30)
        self.agenda = Agenda(self.registry, jitter=random.Random(0).random)
        self.agenda.set_timeout(TIMEOUT_SECONDS)
        self.sent: set[str] = set()
        self.given: set[str] = set()
        self.to_delete: set[str] = set()
        self.under_way: list[Work] = []

    @rule(count=st.integers(1, 12))
    def send(self, count: int) -> None:
        # Ids of our own: random ones would sort differently in a replay.
        for number in range(len(self.sent), len(self.sent) + count):
            self.sent.add(self.queue.send(BODY, message_id=f"m{number:04}"))

    @rule()
    def receive(self) -> None:
        reservation = self.registry.reserve()
        if reservation is None:
            return
        raws = self.queue.receive(
            max_messages=reservation.messages, wait_seconds=0, visibility_timeout_seconds=TIMEOUT_SECONDS
        )
        self.registry.free(reservation)
        self.registry.learn_sizes(raws)
        now = self.clock.monotonic()
        for raw in raws:
            new = self.registry.arrive(raw, received_at=now, visible_at=now + TIMEOUT_SECONDS)
            if new is not None:
                self.registry.buffer(Message(id=raw.id, body=raw.body, queue="q", sent_ms=None, received_ms=0))
            held = self.registry.get(raw.id)
            assert held is not None
            self.agenda.watch(held)

    @rule(count=st.integers(1, 15))
    def give(self, count: int) -> None:
        for message in self.registry.give(max_messages=count, max_bytes=1 << 30):
            assert message.id not in self.given, "given twice while held"
            self.given.add(message.id)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), delete=st.booleans())
    def acknowledge(self, data: st.DataObject, delete: bool) -> None:
        for message_id in data.draw(st.sets(st.sampled_from(sorted(self.given)))):
            held = self.registry.get(message_id)
            assert held is not None
            assert held.stage is Stage.GIVEN
            self.given.remove(message_id)
            if delete:
                self.to_delete.add(message_id)
                self.agenda.delete(held, now=self.clock.monotonic())
            else:
                self.agenda.release(held, seconds=3, now=self.clock.monotonic())

    @rule()
    def begin_work(self) -> None:
        work = self.agenda.next_work(now=self.clock.monotonic())
        if work is not None:
            self.under_way.append(work)

    @precondition(lambda self: self.under_way)
    @rule(fault=st.sampled_from(["none", "entry", "stale", "before", "lost answer"]))
    def end_work(self, fault: str) -> None:
        work = self.under_way.pop(0)
        if fault == "before":
            self.agenda.failed(work, now=self.clock.monotonic())
            return
        if fault in ("entry", "stale"):
            plan: EntryFailure | SofetchError = EntryFailure(0, "InternalError", fault == "stale")
            (self.queue.fail_deletes if work.call is Call.DELETE else self.queue.fail_visibility_changes)(plan)
        failures = self._call(work)
        if fault == "lost answer":
            self.agenda.failed(work, now=self.clock.monotonic())
        else:
            now = self.clock.monotonic()
            self.agenda.answered(work, failures, started=now, now=now)

    @precondition(lambda self: self.queue.message_ids())
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        self.queue.redeliver(data.draw(st.sampled_from(sorted(self.queue.message_ids()))))

    @rule(seconds=st.sampled_from([0.01, 0.1, 1.0, 10.0, 60.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def only_what_was_named_is_deleted(self) -> None:
        assert self.sent - self.queue.message_ids() <= self.to_delete

    @invariant()
    def the_bound_holds(self) -> None:
        assert len(self.registry) <= MAX_MESSAGES

    @invariant()
    def a_given_message_stays_held(self) -> None:
        assert all(self.registry.get(message_id) is not None for message_id in self.given)

    @invariant()
    def the_counts_agree(self) -> None:
        assert self.registry.held_bytes == len(BODY) * len(self.registry.unsettled())

    def teardown(self) -> None:
        """Once the faults end, every delete handed over is done, or its message comes back by itself."""
        for work in self.under_way:
            self.agenda.failed(work, now=self.clock.monotonic())
        for _ in range(500):
            if self.agenda.idle:
                break
            self.clock.advance(1)
            now = self.clock.monotonic()
            if (planned := self.agenda.next_work(now=now)) is not None:
                self.agenda.answered(planned, self._call(planned), started=now, now=now)
        assert self.agenda.idle

    def _call(self, work: Work) -> list[EntryFailure]:
        handles = [entry.receipt_handle for entry in work.entries]
        if work.call is Call.DELETE:
            return self.queue.delete_batch(handles)
        changes = [VisibilityChange(entry.receipt_handle, entry.seconds) for entry in work.entries]
        return self.queue.change_visibility_batch(changes)


TestSourceRules = SourceRules.TestCase
TestSourceRules.settings = settings(max_examples=60, stateful_step_count=40)
