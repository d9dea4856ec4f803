"""The queues that the source contract is tried on: in memory, and real servers by either transport."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest

from sofetch.clock import SystemClock
from sofetch.ports import Source
from sofetch.settings import SourceSettings
from sofetch.source.control import QueueControl
from sofetch.source.opening import open_transport
from sofetch.source.sqs import SqsSource
from sofetch.source.transport import VisibilityChange
from sofetch.testing import MemoryQueue, MemorySource
from sources import Bench, Recording, recording


def _memory_bench(open_source: Callable[[MemoryQueue], Source]) -> Bench:
    queue = MemoryQueue(clock=SystemClock(), name="contract")
    return Bench(
        open_source=lambda: open_source(queue),
        send=queue.send_all,
        remaining=lambda: len(queue.message_ids()),
        redeliver=queue.redeliver,
    )


def _sqs_on_memory(queue: MemoryQueue) -> Source:
    settings = SourceSettings(queue="contract", wait_seconds=1)
    return SqsSource(settings, transport=queue, clock=SystemClock())


@contextmanager
def _server_bench(
    endpoint: str, name: str, transport: Literal["fast", "boto3"], *, create: bool = False
) -> Iterator[Bench]:
    settings = SourceSettings(queue=name, endpoint=endpoint, wait_seconds=1, transport=transport)
    opened: list[Recording] = []

    def open_source() -> Source:
        opened.append(recording(open_transport(settings, clock=SystemClock())))
        return SqsSource(settings, transport=opened[-1], clock=SystemClock())

    with QueueControl.open(settings, create=create) as control:

        def remaining() -> int:
            counts = control.attributes()
            return counts.visible + counts.in_flight + counts.delayed

        def redeliver(message_id: str) -> None:
            opened[-1].change_visibility_batch([VisibilityChange(opened[-1].handles[message_id], 0)])

        yield Bench(open_source=open_source, send=control.send, remaining=remaining, redeliver=redeliver)


@pytest.fixture
def _boto3_bench(queue_endpoint: str, queue_name: str) -> Iterator[Bench]:
    with _server_bench(queue_endpoint, queue_name, "boto3") as found:
        yield found


@pytest.fixture
def _fast_bench(queue_endpoint: str, queue_name: str) -> Iterator[Bench]:
    with _server_bench(queue_endpoint, queue_name, "fast") as found:
        yield found


@pytest.fixture
def _fast_server_bench(fast_queue_endpoint: str) -> Iterator[Bench]:
    name = f"contract-{uuid.uuid4().hex[:12]}"
    with _server_bench(fast_queue_endpoint, name, "fast", create=True) as found:
        yield found


@pytest.fixture(
    params=[
        "memory",
        "sqs-on-memory",
        pytest.param("sqs-by-boto3", marks=pytest.mark.slow),
        pytest.param("sqs-by-fast-path", marks=pytest.mark.slow),
        pytest.param("sqs-on-fast-server", marks=pytest.mark.slow),
    ]
)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each source that keeps the contract, on a queue of its own."""
    match request.param:
        case "memory":
            return _memory_bench(lambda queue: MemorySource(queue, clock=SystemClock()))
        case "sqs-on-memory":
            return _memory_bench(_sqs_on_memory)
        case server:
            names = {"sqs-by-boto3": "_boto3_bench", "sqs-by-fast-path": "_fast_bench"}
            found: Bench = request.getfixturevalue(names.get(server, "_fast_server_bench"))
            return found
