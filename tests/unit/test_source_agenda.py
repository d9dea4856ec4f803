"""What is called when: gathering, retries, extensions, and what answers mean. Time is a fake clock's."""

from __future__ import annotations

import random

import pytest

from sofetch.record import Message
from sofetch.source.agenda import Agenda, Call, Entry, Work
from sofetch.source.lane import LINGER_SECONDS
from sofetch.source.registry import Held, Registry
from sofetch.source.transport import MAX_VISIBILITY_SECONDS, EntryFailure, RawMessage
from sofetch.testing import FakeClock

STALE = EntryFailure(0, "ReceiptHandleIsInvalid", True)
BUSY = EntryFailure(0, "InternalError", False)


class World:
    """An agenda with messages that were given, and a clock."""

    def __init__(self, count: int, *, timeout_seconds: int = 30) -> None:
        self.clock = FakeClock()
        self.registry = Registry(max_messages=5_000, max_bytes=1 << 24)
        self.agenda = Agenda(self.registry, jitter=random.Random(1).random)
        self.agenda.set_timeout(timeout_seconds)
        self.held = [self._hold(f"m{number}", timeout_seconds) for number in range(count)]
        self.registry.give(max_messages=count, max_bytes=1 << 24)

    def _hold(self, message_id: str, timeout_seconds: int) -> Held:
        raw = RawMessage(id=message_id, receipt_handle=f"{message_id}-h1", body=b"x")
        held = self.registry.arrive(raw, received_at=0, visible_at=timeout_seconds)
        assert held is not None
        self.registry.buffer(Message(id=raw.id, body=raw.body, queue="q", sent_ms=None, received_ms=0))
        self.agenda.watch(held)
        return held

    def again(self, held: Held, handle: str) -> None:
        now = self.clock.monotonic()
        raw = RawMessage(id=held.message_id, receipt_handle=handle, body=b"x")
        assert self.registry.arrive(raw, received_at=now, visible_at=now + 30) is None
        self.agenda.watch(held)

    def delete_all(self) -> None:
        for held in self.held:
            self.agenda.delete(held, now=self.clock.monotonic())

    def work(self) -> Work | None:
        return self.agenda.next_work(now=self.clock.monotonic())

    def expect(self, call: Call) -> Work:
        work = self.work()
        assert work is not None
        assert work.call is call
        return work

    def answer(self, work: Work, *failures: EntryFailure) -> None:
        now = self.clock.monotonic()
        self.agenda.answered(work, failures, started=now, now=now)

    def advance_to_wake(self) -> None:
        at = self.agenda.wake_at()
        assert at is not None
        self.clock.advance(max(0.0, at - self.clock.monotonic()))


def test_deletes_go_in_tens_at_once_and_the_rest_after_a_moment() -> None:
    world = World(23)
    world.delete_all()
    assert [len(world.expect(Call.DELETE).entries) for _ in range(2)] == [10, 10]
    assert world.work() is None
    world.clock.advance(LINGER_SECONDS)
    assert len(world.expect(Call.DELETE).entries) == 3


def test_in_a_hurry_nothing_is_gathered() -> None:
    world = World(1)
    world.delete_all()
    assert world.work() is None
    world.agenda.hurry = True
    world.expect(Call.DELETE)


def test_a_delete_is_pending_until_it_is_answered() -> None:
    world = World(10)
    assert world.agenda.idle
    world.delete_all()
    assert not world.agenda.idle
    work = world.expect(Call.DELETE)
    assert not world.agenda.idle
    world.answer(work)
    assert world.agenda.idle
    assert len(world.registry) == 0


def test_a_failed_entry_of_an_answered_call_is_repeated_after_a_while_and_its_neighbours_are_done() -> None:
    world = World(10)
    world.delete_all()
    world.answer(world.expect(Call.DELETE), EntryFailure(4, "InternalError", False))
    assert len(world.registry) == 1
    assert world.work() is None
    world.clock.advance(2)
    world.agenda.hurry = True
    assert [entry.message_id for entry in world.expect(Call.DELETE).entries] == ["m4"]


def test_a_delete_is_repeated_for_ever_while_the_queue_is_out() -> None:
    world = World(10)
    world.delete_all()
    for _ in range(50):
        world.clock.advance(20)
        work = world.work()
        while work is not None and work.call is not Call.DELETE:
            world.answer(work)
            work = world.work()
        assert work is not None
        world.agenda.failed(work, now=world.clock.monotonic())
    assert len(world.registry) == 10
    assert world.agenda.tally.given_up == 0


