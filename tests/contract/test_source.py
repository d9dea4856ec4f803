"""What every ``ports.Source`` guarantees, on a fake and on real servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.ports import Source
from sofetch.record import Message
from sources import Bench

BODIES = [f'{{"user_id": "u{number}", "city": "Zürich"}}'.encode() for number in range(25)]
_TRIES = 600


@contextmanager
def opened(bench: Bench) -> Iterator[Source]:
    source = bench.open_source()
    try:
        yield source
    finally:
        source.close(grace_seconds=5)


def receive(source: Source, count: int) -> list[Message]:
    """Receive until ``count`` messages came, or until it is clear that they do not."""
    got: list[Message] = []
    for _ in range(_TRIES):
        got += source.receive(max_messages=100, max_bytes=1 << 20, wait_seconds=0.1)
        if len(got) >= count:
            break
    return got


def receive_sizes(source: Source, *, max_messages: int, max_bytes: int) -> list[int]:
    """The sizes of the batches in which all of ``BODIES`` come."""
    sizes: list[int] = []
    for _ in range(_TRIES):
        sizes.append(len(source.receive(max_messages=max_messages, max_bytes=max_bytes, wait_seconds=0.1)))
        if sum(sizes) == len(BODIES):
            break
    assert sum(sizes) == len(BODIES)
    return [size for size in sizes if size]


def drain(source: Source) -> bool:
    for _ in range(_TRIES):
        assert source.receive(max_messages=10, max_bytes=1 << 20, wait_seconds=0.1) == []
        if source.drained():
            return True
    return False


def ids(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message.id for message in messages)


def test_every_message_is_given_once_with_its_body_and_envelope(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        messages = receive(source, len(BODIES))
        assert sorted(message.body for message in messages) == sorted(BODIES)
        assert len(set(ids(messages))) == len(BODIES)
        first = messages[0]
        assert first.sent_ms is not None
        assert first.received_ms >= first.sent_ms - 1000
        assert first.receive_count == 1
        assert first.queue


def test_a_batch_keeps_to_the_number_of_messages_asked_for(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        sizes = receive_sizes(source, max_messages=4, max_bytes=1 << 20)
        assert max(sizes) == 4


def test_a_batch_keeps_to_the_bytes_asked_for_but_gives_one_message_at_least(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        assert set(receive_sizes(source, max_messages=10, max_bytes=1)) == {1}


def test_what_is_acknowledged_for_delete_is_gone(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        messages = receive(source, len(BODIES))
        source.acknowledge(Acknowledgement(delete=ids(messages)))
        assert source.flush(timeout_seconds=10)
        assert bench.remaining() == 0


def test_nothing_is_deleted_that_was_not_named(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        messages = receive(source, len(BODIES))
        source.acknowledge(Acknowledgement(delete=(*ids(messages[:5]), "never-seen")))
        assert source.flush(timeout_seconds=10)
    assert bench.remaining() == len(BODIES) - 5


def test_what_is_not_acknowledged_is_released_at_close_for_the_next(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        first = receive(source, len(BODIES))
    with opened(bench) as source:
        second = receive(source, len(BODIES))
    assert set(ids(second)) == set(ids(first))
    assert {message.receive_count for message in second} == {2}


def test_a_released_message_comes_again(bench: Bench) -> None:
    bench.send(BODIES[:1])
    with opened(bench) as source:
        (message,) = receive(source, 1)
        source.acknowledge(Acknowledgement(release=(message.id,)))
        (again,) = receive(source, 1)
    assert again.id == message.id
    # More, where it comes again before the release is answered: then it is released once more.
    assert again.receive_count >= 2


def test_a_second_delivery_of_a_held_message_is_not_given_and_its_handle_deletes(bench: Bench) -> None:
    bench.send(BODIES[:1])
    with opened(bench) as source:
        (message,) = receive(source, 1)
        bench.redeliver(message.id)
        for _ in range(5):
            assert source.receive(max_messages=10, max_bytes=1 << 20, wait_seconds=0.1) == []
        source.acknowledge(Acknowledgement(delete=(message.id,)))
        assert source.flush(timeout_seconds=10)
        assert bench.remaining() == 0


def test_drained_is_said_only_when_nothing_waits_and_nothing_is_held(bench: Bench) -> None:
    bench.send(BODIES[:3])
    with opened(bench) as source:
        messages = receive(source, 3)
        assert not source.drained()
        source.acknowledge(Acknowledgement(delete=ids(messages)))
        assert drain(source)


def test_an_empty_queue_is_drained(bench: Bench) -> None:
    with opened(bench) as source:
        assert drain(source)


def test_calls_are_counted_by_kind(bench: Bench) -> None:
    bench.send(BODIES[:3])
    with opened(bench) as source:
        assert source.calls() == Calls()
        messages = receive(source, 3)
        source.acknowledge(Acknowledgement(delete=ids(messages[:2]), release=ids(messages[2:])))
        assert source.flush(timeout_seconds=10)
        made = source.calls()
    assert made.receives - made.empty_receives >= 1
    assert made.deletes >= 1
    assert made.visibility_changes >= 1
    assert made.requests == made.total


def test_a_paused_source_begins_no_receive_call_until_it_is_resumed(bench: Bench) -> None:
    with opened(bench) as source:
        source.pause()
        source.pause()
        bench.send(BODIES)
        for _ in range(3):
            assert source.receive(max_messages=10, max_bytes=1 << 20, wait_seconds=0.1) == []
        source.resume()
        assert {message.receive_count for message in receive(source, len(BODIES))} == {1}


def test_a_paused_source_goes_on_acknowledging_what_it_gave(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        messages = receive(source, len(BODIES))
        source.pause()
        source.acknowledge(Acknowledgement(delete=ids(messages[5:]), release=ids(messages[:5])))
        assert source.flush(timeout_seconds=10)
        assert bench.remaining() == 5


def test_a_paused_source_gives_back_what_it_holds_when_it_is_closed(bench: Bench) -> None:
    bench.send(BODIES)
    with opened(bench) as source:
        receive(source, len(BODIES))
        source.pause()
    with opened(bench) as source:
        assert len(receive(source, len(BODIES))) == len(BODIES)


def test_close_ends_every_thread_and_may_be_called_again(bench: Bench) -> None:
    before = set(threading.enumerate())
    bench.send(BODIES)
    source = bench.open_source()
    receive(source, 1)
    source.close(grace_seconds=5)
    source.close(grace_seconds=5)
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("sofetch-")}
    assert source.receive(max_messages=1, max_bytes=1, wait_seconds=0) == []


def test_a_source_that_never_received_closes(bench: Bench) -> None:
    source = bench.open_source()
    with closing(_Closing(source)):
        assert source.flush(timeout_seconds=0)


class _Closing:
    def __init__(self, source: Source) -> None:
        self._source = source

    def close(self) -> None:
        self._source.close(grace_seconds=0)
