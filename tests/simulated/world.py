"""Several workers on one queue, stepped in any order on a fake clock, with oracles that look on.

Owns the steps that may happen and what must hold after each of them:

* nothing is deleted from the queue that is not durable; each message ends exactly once in rows or quarantine;
* rows of a FIFO group are committed in the order of their sending;
* a message is given once while it is held, and no more is held than the limits say;
* a held message stays invisible unless a call for it failed, and no message is received again without a cause, so that
  none lands among the dead letters without as many of those as it takes;
* a release makes visible when it says; and once the faults end, the queue drains.

Every choice is taken from ``choose``, so that Hypothesis or a seed decides, and the same choices give the same world.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from msgspec.structs import replace as changed

from simulated.consumer import RELEASE_AFTER_SECONDS, Consumer, Limits, Poll
from simulated.store import BODIES, Store
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import Reason
from sofetch.source.agenda import Call, Work
from sofetch.source.registry import Held, Stage
from sofetch.source.transport import MAX_VISIBILITY_SECONDS, EntryFailure, VisibilityChange
from sofetch.testing import FakeClock, MemoryQueue, refused_source, unavailable_source
from sofetch.testing.queue_rules import OldHandles, QueueRules

Choose = Callable[[int], int]
"""A number from 0 to below its argument. 0 is the plainest choice: Hypothesis shrinks to it."""

_PADDING = b" " * 90
_SETTLING_ROUNDS = 1_500


class World:
    """The queue, the store and the workers."""

    def __init__(self, choose: Choose) -> None:
        random.seed(choose(1 << 16))  # the pauses of ``outages`` have jitter
        self.clock = FakeClock()
        self.fifo = choose(2) == 1
        self.max_receive_count = (None, 4)[choose(2)]
        self.timeout_seconds = (30, 8)[choose(2)]
        rules = QueueRules(
            visibility_timeout_seconds=self.timeout_seconds,
            max_receive_count=self.max_receive_count,
            max_in_flight=(120_000, 12)[choose(2)],
            old_handles=tuple(OldHandles)[choose(3)],
        )
        name = "q.fifo" if self.fifo else "q"
        self.queue = MemoryQueue(clock=self.clock, name=name, rules=rules, seed=1, disorder=(0, 8)[choose(2)])
        self.limits = replace(Limits(), max_bytes=(1 << 20, 1_200)[choose(2)], wait_seconds=(2, 0, 20)[choose(3)])
        self.store = Store(self.queue.dead_letters)
        self.numbers = count()
        self.sent: list[str] = []
        self.causes: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.out = False
        self.orphans: list[Work] = []
        self.consumers = [self._consumer() for _ in range(1 + choose(3))]

    # Steps

    def send(self, choose: Choose) -> None:
        """Someone sends messages."""
        for _ in range(1 + choose(10)):
            number = next(self.numbers)
            message_id, group = f"m{number:06}", f"g{choose(2)}"
            body = BODIES[choose(len(BODIES))] + _PADDING
            self.queue.send(body, message_id=message_id, group_id=group if self.fifo else None)
            if self.fifo:
                self.store.places[message_id.encode()] = (group, number)
            if choose(12) == 11:
                self.store.sink.refuse(message_id, Reason.CHECK_VIOLATION)
            self.sent.append(message_id)

    def poll(self, choose: Choose) -> None:
        """A receiver begins a call; the queue answers at once if it has something to say."""
        self._poll(self._any(choose))

    def arrive(self, choose: Choose) -> None:
        """An answer to a receive call arrives, or is lost on the way."""
        consumer = self._any(choose)
        answered = [poll for poll in consumer.polls if poll.raws is not None]
        if answered:
            self._arrive(consumer, answered[choose(len(answered))], fate=choose(8))

    def turn(self, choose: Choose) -> None:
        """A worker goes on a little."""
        consumer = self._any(choose)
        for _ in range(1 + choose(4)):
            consumer.turn()
        if consumer.actor.over:
            self._bury(consumer)

    def begin_work(self, choose: Choose) -> None:
        """A deleter begins a call."""
        consumer = self._any(choose)
        if len(consumer.works) < self.limits.deleters:
            work = consumer.clerk.next_work(now=self.clock.monotonic())
            if work is not None:
                consumer.works.append((work, self.clock.monotonic()))

    def end_work(self, choose: Choose) -> None:
        """A call under way is carried out and answered, or one of these is not."""
        consumer = self._any(choose)
        if consumer.works:
            self._finish(consumer, *consumer.works.pop(choose(len(consumer.works))), fate=choose(10))

    def orphan(self, choose: Choose) -> None:
        """A call of a dead worker reaches the queue after all."""
        if self.orphans:
            self._call(self.orphans.pop(choose(len(self.orphans))))

    def crash(self, choose: Choose) -> None:
        """A worker is killed, and another started in its place."""
        self._bury(self._any(choose))

    def stop(self, choose: Choose) -> None:
        """A worker is asked to stop and closes in good order, or is killed while it does."""
        consumer = self._any(choose)
        consumer.stop.ask()
        for _ in range(200):
            if consumer.actor.over:
                break
            consumer.turn()
            self.clock.advance(0.01)
        assert consumer.actor.over, "it was asked to stop and did not"
        self._close(consumer, choose)
        self._bury(consumer)

    def duplicate(self, choose: Choose) -> None:
        """The queue brings a message once more, whoever holds it."""
        if self.queue.counts() != (0, 0, 0):
            message_id = self.sent[-1 - choose(min(30, len(self.sent)))]
            if message_id in self.queue.message_ids():
                self.causes[message_id] += 1
                self.copies[message_id] += 1
                for consumer in self.consumers:
                    consumer.excused.add(message_id)
                    self._overtake(consumer, message_id)
                (self.queue.redeliver, self.queue.duplicate)[choose(2)](message_id)

    def fail_sink(self, choose: Choose) -> None:
        """The next load fails, with nothing or all of it committed; or the sink goes out or comes back."""
        match choose(3):
            case 0:
                self.store.sink.fail_after_commit()
            case 1:
                self.store.sink.fail_before_commit()
            case _:
                self.store.out = not self.store.out

    def fail_queue(self, choose: Choose) -> None:
        """The queue goes out or comes back."""
        self.out = not self.out and choose(2) == 1

    def pass_time(self, choose: Choose) -> None:
        """Time passes while every fleet does what is due in time."""
        self._pass((0.05, 0.5, 2.0, 7.0, 31.0, 120.0)[choose(6)], choose)

    def stand_still(self, choose: Choose) -> None:
        """Every process is stopped for a while, as with its machine."""
        for consumer in self.consumers:
            for held in consumer.held():
                self._excuse(consumer, held.message_id)
        self._advance((3.0, 20.0, 60.0, 4_000.0)[choose(4)])

    def pass_half_a_day(self, choose: Choose) -> None:
        """So much time passes that SQS keeps nothing invisible any longer."""
        if choose(60) == 59:
            for _ in range(45):
                for consumer in self.consumers:
                    self._blame(*(held.message_id for held in consumer.held()))
                self._pass(1_000.0)

    def step(self, choose: Choose) -> None:
        """Any of these, the ordinary more often than the rest."""
        STEPS[choose(len(STEPS))](self, choose)

    # The end

    def settle_down(self) -> None:
        """The faults end: everything sent must come to its one end."""
        self.out = self.store.out = False
        while self.orphans:
            self._call(self.orphans.pop())
        for round_ in range(_SETTLING_ROUNDS):
            if self.queue.counts() == (0, 0, 0) and not any(consumer.held() for consumer in self.consumers):
                break
            self._tend()
            self._pass(0.1 if round_ < 200 else 5.0)
        else:
            raise AssertionError(f"the queue does not drain: {self.queue.counts()} are left")
        self._judge()

    def end(self) -> None:
        """End every actor, whatever was found."""
        for consumer in self.consumers:
            consumer.actor.kill()

    def _tend(self) -> None:
        for consumer in list(self.consumers):
            self._poll(consumer)
            for poll in [poll for poll in consumer.polls if poll.raws is not None]:
                self._arrive(consumer, poll, fate=0)
            while consumer.works:
                self._finish(consumer, *consumer.works.pop(), fate=0)
            for _ in range(4):
                consumer.turn()
            if consumer.actor.over:
                self._bury(consumer)

    def _judge(self) -> None:
        rows, quarantine = self.store.sink.rows, self.store.sink.quarantine
        assert not rows.keys() & quarantine.keys(), "a message is both a row and in quarantine"
        buried = set(self.queue.dead_letters)
        lost = [one for one in self.sent if not self.store.durable(one) and one not in buried]
        assert not lost, f"lost: {lost}"
        assert rows.keys() | quarantine.keys() <= {one.encode() for one in self.sent}
        for message_id in buried:
            assert self.causes[message_id] >= (self.max_receive_count or 0), f"{message_id} was buried without cause"

    # What the steps are made of

    def _consumer(self) -> Consumer:
        return Consumer(self.clock, self.timeout_seconds, self.store, self.limits)

    def _any(self, choose: Choose) -> Consumer:
        return self.consumers[choose(len(self.consumers))]

    def _poll(self, consumer: Consumer) -> None:
        permit = consumer.clerk.permit(now=self.clock.monotonic())
        if permit is None:
            return
        on_the_way = sum(poll.permit.reservation.messages for poll in consumer.polls) + permit.reservation.messages
        state = consumer.clerk.state()
        assert state.held + on_the_way <= self.limits.max_messages, "more is held than may be"
        assert state.held_bytes <= self.limits.max_bytes, "more bytes are held than may be"
        poll = Poll(permit)
        consumer.polls.append(poll)
        self._hand_out(consumer, poll)

    def _hand_out(self, consumer: Consumer, poll: Poll) -> None:
        """Let the queue answer a poll, if it has messages or its wait is over."""
        now = self.clock.monotonic()
        reservation = poll.permit.reservation
        try:
            if self.out:
                raise unavailable_source()
            raws = self.queue.receive(
                max_messages=reservation.messages, wait_seconds=0, visibility_timeout_seconds=self.timeout_seconds
            )
        except SourceUnavailable as error:
            consumer.polls.remove(poll)
            consumer.clerk.receive_failed(poll.permit, error, now=now)
            return
        if not raws and now < poll.ends_at:
            return
        for raw in raws:
            self._received(raw.id, raw.receive_count, now)
        poll.raws, poll.answered_at = raws, now

    def _received(self, message_id: str, receive_count: int, now: float) -> None:
        for consumer in self.consumers:
            # An answer may be on its way for longer than the visibility that it tells of.
            self._overtake(consumer, message_id)
            held = consumer.registry.get(message_id)
            if held is None:
                continue
            if held.stage is not Stage.RELEASING and message_id not in consumer.excused:
                copied = self.copies[message_id] > 0
                self.copies[message_id] -= copied
                assert copied or _at_the_limit(held, now), f"{message_id} was held, and its visibility ran out"
            self._excuse(consumer, message_id)
        assert self.causes[message_id] >= receive_count - 1, f"{message_id} was received again without a cause"

    def _overtake(self, consumer: Consumer, message_id: str) -> None:
        for poll in consumer.polls:
            if any(raw.id == message_id for raw in poll.raws or ()):
                poll.overtaken.add(message_id)
                self.causes[message_id] += 1

    def _arrive(self, consumer: Consumer, poll: Poll, *, fate: int) -> None:
        now = self.clock.monotonic()
        raws = poll.raws or []
        consumer.polls.remove(poll)
        if fate >= 6:
            self._blame(*(raw.id for raw in raws))
            error = refused_source() if fate == 7 and not raws else unavailable_source()
            consumer.clerk.receive_failed(poll.permit, error, now=now)
            return
        if fate == 5 and raws:
            raws[0] = changed(raws[0], body=b"", whole=False)
        late = now - poll.answered_at > self.timeout_seconds / 4
        unknown = {raw.id for raw in raws if consumer.registry.get(raw.id) is None}
        consumer.clerk.arrived(poll.permit, raws, now=now, received_ms=self.clock.now_ms())
        for raw in raws:
            consumer.seen.add(raw.id)
            consumer.excused.discard(raw.id)
            if late or raw.id not in unknown or raw.id in poll.overtaken:
                # Of two deliveries at once the older handle may be the one that arrived last.
                self._excuse(consumer, raw.id)
            elif consumer.registry.get(raw.id) is None:
                self._blame(raw.id)  # damaged, or behind a damaged one

    def _finish(self, consumer: Consumer, work: Work, started: float, *, fate: int) -> None:
        now = self.clock.monotonic()
        if self.out or fate == 8:
            self._fail(consumer, work, unavailable_source())
            return
        if work.call is Call.EXTEND and now > started:
            self._excuse(consumer, *(entry.message_id for entry in work.entries))
        if fate == 6 or (fate == 5 and work.call is not Call.DELETE):
            self._excuse(consumer, work.entries[0].message_id)
        failures = self._call(work, EntryFailure(0, "InternalError", fate == 6) if fate in (5, 6) else None)
        if fate == 9:
            self._fail(consumer, work, unavailable_source())
        else:
            newest = {held.message_id: held.receipt_handle for held in consumer.held()}
            consumer.clerk.work_answered(work, failures, started=started, now=now)
            if work.call is Call.DELETE:
                _nothing_forgotten(consumer, work, failures, newest)

    def _fail(self, consumer: Consumer, work: Work, error: SourceUnavailable | SourceRefused) -> None:
        if work.call is not Call.DELETE:
            self._excuse(consumer, *(entry.message_id for entry in work.entries))
        consumer.clerk.work_failed(work, error, now=self.clock.monotonic())

    def _call(self, work: Work, fault: EntryFailure | None = None) -> list[EntryFailure]:
        """Carry a batch call out, and look at what it did."""
        handles = [entry.receipt_handle for entry in work.entries]
        if work.call is Call.DELETE:
            for entry in work.entries:
                assert self.store.durable(entry.message_id), f"{entry.message_id} is deleted and not durable"
            if fault is not None:
                self.queue.fail_deletes(fault)
            return self.queue.delete_batch(handles)
        if fault is not None:
            self.queue.fail_visibility_changes(fault)
        changes = [VisibilityChange(entry.receipt_handle, entry.seconds) for entry in work.entries]
        failures = self.queue.change_visibility_batch(changes)
        if work.call is Call.RELEASE:
            self._blame(*(entry.message_id for entry in work.entries))
            early = self.clock.monotonic() < MAX_VISIBILITY_SECONDS / 2  # nothing was held for too long yet
            assert not early or {entry.seconds for entry in work.entries} <= {0, RELEASE_AFTER_SECONDS}
        return failures

    def _close(self, consumer: Consumer, choose: Choose) -> None:
        """As ``SqsSource.close`` does it."""
        consumer.clerk.begin_closing()
        for poll in list(consumer.polls):
            if poll.raws is not None and choose(4):
                self._arrive(consumer, poll, fate=0)
            else:
                self._arrive(consumer, poll, fate=6)
        assert consumer.clerk.permit(now=self.clock.monotonic()) is None
        consumer.clerk.release_unsettled(now=self.clock.monotonic())
        while consumer.works:
            self._finish(consumer, *consumer.works.pop(), fate=0)
        in_peace = choose(2) == 0
        for _ in range(100 if in_peace else choose(5)):
            work = consumer.clerk.next_work(now=self.clock.monotonic())
            if work is not None:
                self._finish(consumer, work, self.clock.monotonic(), fate=0 if in_peace else choose(10))
        if in_peace and not self.out:
            # A call that failed may wait for its next try yet; what nobody planned a call for may not be there.
            left = [held.message_id for held in consumer.registry.unsettled()]
            assert not left, f"{left} were neither deleted nor released at the end"

    def _bury(self, consumer: Consumer) -> None:
        """The process is gone, and with it all it knew; another begins."""
        self._blame(*consumer.left_behind())
        self.orphans += [work for work, _ in consumer.works]
        consumer.actor.kill()
        self.consumers[self.consumers.index(consumer)] = self._consumer()

    def _blame(self, *message_ids: str) -> None:
        """These may be received once more, for a good cause."""
        for message_id in message_ids:
            self.causes[message_id] += 1

    def _excuse(self, consumer: Consumer, *message_ids: str) -> None:
        self._blame(*message_ids)
        consumer.excused.update(message_ids)

    def _pass(self, seconds: float, choose: Choose = lambda _: 0) -> None:
        ends_at = self.clock.monotonic() + seconds
        while (now := self.clock.monotonic()) < ends_at:
            for consumer in self.consumers:
                self._do_what_is_due(consumer, choose)
            due = [at for consumer in self.consumers if (at := consumer.clerk.work_at()) is not None and at > now]
            self._advance(min(ends_at, *due, ends_at) - now)

    def _do_what_is_due(self, consumer: Consumer, choose: Choose) -> None:
        now = self.clock.monotonic()
        for hanging, _ in consumer.works:
            if hanging.call is Call.EXTEND:
                self._excuse(consumer, *(entry.message_id for entry in hanging.entries))
        if len(consumer.works) >= self.limits.deleters:  # all hang, and nobody is left to extend
            self._excuse(consumer, *(held.message_id for held in consumer.held()))
            return
        while (work := consumer.clerk.next_work(now=now)) is not None:
            self._finish(consumer, work, now, fate=choose(20))

    def _advance(self, seconds: float) -> None:
        """Time passes; polls whose wait is over are answered at its end."""
        ends_at = self.clock.monotonic() + seconds
        for consumer in self.consumers:
            for poll in list(consumer.polls):
                if poll.raws is None:
                    self._hand_out(consumer, poll)
                if poll.raws is None and poll.ends_at <= ends_at:
                    poll.raws, poll.answered_at = [], poll.ends_at
        self.clock.advance(max(0.0, ends_at - self.clock.monotonic()))


def _nothing_forgotten(consumer: Consumer, work: Work, failures: list[EntryFailure], newest: Mapping[str, str]) -> None:
    """What was not deleted after all is still to be deleted."""
    to_repeat = {work.entries[failure.position].message_id for failure in failures if not failure.sender_fault}
    to_repeat |= {
        one.message_id for one in work.entries if newest.get(one.message_id, "") not in ("", one.receipt_handle)
    }
    forgotten = [message_id for message_id in to_repeat if consumer.registry.get(message_id) is None]
    assert not forgotten, f"the delete of {forgotten} is not done, and is forgotten"


def _at_the_limit(held: Held, now: float) -> bool:
    return now >= held.received_at + MAX_VISIBILITY_SECONDS - 60


STEPS: tuple[Callable[[World, Choose], None], ...] = tuple(
    step
    for step, weight in (
        (World.poll, 14),
        (World.arrive, 14),
        (World.turn, 22),
        (World.begin_work, 12),
        (World.end_work, 12),
        (World.pass_time, 10),
        (World.send, 5),
        (World.fail_sink, 2),
        (World.duplicate, 2),
        (World.fail_queue, 1),
        (World.crash, 1),
        (World.stop, 1),
        (World.orphan, 1),
        (World.stand_still, 1),
        (World.pass_half_a_day, 1),
    )
    for _ in range(weight)
)
