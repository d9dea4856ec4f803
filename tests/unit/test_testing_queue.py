"""The queue in memory keeps SQS's rules, one by one, and does to a call what a test planned."""

from __future__ import annotations

import pytest

from sofetch.errors import SofetchError, SourceUnavailable
from sofetch.source.transport import EntryFailure, RawMessage, VisibilityChange
from sofetch.testing import (
    FakeClock,
    LostAnswer,
    LostDelete,
    MemoryQueue,
    OldHandles,
    QueueRules,
    seeded_ids,
    unavailable_source,
)
from sofetch.testing.queue_model import QueueModel
from sofetch.testing.queue_rules import Counts

HOUR = 3600


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def take(queue: MemoryQueue, count: int = 10, *, seconds: float = 30) -> list[RawMessage]:
    return queue.receive(max_messages=count, wait_seconds=0, visibility_timeout_seconds=seconds)


def bodies(raws: list[RawMessage]) -> list[bytes]:
    return [raw.body for raw in raws]


def codes(failures: list[EntryFailure]) -> list[tuple[int, str, bool]]:
    return [(failure.position, failure.code, failure.sender_fault) for failure in failures]


def change(raw: RawMessage, seconds: int) -> list[VisibilityChange]:
    return [VisibilityChange(raw.receipt_handle, seconds)]


# Visibility and delays