def test_a_stale_handle_is_not_tried_for_ever() -> None:
    world = World(1)
    world.delete_all()
    world.agenda.hurry = True
    attempts = 0
    while not world.agenda.idle:
        world.clock.advance(2)
        work = world.work()
        if work is not None and work.call is Call.DELETE:
            attempts += 1
            world.answer(work, STALE)
        elif work is not None:
            world.answer(work)
    assert attempts == 3
    assert world.agenda.tally.given_up == 1
    assert len(world.registry) == 0


def test_a_delivery_that_comes_while_its_delete_is_under_way_is_deleted_again_by_its_newest_handle() -> None:
    world = World(1)
    world.delete_all()
    world.agenda.hurry = True
    work = world.expect(Call.DELETE)
    world.again(world.held[0], "m0-h2")
    world.answer(work)
    assert [entry.receipt_handle for entry in world.expect(Call.DELETE).entries] == ["m0-h2"]


def test_a_delivery_that_comes_before_a_retry_is_deleted_by_its_newest_handle() -> None:
    world = World(1)
    world.delete_all()
    world.agenda.hurry = True
    world.answer(world.expect(Call.DELETE), STALE)
    world.again(world.held[0], "m0-h2")
    world.clock.advance(5)
    assert [entry.receipt_handle for entry in world.expect(Call.DELETE).entries] == ["m0-h2"]


def test_visibility_is_extended_at_half_of_the_timeout_in_tens() -> None:
    world = World(25)
    assert world.work() is None
    assert world.agenda.wake_at() == 15
    world.clock.advance(15)
    works = [world.expect(Call.EXTEND) for _ in range(3)]
    assert [len(work.entries) for work in works] == [10, 10, 5]
    assert {entry.seconds for work in works for entry in work.entries} == {30}
    assert world.work() is None
    for work in works:
        world.answer(work)
    assert world.agenda.wake_at() == 30
    assert world.agenda.tally.extended == 25


def test_what_is_settled_long_before_its_extension_leaves_nothing_behind() -> None:
    """A timeout of hours would keep the ids of all that was loaded meanwhile."""
    world = World(0, timeout_seconds=43_200)
    for number in range(1_000):
        world.clock.advance(1)
        held = world._hold(f"m{number}", 43_200)
        held.visible_at += world.clock.monotonic()
        world.agenda.watch(held)
        world.registry.give(max_messages=1, max_bytes=1 << 24)
        world.agenda.delete(held, now=world.clock.monotonic())
        world.clock.advance(LINGER_SECONDS)
        world.answer(world.expect(Call.DELETE))
    assert world.agenda._due == {}
    assert len(world.agenda._due_times) < 100
    assert world.agenda.wake_at() is None


def test_extensions_go_before_deletes() -> None:
    world = World(20)
    for held in world.held[:10]:
        world.agenda.delete(held, now=0)
    world.clock.advance(15)
    world.expect(Call.EXTEND)


@pytest.mark.parametrize("timeout_seconds", [30, 3_600, MAX_VISIBILITY_SECONDS])
def test_a_message_is_held_for_almost_twelve_hours_and_then_given_back_with_a_delay(timeout_seconds: int) -> None:
    world = World(25, timeout_seconds=timeout_seconds)
    invisible_until = dict.fromkeys((held.message_id for held in world.held), float(timeout_seconds))
    for _ in range(20_000):
        if not len(world.registry):
            break
        world.advance_to_wake()
        assert world.clock.monotonic() <= min(invisible_until.values())
        if (work := world.work()) is not None:
            for entry in work.entries:
                invisible_until[entry.message_id] = world.clock.monotonic() + entry.seconds
                assert invisible_until[entry.message_id] <= MAX_VISIBILITY_SECONDS
            world.answer(work)
    assert (world.agenda.tally.given_back, world.agenda.tally.released, world.agenda.tally.lost) == (25, 25, 0)
    assert world.clock.monotonic() >= MAX_VISIBILITY_SECONDS - 1_200
    assert len(set(invisible_until.values())) > 20, "they come back at different times"


def test_what_was_not_given_yet_is_given_back_too_and_never_given() -> None:
    world = World(0)
    world.registry.buffer(Message(id="m0", body=b"x", queue="q", sent_ms=None, received_ms=0))
    raw = RawMessage(id="m0", receipt_handle="h", body=b"x")
    held = world.registry.arrive(raw, received_at=0, visible_at=43_000)
    assert held is not None
    world.agenda.watch(held)
    world.clock.advance(MAX_VISIBILITY_SECONDS - 1_100)
    world.agenda.hurry = True
    world.expect(Call.RELEASE)
    assert world.registry.give(max_messages=10, max_bytes=1 << 20) == []
    assert (world.registry.buffered_bytes, world.registry.held_bytes) == (0, 0)


