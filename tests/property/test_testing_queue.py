"""The quick queue model gives what a slow one of a few lines gives, in every order Hypothesis can think of.

The slow one looks at every message at every step; its rules can be read off. Handles are compared by the delivery they
stand for.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sofetch.testing import FakeClock, OldHandles, QueueRules
from sofetch.testing.queue_model import Entry, QueueModel

MAX_RECEIVES = 3
MAX_IN_FLIGHT = 6


@dataclass(eq=False)
class Slow:
    """A message of the slow model: in flight from its receipt until ``visible_at``."""

    name: str
    group: str | None
    visible_at: float
    receives: int = 0
    received_at: float = 0.0
    received: bool = False
    copies: int = 0


class QueueAgainstSlowQueue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.dead: list[str] = []
        rules = QueueRules(max_receive_count=MAX_RECEIVES, max_in_flight=MAX_IN_FLIGHT, old_handles=OldHandles.IGNORED)
        self.model: QueueModel[None] = QueueModel(clock=self.clock, rules=rules, bury=self._bury)
        self.slow: list[Slow] = []
        self.slow_dead: list[str] = []
        self.deliveries: list[tuple[str, Slow, int]] = []
        self.number = 0

    def _bury(self, entry: Entry[None]) -> None:
        self.dead.append(entry.message_id)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def is_visible(self, slow: Slow) -> bool:
        return slow.visible_at <= self.now

    def in_flight(self) -> list[Slow]:
        return [slow for slow in self.slow if slow.received and not self.is_visible(slow)]

    @rule(group=st.sampled_from([None, None, "a", "b"]), delay=st.sampled_from([0, 0, 0, 5]))
    def send(self, group: str | None, delay: int) -> None:
        self.number += 1
        self.model.send(None, message_id=str(self.number), group_id=group, delay_seconds=delay)
        self.slow.append(Slow(str(self.number), group, self.now + delay))

    @rule(count=st.integers(1, 10), seconds=st.sampled_from([0, 5, 30]))
    def receive(self, count: int, seconds: int) -> None:
        got = self.model.receive(count, visibility_seconds=seconds)
        room = MAX_IN_FLIGHT - len(self.in_flight())
        expected = self._slow_receive(min(count, room), seconds)
        names = [entry.message_id for entry, _ in got]
        assert sorted(names) == sorted(slow.name for slow in expected)
        for group in ("a", "b"):
            assert [entry.message_id for entry, _ in got if entry.group_id == group] == [
                slow.name for slow in expected if slow.group == group
            ]
        for entry, handle in got:
            count_in_handle = int(handle.rpartition(".")[2])
            self.deliveries.append((handle, self._named(expected, entry.message_id), count_in_handle))

    def _slow_receive(self, count: int, seconds: int) -> list[Slow]:
        out: list[Slow] = []
        held = {slow.group for slow in self.in_flight()} - {None}
        for slow in list(self.slow):
            if slow.group is None:
                for _ in range(1 + slow.copies):
                    self._slow_hand_out(slow, out, count, seconds)
            elif slow.group not in held:
                held.add(slow.group)
                for one in [other for other in self.slow if other.group == slow.group]:
                    if not self.is_visible(one):
                        break  # delayed: those behind it wait
                    self._slow_hand_out(one, out, count, seconds)
        return out

    def _slow_hand_out(self, slow: Slow, out: list[Slow], count: int, seconds: int) -> None:
        if len(out) >= count or slow not in self.slow:
            return
        if not self.is_visible(slow) or slow in out:
            if not slow.copies:
                return
            slow.copies -= 1
        elif slow.receives >= MAX_RECEIVES:
            self.slow.remove(slow)
            self.slow_dead.append(slow.name)
            return
        slow.receives += 1
        slow.received = True
        slow.received_at, slow.visible_at = self.now, self.now + seconds
        out.append(slow)

    @staticmethod
    def _named(slows: list[Slow], name: str) -> Slow:
        return next(slow for slow in slows if slow.name == name)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        handle, slow, count = data.draw(st.sampled_from(self.deliveries))
        assert self.model.delete(handle) is None
        if slow in self.slow and slow.receives == count:
            self.slow.remove(slow)

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data(), seconds=st.sampled_from([0, 5, 43_195]))
    def change_visibility(self, data: st.DataObject, seconds: int) -> None:
        handle, slow, count = data.draw(st.sampled_from(self.deliveries))
        newest = slow in self.slow and slow.receives == count
        possible = newest and slow in self.in_flight() and self.now + seconds <= slow.received_at + 43_200
        assert (self.model.change_visibility(handle, seconds) is None) == possible
        if possible:
            slow.visible_at = self.now + seconds

    @precondition(lambda self: self.slow)
    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        slow = data.draw(st.sampled_from(self.slow))
        self.model.redeliver(slow.name)
        if not self.is_visible(slow):
            slow.visible_at = self.now

    @precondition(lambda self: self.slow)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        slow = data.draw(st.sampled_from(self.slow))
        self.model.duplicate(slow.name)
        if slow.group is None:
            slow.copies += 1
        elif not self.is_visible(slow):
            slow.visible_at = self.now

    @rule(seconds=st.sampled_from([1, 5, 30]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_counts_agree(self) -> None:
        visible = sum(map(self.is_visible, self.slow))
        in_flight = len(self.in_flight())
        assert self.model.counts() == (visible, in_flight, len(self.slow) - visible - in_flight)

    @invariant()
    def what_there_is_agrees(self) -> None:
        assert [entry.message_id for entry in self.model.entries()] == [slow.name for slow in self.slow]
        assert sorted(self.dead) == sorted(self.slow_dead)

    @invariant()
    def it_knows_whether_a_receive_would_bring_something(self) -> None:
        held = {slow.group for slow in self.in_flight()} - {None}
        heads: dict[str | None, Slow] = {}
        for slow in self.slow:
            heads.setdefault(slow.group or slow.name, slow)
        could = any(slow.copies or (self.is_visible(slow) and slow.group not in held) for slow in heads.values())
        assert self.model.anything_to_receive() == (could and len(self.in_flight()) < MAX_IN_FLIGHT)


TestQueueAgainstSlowQueue = QueueAgainstSlowQueue.TestCase
TestQueueAgainstSlowQueue.settings = settings(max_examples=100, stateful_step_count=40)
