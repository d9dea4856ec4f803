"""The in-memory ports that users' tests stand on behave like what they stand for."""

from __future__ import annotations

import pytest

from sofetch.errors import SinkUnavailable
from sofetch.record import Duplicate, Loaded, MaskedRecord, Reason, Refused, Rejected, SealedRejection
from sofetch.source.transport import VisibilityChange
from sofetch.testing import FakeClock, MemoryQueue, MemorySink, unavailable_source

KEYS = [bytes([number]) * 16 for number in range(3)]


def row(number: int, *, message_id: str | None = None) -> MaskedRecord:
    return MaskedRecord(message_id or f"m{number}", KEYS[number], (number,))


def rejection(number: int) -> SealedRejection:
    return SealedRejection(
        message_id=f"m{number}",
        key=KEYS[number],
        reason=Reason.NOT_JSON,
        field=None,
        sent_ms=None,
        receive_count=1,
        kid="k1",
        sealed_body=b"",
    )


def receive(queue: MemoryQueue, count: int = 10) -> list[str]:
    raws = queue.receive(max_messages=count, wait_seconds=0, visibility_timeout_seconds=30)
    return [raw.id for raw in raws]


def test_a_fake_clock_moves_only_when_told_and_never_back() -> None:
    clock = FakeClock(now_ms=1_000)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.now_ms()) == (1.5, 2_500)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_a_received_message_is_invisible_until_its_timeout_and_counts_its_receives() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock=clock)
    message_id = queue.send(b"x")
    assert receive(queue) == [message_id]
    assert receive(queue) == []
    clock.advance(30)
    assert receive(queue) == [message_id]
    assert queue.receive_count(message_id) == 2


def test_only_the_newest_receipt_handle_works() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock=clock)
    queue.send(b"x")
    handles = []
    for _ in range(2):
        (raw,) = queue.receive(max_messages=1, wait_seconds=0, visibility_timeout_seconds=1)
        handles.append(raw.receipt_handle)
        clock.advance(1)
    assert [failure.code for failure in queue.delete_batch(handles)] == ["ReceiptHandleIsInvalid"]
    assert queue.message_ids() == set()
    assert queue.change_visibility_batch([VisibilityChange(handles[1], 0)])


def test_a_message_received_too_often_goes_to_the_dead_letters() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock=clock, max_receive_count=2)
    message_id = queue.send(b"x")
    for _ in range(3):
        receive(queue)
        clock.advance(30)
    assert queue.dead_letters == [message_id]
    assert queue.message_ids() == set()


def test_a_group_waits_while_one_of_its_messages_is_in_flight() -> None:
    queue = MemoryQueue(clock=FakeClock())
    first = queue.send(b"1", group_id="g")
    queue.send(b"2", group_id="g")
    other = queue.send(b"3", group_id="h")
    assert receive(queue, 1) == [first]
    assert receive(queue) == [other]


def test_planned_faults_are_used_up_one_by_one() -> None:
    queue = MemoryQueue(clock=FakeClock())
    queue.send(b"x")
    error = unavailable_source()
    queue.fail_receives(error)
    with pytest.raises(type(error)):
        receive(queue)
    assert len(receive(queue)) == 1


def test_each_key_ends_in_exactly_one_of_row_and_quarantine() -> None:
    sink = MemorySink()
    assert sink.load([row(0), row(0, message_id="again")], [rejection(1)]) == [
        Loaded("m0"),
        Duplicate("again"),
        Rejected("m1", Reason.NOT_JSON),
    ]
    assert sink.load([row(1)], [rejection(0)]) == [Duplicate("m1"), Duplicate("m0")]
    assert (set(sink.rows), set(sink.quarantine)) == ({KEYS[0]}, {KEYS[1]})


def test_a_refused_row_leaves_its_key_free_for_quarantine() -> None:
    sink = MemorySink()
    sink.refuse("m0", Reason.CHECK_VIOLATION)
    assert sink.load([row(0), row(1)], []) == [Refused("m0", Reason.CHECK_VIOLATION), Loaded("m1")]
    assert sink.load([], [rejection(0)]) == [Rejected("m0", Reason.NOT_JSON)]


def test_a_load_that_fails_commits_nothing_or_all_and_a_retry_is_safe() -> None:
    sink = MemorySink()
    sink.fail_before_commit()
    sink.fail_after_commit()
    for rows in (0, 1):
        with pytest.raises(SinkUnavailable):
            sink.load([row(0)], [])
        assert len(sink.rows) == rows
    assert sink.load([row(0)], []) == [Duplicate("m0")]