def test_a_message_whose_outcome_is_durable_is_never_given_back() -> None:
    world = World(1, timeout_seconds=3_600)
    world.delete_all()
    while not world.held[0].lost and world.clock.monotonic() < 2 * MAX_VISIBILITY_SECONDS:
        world.clock.advance(60)
        for work in filter(None, (world.work(), world.work())):
            if work.call is Call.DELETE:
                world.agenda.failed(work, now=world.clock.monotonic())
            else:
                world.answer(work)
    assert world.clock.monotonic() > MAX_VISIBILITY_SECONDS - 120
    assert world.agenda.tally.given_back == 0
    assert not world.agenda.idle


def test_what_fails_when_it_is_given_back_is_tried_again_and_never_asks_for_more_than_sqs_allows() -> None:
    world = World(1, timeout_seconds=3_600)
    tries = 0
    while len(world.registry) and tries < 12:
        world.advance_to_wake()
        work = world.work()
        if work is not None and work.call is Call.RELEASE:
            tries += 1
            assert world.clock.monotonic() + work.entries[0].seconds <= MAX_VISIBILITY_SECONDS
            world.clock.advance(90)
            world.answer(work, BUSY)
        elif work is not None:
            world.answer(work)
    assert tries == 12


@pytest.mark.parametrize("call", [Call.DELETE, Call.RELEASE])
def test_while_one_kind_of_call_fails_no_deleter_makes_another_of_it_and_the_rest_go_on(call: Call) -> None:
    world = World(30)
    for held in world.held:
        if call is Call.DELETE:
            world.agenda.delete(held, now=0)
        else:
            world.agenda.release(held, seconds=0, now=0)
    world.agenda.failed(world.expect(call), now=0)
    world.agenda.rest(call, failures=3, now=0)
    assert world.work() is None
    wakes = world.agenda.wake_at()
    assert wakes is not None
    assert 0.5 <= wakes <= 1
    world.clock.advance(wakes)
    world.expect(call)


def test_extensions_rest_for_a_tenth_of_the_timeout_at_most() -> None:
    world = World(20)
    world.clock.advance(15)
    world.agenda.failed(world.expect(Call.EXTEND), now=15)
    world.agenda.rest(Call.EXTEND, failures=20, now=15)
    assert world.work() is None
    assert world.agenda.wake_at() == 18
    world.clock.advance(3)
    world.expect(Call.EXTEND)


@pytest.mark.parametrize("failure", [STALE, BUSY])
def test_a_message_that_could_not_be_extended_is_lost_and_still_deleted(failure: EntryFailure) -> None:
    world = World(1)
    while not world.held[0].lost:
        world.advance_to_wake()
        world.answer(world.expect(Call.EXTEND), failure)
    assert world.agenda.wake_at() is None
    world.delete_all()
    world.agenda.hurry = True
    world.expect(Call.DELETE)


def test_a_failed_extension_is_repeated_while_there_is_time() -> None:
    world = World(1)
    world.advance_to_wake()
    world.agenda.failed(world.expect(Call.EXTEND), now=world.clock.monotonic())
    world.advance_to_wake()
    assert world.clock.monotonic() < 20
    world.answer(world.expect(Call.EXTEND))
    assert world.held[0].visible_at == pytest.approx(world.clock.monotonic() + 30)
    assert not world.held[0].lost


def test_a_release_sets_visibility_and_remembers_when_the_message_is_back() -> None:
    world = World(1)
    world.agenda.release(world.held[0], seconds=7, now=0)
    world.agenda.hurry = True
    work = world.expect(Call.RELEASE)
    assert work.entries == (Entry("m0", "m0-h1", 7),)
    world.answer(work)
    assert world.agenda.released_until == 7
    assert len(world.registry) == 0


def test_a_release_that_fails_until_the_message_is_visible_anyway_is_dropped() -> None:
    world = World(1)
    world.agenda.release(world.held[0], seconds=0, now=0)
    world.agenda.hurry = True
    while not world.agenda.idle:
        world.advance_to_wake()
        work = world.work()
        if work is not None:
            world.answer(work, BUSY)
    assert world.clock.monotonic() >= 30
    assert len(world.registry) == 0
