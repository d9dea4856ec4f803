"""The SQS source with its threads, on a queue in memory that fails on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from sofetch.ack import Acknowledgement
from sofetch.clock import SystemClock
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.events import Event, Events, MessagesDamaged
from sofetch.record import Message
from sofetch.settings import SourceSettings
from sofetch.source.sqs import SqsSource
from sofetch.source.transport import EntryFailure, RawMessage, Transport
from sofetch.testing import MemoryQueue, refused_source, unavailable_source
from sources import Recording

_TRIES = 1_500
"""Only what fails needs them all. A machine that has other things to do needs more than one that has not."""


def settings(**changes: int) -> SourceSettings:
    return SourceSettings(queue="q", **{"wait_seconds": 20, **changes})  # type: ignore[arg-type]


@contextmanager
def running(transport: Transport, chosen: SourceSettings | None = None) -> Iterator[SqsSource]:
    source = SqsSource(chosen or settings(), transport=transport, clock=SystemClock())
    try:
        yield source
    finally:
        source.close(grace_seconds=5)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sofetch-")]


def receive(source: SqsSource, count: int) -> list[Message]:
    got: list[Message] = []
    for _ in range(_TRIES):
        got += source.receive(max_messages=100, max_bytes=1 << 24, wait_seconds=0.05)
        if len(got) >= count:
            return got
    raise AssertionError(f"{len(got)} of {count} messages came")


def eventually(condition: Callable[[], bool], source: SqsSource) -> None:
    """Wait for a thread of the source to do something, receiving nothing meanwhile."""
    for _ in range(_TRIES):
        if condition():
            return
        source.flush(timeout_seconds=0)
        threading.Event().wait(0.02)
    raise AssertionError("it never came to be")


def delete(source: SqsSource, messages: Sequence[Message]) -> None:
    source.acknowledge(Acknowledgement(delete=tuple(message.id for message in messages)))


def queue_of(count: int, *, visibility_timeout_seconds: int = 30) -> MemoryQueue:
    queue = MemoryQueue(clock=SystemClock(), visibility_timeout_seconds=visibility_timeout_seconds)
    queue.send_all(b"%d" % number for number in range(count))
    return queue


def test_failed_entries_of_a_delete_are_repeated_until_they_succeed() -> None:
    queue = queue_of(20)
    queue.fail_deletes(EntryFailure(3, "InternalError", False), EntryFailure(0, "InternalError", False))
    with running(queue) as source:
        delete(source, receive(source, 20))
        assert source.flush(timeout_seconds=10)
        assert queue.message_ids() == set()
        assert source.state().tally.failed_entries == 2


def test_a_throttled_or_failing_delete_loses_no_work() -> None:
    queue = queue_of(10)
    queue.fail_deletes(unavailable_source(), unavailable_source())
    with running(queue) as source:
        delete(source, receive(source, 10))
        assert source.flush(timeout_seconds=10)
        assert queue.message_ids() == set()


def test_refused_visibility_changes_do_not_stop_the_deletes() -> None:
    queue = queue_of(10, visibility_timeout_seconds=2)
    queue.fail_visibility_changes(*[EntryFailure(at, "AccessDenied", True) for at in range(10)])
    with running(queue) as source:
        messages = receive(source, 10)
        delete(source, messages)
        assert source.flush(timeout_seconds=10)
        assert queue.message_ids() == set()


@pytest.mark.slow
def test_trouble_is_told_after_three_failures_and_until_it_has_passed() -> None:
    queue = queue_of(1)
    queue.fail_receives(*[unavailable_source() for _ in range(3)])
    with running(queue) as source:
        with pytest.raises(SourceUnavailable):
            receive(source, 1)
        eventually(lambda: source.state().failed_receives_in_a_row == 0, source)
        assert len(receive(source, 1)) == 1


def test_one_failure_is_borne_in_silence() -> None:
    queue = queue_of(1)
    queue.fail_receives(unavailable_source())
    with running(queue) as source:
        assert len(receive(source, 1)) == 1


def test_one_refusal_may_pass_and_three_are_final() -> None:
    queue = queue_of(1)
    queue.fail_receives(refused_source())
    with running(queue) as source:
        assert len(receive(source, 1)) == 1
        queue.fail_receives(*[refused_source() for _ in range(3)])
        queue.send(b"x")
        with pytest.raises(SourceRefused):
            receive(source, 2)


@pytest.mark.slow
def test_a_queue_that_refuses_deletes_is_told_to_the_consumer() -> None:
    queue = queue_of(10)
    queue.fail_deletes(*[refused_source() for _ in range(50)])
    with running(queue) as source:
        delete(source, receive(source, 10))
        with pytest.raises(SourceRefused):
            receive(source, 1)


class Broken(Recording):
    def receive(self, **_: object) -> list[RawMessage]:
        raise KeyError("canary@example.org")


def test_a_broken_thread_is_told_and_nothing_of_its_error_is_shown() -> None:
    with running(Broken(queue_of(1))) as source:
        with pytest.raises(SourceRefused) as caught:
            receive(source, 1)
        assert caught.value.code == "source_broken"
        assert "KeyError" in str(caught.value)
        assert "canary" not in str(caught.value)


class Damaging(Recording):
    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        raws = super().receive(
            max_messages=max_messages, wait_seconds=wait_seconds, visibility_timeout_seconds=visibility_timeout_seconds
        )
        return [replace(raw, body=b"", whole=False) if raw.body == b"0" else raw for raw in raws]


def test_damaged_messages_are_told_by_their_number_and_not_given() -> None:
    told: list[Event] = []
    queue = queue_of(3)
    source = SqsSource(settings(), transport=Damaging(queue), clock=SystemClock(), events=Events(told.append))
    delete(source, receive(source, 2))
    assert source.flush(timeout_seconds=10)
    source.close(grace_seconds=5)
    assert told == [MessagesDamaged(count=1)]
    assert len(queue.message_ids()) == 1


class Measuring(Recording):
    """Notes the most that was ever held when a receive call began."""

    source: SqsSource
    most_messages = 0
    most_bytes = 0

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        state = self.source.state()
        self.most_messages = max(self.most_messages, state.held + max_messages)
        self.most_bytes = max(self.most_bytes, state.held_bytes)
        return super().receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )


def test_held_messages_stay_within_the_bound() -> None:
    transport = Measuring(queue_of(200))
    with running(transport, settings(max_in_flight=30)) as source:
        transport.source = source
        receive(source, 30)
        assert source.receive(max_messages=100, max_bytes=1 << 24, wait_seconds=0.1) == []
        assert source.state().held == 30
        assert transport.most_messages <= 30


def test_held_bytes_stay_within_the_bound() -> None:
    queue = MemoryQueue(clock=SystemClock())
    queue.send_all(b"x" * 100_000 for _ in range(60))
    transport = Measuring(queue)
    limit = 2_000_000
    with running(transport, settings(max_in_flight_bytes=limit)) as source:
        transport.source = source
        got = receive(source, 11)
        eventually(lambda: source.state().polling == 0, source)
        assert source.state().held_bytes <= limit
        delete(source, got)
        receive(source, 1)
        assert transport.most_bytes <= limit


def test_no_more_is_fetched_ahead_than_twice_what_is_asked_for() -> None:
    queue = queue_of(300)
    with running(queue) as source:
        assert source.receive(max_messages=10, max_bytes=1 << 24, wait_seconds=5)
        eventually(lambda: source.state().polling == 0, source)
        assert source.state().buffered <= 20 + 4 * 10


def test_an_idle_queue_is_asked_by_one_scout_in_a_long_poll() -> None:
    queue = queue_of(0)
    with running(queue) as source:
        for _ in range(_TRIES):
            source.receive(max_messages=10, max_bytes=1 << 24, wait_seconds=0.05)
            if queue.calls["receive"] == 2:  # the first was a short one
                break
        for _ in range(10):
            source.receive(max_messages=10, max_bytes=1 << 24, wait_seconds=0.05)
        assert source.state().polling == 1
        assert queue.calls["receive"] == 2


@pytest.mark.slow
def test_visibility_is_extended_while_a_message_is_held() -> None:
    queue = queue_of(1, visibility_timeout_seconds=6)  # half of it is for a machine that stands still for a moment
    with running(queue) as source:
        (message,) = receive(source, 1)
        eventually(lambda: source.state().tally.extended >= 2, source)
        assert queue.receive_count(message.id) == 1
        assert queue.visible_ids() == set()


def test_closing_with_no_grace_says_nothing_more_to_the_queue() -> None:
    queue = queue_of(5)
    source = SqsSource(settings(), transport=queue, clock=SystemClock())
    receive(source, 5)
    source.close(grace_seconds=0)
    assert len(queue.message_ids()) == 5


def test_closing_does_not_wait_for_a_queue_that_is_out() -> None:
    queue = queue_of(5)
    source = SqsSource(settings(), transport=queue, clock=SystemClock())
    messages = receive(source, 5)
    queue.fail_deletes(*[unavailable_source() for _ in range(1000)])  # first: a thread of the source deletes at once
    delete(source, messages)
    source.close(grace_seconds=1)
    assert len(queue.message_ids()) == 5


def test_fifo_messages_come_in_the_order_of_their_group() -> None:
    queue = MemoryQueue(clock=SystemClock())
    for number in range(30):
        queue.send(b"%d" % number, group_id=f"g{number % 3}")
    with running(queue) as source:
        messages = receive(source, 10)
        for _ in range(20):
            delete(source, messages[-100:])
            if len(messages) == 30:
                break
            messages += receive(source, 1)
        for group in ("g0", "g1", "g2"):
            numbers = [int(message.sequence_number or 0) for message in messages if message.group_id == group]
            assert numbers == sorted(numbers)
            assert len(numbers) == 10


def test_what_was_not_given_or_is_already_settled_is_not_touched_by_an_acknowledgement() -> None:
    queue = queue_of(30)
    with running(queue) as source:
        given = list(source.receive(max_messages=1, max_bytes=1, wait_seconds=5))
        eventually(lambda: source.state().buffered > 0, source)
        source.acknowledge(Acknowledgement(delete=tuple(queue.message_ids())))
        delete(source, given)
        source.acknowledge(Acknowledgement(release=(given[0].id,)))
        assert source.flush(timeout_seconds=10)
        assert len(queue.message_ids()) == 29
        assert source.state().tally.released == 0
