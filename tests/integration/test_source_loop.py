"""The thread that makes all calls that go well: what it does with one that does not, and with many at once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from scripted import Answer, Scripted, plain, scripted
from sofetch.ack import Acknowledgement
from sofetch.clock import SystemClock
from sofetch.settings import SourceSettings
from sofetch.source.fast import FastTransport
from sofetch.source.opening import open_transport
from sofetch.source.sqs import SqsSource

EMPTY = plain(b"{}")
DELETED = plain(json.dumps({"Successful": [{"Id": "0"}], "Failed": []}).encode())


def one_message(number: int) -> Answer:
    md5 = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
    message = {"MessageId": f"m{number}", "ReceiptHandle": f"h{number}", "Body": "x", "MD5OfBody": md5}
    return plain(json.dumps({"Messages": [message]}).encode())


@contextmanager
def opened(server: Scripted, *, answer_seconds: float | None = None) -> Iterator[SqsSource]:
    settings = SourceSettings(
        queue=f"{server.url}/000000000000/q",
        endpoint=server.url,
        transport="fast",
        wait_seconds=1,
        receivers=2,
        deleters=2,
        visibility_timeout_seconds=600,
    )
    transport = open_transport(settings, clock=SystemClock())
    assert isinstance(transport, FastTransport)
    if answer_seconds is not None:
        transport._polls.answer_seconds = transport._calls.answer_seconds = answer_seconds
    source = SqsSource(settings, transport=transport, clock=SystemClock())
    try:
        yield source
    finally:
        source.close(grace_seconds=0)


def by_boto3(server: Scripted) -> int:
    heads = [head for head in server.heads if b".ReceiveMessage" in head or b".DeleteMessageBatch" in head]
    return sum(b"amz-sdk-request" in head for head in heads)


def receive(source: SqsSource, wanted: int) -> list[str]:
    got: list[str] = []
    for _ in range(1_500):
        got += [message.id for message in source.receive(max_messages=10, max_bytes=1 << 20, wait_seconds=0.05)]
        if len(got) >= wanted:
            break
    return got


def answers(receives: Callable[[int], Answer], deletes: Callable[[int], Answer]) -> Callable[[str], Answer]:
    """What the n-th call of either kind is answered."""
    received, deleted = count(), count()
    return lambda name: receives(next(received)) if name == "ReceiveMessage" else deletes(next(deleted))


def test_after_the_first_call_all_are_made_over_open_connections_by_one_thread() -> None:
    with scripted(answers(one_message, lambda _: DELETED)) as server, opened(server) as source:
        for _ in range(30):
            got = receive(source, 1)
            source.acknowledge(Acknowledgement(delete=tuple(got)))
            assert source.flush(timeout_seconds=10)
        assert by_boto3(server) == 0
        assert server.connected <= 4
        calls = source.calls()
        assert (calls.deletes, calls.receives) == (server.seen["DeleteMessageBatch"], server.seen["ReceiveMessage"])


@pytest.mark.parametrize(
    "trouble",
    {
        "silence": Answer(b"", "hold"),
        "an end": Answer(b"", "close"),
        "a reset": Answer(b"", "reset"),
        "an end in the middle": Answer(one_message(1).sent[:-5], "close"),
        "silence in the middle": Answer(one_message(1).sent[:-5], "hold"),
        "another status": plain(b"{}", status="500 Oops"),
        "no JSON": plain(b"{"),
    }.items(),
    ids=lambda it: it[0],
)
def test_a_call_without_an_answer_is_made_by_boto3_and_the_others_go_on(trouble: tuple[str, Answer]) -> None:
    def receives(number: int) -> Answer:
        return trouble[1] if number == 3 else one_message(number)

    def deletes(number: int) -> Answer:
        return trouble[1] if number == 3 else DELETED

    with scripted(answers(receives, deletes)) as server, opened(server, answer_seconds=0.3) as source:
        settled: list[str] = []
        while len(settled) < 12:
            got = receive(source, 1)
            assert got
            for message_id in got:
                source.acknowledge(Acknowledgement(delete=(message_id,)))
                assert source.flush(timeout_seconds=20)
            settled += got
        assert len(set(settled)) == len(settled)
        assert by_boto3(server) >= 2, "both calls are made again"
        assert source.state().tally.deleted == len(settled)


def test_closing_ends_the_long_polls_and_every_thread() -> None:
    def receives(number: int) -> Answer:
        return one_message(number) if number < 2 else Answer(b"", "hold")

    with scripted(answers(receives, lambda _: DELETED)) as server:
        with opened(server) as source:
            receive(source, 2)
            assert server.waiting.acquire(timeout=10)
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("sofetch-")]


def test_an_idle_connection_that_the_server_ends_costs_no_call() -> None:
    silent = threading.Event()
    with (
        scripted(answers(lambda n: EMPTY if silent.is_set() else one_message(n), lambda _: DELETED)) as server,
        opened(server) as source,
    ):
        for _ in range(5):
            got = receive(source, 1)
            source.acknowledge(Acknowledgement(delete=tuple(got)))
            assert source.flush(timeout_seconds=10)
            source.pause()
            server.hang_up()
            source.resume()
        assert source.state().tally.deleted >= 5