def test_messages_come_in_the_order_of_sending_also_after_they_came_back(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send_all([b"1", b"2", b"3"])
    take(queue, 2)
    clock.advance(30)
    assert bodies(take(queue)) == [b"1", b"2", b"3"]


def test_a_delayed_message_is_invisible_for_its_delay_and_the_queues_delay_is_the_default(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, rules=QueueRules(delay_seconds=5))
    queue.send(b"late")
    queue.send(b"now", delay_seconds=0)
    assert bodies(take(queue)) == [b"now"]
    assert queue.counts() == Counts(visible=0, in_flight=1, delayed=1)
    clock.advance(5)
    assert bodies(take(queue)) == [b"late"]


def test_a_changed_visibility_counts_from_the_change(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    (raw,) = take(queue)
    clock.advance(20)
    assert queue.change_visibility_batch(change(raw, 30)) == []
    clock.advance(29)
    assert take(queue) == []
    clock.advance(1)
    assert len(take(queue)) == 1


def test_a_visibility_of_zero_makes_a_message_visible_at_once(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    (raw,) = take(queue)
    assert queue.change_visibility_batch(change(raw, 0)) == []
    assert [again.receive_count for again in take(queue)] == [2]


def test_no_message_stays_invisible_for_more_than_twelve_hours_from_its_receipt(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    (raw,) = take(queue, seconds=11 * HOUR)
    clock.advance(10 * HOUR)
    assert codes(queue.change_visibility_batch(change(raw, 2 * HOUR + 1))) == [(0, "InvalidParameterValue", True)]
    assert queue.change_visibility_batch(change(raw, 2 * HOUR)) == []
    clock.advance(2 * HOUR)
    (again,) = take(queue)
    assert queue.change_visibility_batch(change(again, 12 * HOUR)) == []


def test_the_visibility_of_a_message_not_in_flight_cannot_be_changed(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    (raw,) = take(queue, seconds=1)
    clock.advance(1)
    assert codes(queue.change_visibility_batch(change(raw, 9))) == [(0, "InvalidParameterValue", True)]
    assert queue.counts().visible == 1


# Receipt handles


def test_a_handle_that_never_was_is_refused(clock: FakeClock) -> None:
    for old_handles in OldHandles:
        queue, other = (
            MemoryQueue(clock=clock, name=name, rules=QueueRules(old_handles=old_handles)) for name in ("a", "b")
        )
        queue.send(b"x")
        other.send(b"x")
        (raw,) = take(other)
        made_up = ["", "a:", "a:1", "a:x.y", "a:0.0", raw.receipt_handle]
        assert {code for _, code, _ in codes(queue.delete_batch(made_up))} == {"ReceiptHandleIsInvalid"}
        assert queue.counts() == Counts(1, 0, 0)


@pytest.mark.parametrize(
    ("old_handles", "answer", "left"),
    [
        (OldHandles.REFUSED, [(0, "ReceiptHandleIsInvalid", True)], 1),
        (OldHandles.IGNORED, [], 1),
        (OldHandles.DELETES, [], 0),
    ],
)
def test_an_old_handle_is_refused_ignored_or_good_as_the_rules_say(
    clock: FakeClock, old_handles: OldHandles, answer: list[tuple[int, str, bool]], left: int
) -> None:
    queue = MemoryQueue(clock=clock, rules=QueueRules(old_handles=old_handles))
    queue.send(b"x")
    (old,) = take(queue, seconds=0)
    take(queue)
    assert codes(queue.delete_batch([old.receipt_handle])) == answer
    assert len(queue.message_ids()) == left


def test_the_newest_handle_deletes_even_after_its_time(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    (raw,) = take(queue, seconds=1)
    clock.advance(1)
    assert queue.delete_batch([raw.receipt_handle]) == []
    assert queue.message_ids() == set()


def test_a_second_delete_succeeds_as_sqs_has_it(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, rules=QueueRules(old_handles=OldHandles.IGNORED))
    queue.send(b"x")
    (raw,) = take(queue)
    assert [queue.delete_batch([raw.receipt_handle]) for _ in range(2)] == [[], []]


def test_a_fifo_queue_refuses_a_handle_that_has_expired(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo", rules=QueueRules(old_handles=OldHandles.IGNORED))
    queue.send(b"x", group_id="g")
    (raw,) = take(queue, seconds=1)
    clock.advance(1)
    assert codes(queue.delete_batch([raw.receipt_handle])) == [(0, "InvalidParameterValue", True)]
    assert len(queue.message_ids()) == 1


# The in-flight limit


def test_a_short_poll_of_a_standard_queue_past_its_limit_is_answered_over_limit(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, rules=QueueRules(max_in_flight=3))
    queue.send_all([b"x"] * 5)
    held = take(queue)
    assert len(held) == 3
    with pytest.raises(SourceUnavailable, match="OverLimit"):
        take(queue)
    assert queue.receive(max_messages=10, wait_seconds=0.001, visibility_timeout_seconds=30) == []
    queue.delete_batch([held[0].receipt_handle])
    assert len(take(queue)) == 1


def test_a_fifo_queue_past_its_limit_gives_nothing_and_says_nothing(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo", rules=QueueRules(max_in_flight=1))
    queue.send(b"1", group_id="a")
    queue.send(b"2", group_id="b")
    assert (len(take(queue)), len(take(queue))) == (1, 0)


# FIFO groups


def fifo(clock: FakeClock, *groups: str) -> MemoryQueue:
    queue = MemoryQueue(clock=clock, name="q.fifo")
    for number, group in enumerate(groups):
        queue.send(b"%d" % number, group_id=group)
    return queue


def test_one_receive_brings_a_run_of_a_group_in_order_and_the_rest_waits_for_all_of_it(clock: FakeClock) -> None:
    queue = fifo(clock, *["g"] * 4)
    first = take(queue, 2)
    assert bodies(first) == [b"0", b"1"]
    queue.delete_batch([first[1].receipt_handle])
    assert take(queue) == []
    queue.delete_batch([first[0].receipt_handle])
    assert bodies(take(queue)) == [b"2", b"3"]


def test_a_failed_message_comes_again_before_those_behind_it_and_holds_no_other_group(clock: FakeClock) -> None:
    queue = fifo(clock, "g", "g", "h", "g")
    first = take(queue, 1)
    assert bodies(take(queue)) == [b"2"]
    queue.change_visibility_batch(change(first[0], 0))
    assert bodies(take(queue)) == [b"0", b"1", b"3"]


def test_a_group_goes_on_behind_a_message_that_was_buried(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo", rules=QueueRules(max_receive_count=1))
    ids = [queue.send(b"%d" % number, group_id="g") for number in range(3)]
    take(queue, 1, seconds=1)
    clock.advance(1)
    assert bodies(take(queue)) == [b"1", b"2"]
    assert queue.dead_letters == ids[:1]


def test_a_group_that_went_on_behind_a_buried_message_is_found_again(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo", rules=QueueRules(max_receive_count=1))
    queue.send(b"1", group_id="g")
    take(queue, seconds=0)
    second = queue.send(b"2", group_id="g")
    queue.send(b"3", group_id="g")
    assert bodies(take(queue, 1)) == [b"2"]
    assert take(queue) == []
    queue.redeliver(second)
    assert bodies(take(queue)) == [b"3"]
    assert len(queue.dead_letters) == 2


def test_a_delayed_message_holds_up_its_group(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo")
    queue.send(b"1", group_id="g", delay_seconds=5)
    queue.send(b"2", group_id="g")
    assert take(queue) == []
    clock.advance(5)
    assert bodies(take(queue)) == [b"1", b"2"]


def test_in_a_standard_queue_a_group_orders_nothing(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, rules=QueueRules(fifo=False))
    queue.send(b"1", group_id="g")
    queue.send(b"2", group_id="g")
    assert (bodies(take(queue, 1)), bodies(take(queue, 1))) == ([b"1"], [b"2"])


def test_sequence_numbers_grow_and_sort_as_text(clock: FakeClock) -> None:
    numbers = [raw.sequence_number or "" for raw in take(fifo(clock, "a", "b", "a"))]
    assert len(set(numbers)) == 3
    assert {len(number) for number in numbers} == {20}


def test_a_deduplication_id_is_good_for_five_minutes_whatever_became_of_the_message(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock, name="q.fifo")
    first = queue.send(b"x", group_id="g", deduplication_id="d")
    queue.delete_batch([take(queue)[0].receipt_handle])
    clock.advance(299)
    assert queue.send(b"x", group_id="g", deduplication_id="d") == first
    assert queue.message_ids() == set()
    clock.advance(1)
    assert queue.send(b"x", group_id="g", deduplication_id="d") != first
    assert len(take(queue)) == 1


# Dead letters


def test_a_dead_letter_keeps_its_id_and_a_redrive_gives_it_a_new_one(clock: FakeClock) -> None:
    dead = MemoryQueue(clock=clock, name="dead")
    queue = MemoryQueue(clock=clock, max_receive_count=1, dead_letter_queue=dead)
    sent = queue.send(b"x", attributes={"a": "1"})
    take(queue)
    clock.advance(30)
    assert take(queue) == []
    assert (queue.dead_letters, dead.message_ids()) == ([sent], {sent})
    moved = dead.redrive_to(queue)
    (raw,) = take(queue)
    assert raw.id == moved[sent] != sent
    assert (raw.body, raw.attributes, raw.receive_count) == (b"x", {"a": "1"}, 1)
    assert dead.message_ids() == set()


# Faults


def test_a_duplicate_comes_while_the_first_delivery_is_in_flight(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    sent = queue.send(b"x")
    (first,) = take(queue)
    queue.duplicate(sent)
    (second,) = take(queue)
    assert (second.id, second.receive_count) == (sent, 2)
    assert second.receipt_handle != first.receipt_handle
    assert queue.counts() == Counts(0, 1, 0)
    assert take(queue) == []
    assert queue.delete_batch([second.receipt_handle]) == []


def test_both_copies_of_a_message_may_come_in_one_answer(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    sent = queue.send(b"x")
    queue.duplicate(sent)
    assert [raw.id for raw in take(queue)] == [sent, sent]
    assert queue.counts() == Counts(0, 1, 0)


def test_a_copy_of_a_deleted_message_does_not_come(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.duplicate(queue.send(b"x"))
    (raw,) = take(queue, 1)
    queue.delete_batch([raw.receipt_handle])
    assert take(queue) == []


def test_a_lost_delete_is_answered_well_and_the_message_comes_again_in_its_time(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send_all([b"1", b"2"])
    queue.fail_deletes(LostDelete(1))
    assert queue.delete_batch([raw.receipt_handle for raw in take(queue)]) == []
    assert take(queue) == []
    clock.advance(30)
    assert bodies(take(queue)) == [b"2"]


def test_several_entries_of_one_call_may_fail(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send_all([b"1", b"2", b"3"])
    queue.fail_deletes((EntryFailure(0, "InternalError", False), LostDelete(1)))
    raws = take(queue)
    assert codes(queue.delete_batch([raw.receipt_handle for raw in raws])) == [(0, "InternalError", False)]
    assert queue.message_ids() == {raws[0].id, raws[1].id}


def test_a_call_whose_answer_is_lost_has_done_its_work(clock: FakeClock) -> None:
    queue = MemoryQueue(clock=clock)
    queue.send_all([b"1", b"2"])
    lost = LostAnswer(unavailable_source())
    queue.fail_receives(lost)
    with pytest.raises(SofetchError):
        take(queue, 1)
    assert queue.counts() == Counts(1, 1, 0)
    (raw,) = take(queue)
    queue.fail_visibility_changes(lost)
    with pytest.raises(SofetchError):
        queue.change_visibility_batch(change(raw, 0))
    assert queue.counts() == Counts(1, 1, 0)
    queue.fail_deletes(lost)
    with pytest.raises(SofetchError):
        queue.delete_batch([raw.receipt_handle])
    assert queue.message_ids() != {raw.id}


# The same again


def test_the_same_seed_gives_the_same_ids_handles_and_order() -> None:
    def run(seed: int) -> list[tuple[str, str, bytes]]:
        queue = MemoryQueue(clock=FakeClock(), seed=seed, disorder=8)
        queue.send_all(b"%d" % number for number in range(20))
        return [(raw.id, raw.receipt_handle, raw.body) for _ in range(2) for raw in take(queue)]

    assert run(1) == run(1)
    assert [body for *_, body in run(1)] != sorted((body for *_, body in run(1)), key=int)
    assert {body for *_, body in run(1)} == {b"%d" % number for number in range(20)}
    assert run(1) != run(2)


def test_made_up_ids_look_like_sqss() -> None:
    new_id = seeded_ids(7)
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert {tuple(map(len, it.split("-"))) for it in ids} == {(8, 4, 4, 4, 12)}


def test_times_that_are_no_ones_any_more_do_not_pile_up(clock: FakeClock) -> None:
    model: QueueModel[None] = QueueModel(clock=clock)
    for number in range(1_000):
        model.send(None, message_id=str(number))
        ((_, handle),) = model.receive(1, visibility_seconds=30)
        assert model.delete(handle) is None
    assert len(model._timers) < 100
