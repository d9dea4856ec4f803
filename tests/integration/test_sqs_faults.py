"""The source against a real server behind a proxy that makes SQS's bad days, by boto3 and by the fast path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Literal

import pytest

from faults.http_faults import BATCH_ONLY
from faults.http_proxy import HttpProxy, http_proxy
from sofetch.ack import Acknowledgement
from sofetch.clock import SystemClock
from sofetch.errors import SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source import open_source
from sofetch.source.control import QueueControl
from sofetch.source.sqs import SqsSource

pytestmark = pytest.mark.slow
TransportName = Literal["fast", "boto3"]
_TRIES = 1_200


@pytest.fixture
def proxy(queue_endpoint: str) -> Iterator[HttpProxy]:
    with http_proxy(queue_endpoint) as server:
        yield server


@pytest.fixture(params=["boto3", "fast"])
def transport(request: pytest.FixtureRequest) -> TransportName:
    """Every fault is borne by both."""
    name: TransportName = request.param
    return name


@pytest.fixture
def control(queue_endpoint: str, queue_name: str) -> Iterator[QueueControl]:
    with QueueControl.open(SourceSettings(queue=queue_name, endpoint=queue_endpoint)) as control:
        yield control


def remaining(control: QueueControl) -> int:
    counts = control.attributes()
    return counts.visible + counts.in_flight + counts.delayed


def move_all(source: SqsSource, count: int) -> set[str]:
    """Receive and delete until all is done."""
    got: set[str] = set()
    for _ in range(_TRIES):
        try:
            batch = source.receive(max_messages=20, max_bytes=1 << 20, wait_seconds=0.05)
        except SourceUnavailable:
            continue
        got |= {message.id for message in batch}
        source.acknowledge(Acknowledgement(delete=tuple(message.id for message in batch)))
        if len(got) >= count:
            break
    assert source.flush(timeout_seconds=30)
    return got


@pytest.mark.parametrize(
    "fault",
    ["500", "503", "throttled", "truncated", "reset", "wrong type", "garbage", "lost answer", "empty", *BATCH_ONLY],
)
def test_deletes_survive(fault: str, proxy: HttpProxy, control: QueueControl, transport: TransportName) -> None:
    control.send([b"x"] * 20)
    source = open_source(
        SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1), clock=SystemClock()
    )
    try:
        assert len(move_all(source, 20)) == 20  # over connections that are open from then on
        proxy.plan("DeleteMessageBatch", *[fault] * 4)
        control.send([b"x"] * 20)
        assert len(move_all(source, 20)) == 20
        assert remaining(control) == 0
        assert proxy.planned("DeleteMessageBatch") == []
    finally:
        source.close(grace_seconds=5)


@pytest.mark.parametrize(
    "fault",
    ["500", "503", "throttled", "skewed clock", "reset", "wrong type", "garbage", "empty"],
)
def test_receives_survive(fault: str, proxy: HttpProxy, control: QueueControl, transport: TransportName) -> None:
    control.send([b"x"] * 20)
    source = open_source(
        SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1), clock=SystemClock()
    )
    try:
        assert len(move_all(source, 20)) == 20  # over connections that are open from then on
        proxy.plan("ReceiveMessage", *[fault] * 4)
        control.send([b"x"] * 20)
        assert len(move_all(source, 20)) == 20
        assert remaining(control) == 0
    finally:
        source.close(grace_seconds=5)


@pytest.mark.parametrize("fault", ["truncated", "lost answer", "corrupted"])
def test_messages_of_an_answer_that_was_lost_come_again_and_nothing_is_deleted(
    fault: str, proxy: HttpProxy, control: QueueControl, transport: TransportName
) -> None:
    control.send([b"x"] * 10)
    settings = SourceSettings(
        queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1, visibility_timeout_seconds=2
    )
    source = open_source(settings, clock=SystemClock())
    try:
        assert len(move_all(source, 10)) == 10
        proxy.plan("ReceiveMessage", fault)
        control.send([b"x"] * 10)
        assert len(move_all(source, 10)) == 10
        assert remaining(control) == 0
    finally:
        source.close(grace_seconds=5)


def test_a_held_message_stays_invisible_past_its_timeout_though_an_extension_fails(
    proxy: HttpProxy, control: QueueControl, transport: TransportName
) -> None:
    proxy.plan("ChangeMessageVisibilityBatch", "500", "reset")
    control.send([b"x"])
    settings = SourceSettings(
        queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1, visibility_timeout_seconds=8
    )
    source = open_source(settings, clock=SystemClock())
    try:
        received = 0
        for _ in range(_TRIES):
            received += len(source.receive(max_messages=1, max_bytes=1, wait_seconds=0.05))
            if source.state().tally.extended >= 2:
                break
        assert received == 1
        assert control.attributes().visible == 0
    finally:
        source.close(grace_seconds=5)
    assert control.attributes().visible == 1


def test_a_long_poll_under_way_does_not_hold_up_closing(
    proxy: HttpProxy, control: QueueControl, transport: TransportName
) -> None:
    settings = SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=20)
    source = open_source(settings, clock=SystemClock())
    for _ in range(_TRIES):
        assert source.receive(max_messages=1, max_bytes=1, wait_seconds=0.05) == []
        if proxy.traffic.calls["ReceiveMessage"] == 2:  # the first is short, the second takes its 20 seconds
            break
    source.close(grace_seconds=5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sofetch-")]
    assert proxy.traffic.calls["ReceiveMessage"] == 2
