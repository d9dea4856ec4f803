"""What the calls to the queue come to, and what is advised."""

from __future__ import annotations

import pytest

from sofetch.calls import (
    BILLED_BYTES,
    FIFO_DOLLARS,
    STANDARD_DOLLARS,
    Calls,
    advice,
    billed_requests,
    dollars_for_a_million,
    price,
)
from sofetch.clock import SystemClock
from sofetch.errors import SourceUnavailable
from sofetch.source.metered import MeteredTransport
from sofetch.source.transport import VisibilityChange
from sofetch.testing import MemoryQueue, unavailable_source


def metered(bodies: list[bytes]) -> tuple[MeteredTransport, MemoryQueue]:
    queue = MemoryQueue(clock=SystemClock())
    queue.send_all(bodies)
    return MeteredTransport(queue), queue


def receive(transport: MeteredTransport) -> list[str]:
    raws = transport.receive(max_messages=10, wait_seconds=0, visibility_timeout_seconds=30)
    return [raw.receipt_handle for raw in raws]


@pytest.mark.parametrize(
    ("payload", "requests"), [(0, 1), (1, 1), (BILLED_BYTES, 1), (BILLED_BYTES + 1, 2), (1 << 20, 16)]
)
def test_each_64_kib_of_a_payload_is_a_request(payload: int, requests: int) -> None:
    assert billed_requests(payload) == requests


def test_every_kind_of_call_is_counted_and_nothing_of_it_changed() -> None:
    transport, queue = metered([b"{}"] * 3)
    handles = receive(transport)
    assert len(handles) == 3
    assert transport.change_visibility_batch([VisibilityChange(handles[0], 9)]) == []
    assert transport.delete_batch(handles) == []
    assert receive(transport) == []
    assert queue.message_ids() == set()
    assert transport.calls() == Calls(receives=2, empty_receives=1, deletes=1, visibility_changes=1, requests=4)
    assert transport.calls().total == 4


def test_large_bodies_are_billed_as_several_requests() -> None:
    transport, _ = metered([b"x" * 40_000] * 4)
    receive(transport)
    assert transport.calls() == Calls(receives=1, requests=3)


def test_a_call_that_failed_counts() -> None:
    transport, queue = metered([])
    queue.fail_receives(unavailable_source())
    with pytest.raises(SourceUnavailable):
        receive(transport)
    assert transport.calls() == Calls(receives=1, requests=1)


def test_a_million_messages_in_tens_cost_eight_cents() -> None:
    calls = Calls(receives=100, deletes=100, requests=200)
    assert dollars_for_a_million(calls, messages=1_000, dollars_per_million_requests=STANDARD_DOLLARS) == pytest.approx(
        0.08
    )
    assert dollars_for_a_million(calls, messages=0, dollars_per_million_requests=STANDARD_DOLLARS) == 0


def test_the_price_is_the_configured_one_or_that_of_the_kind_of_queue() -> None:
    assert price("orders", None) == STANDARD_DOLLARS
    assert price("orders.fifo", None) == FIFO_DOLLARS
    assert price("orders.fifo", 0.3) == 0.3


def advised(calls: Calls, *, messages: int, wait_seconds: int = 20, receivers: int = 4) -> str:
    return "\n".join(advice(calls, messages=messages, wait_seconds=wait_seconds, receivers=receivers))


def test_a_run_in_full_tens_is_left_alone() -> None:
    assert advised(Calls(receives=100, deletes=100, requests=200), messages=1_000) == ""


def test_a_run_too_short_to_tell_is_left_alone() -> None:
    assert advised(Calls(receives=10, empty_receives=9, requests=10), messages=1, wait_seconds=0) == ""


@pytest.mark.parametrize(
    ("calls", "messages", "wait_seconds", "word"),
    [
        (Calls(receives=100, empty_receives=50, deletes=50, requests=150), 500, 1, "wait_seconds"),
        (Calls(receives=100, deletes=100, requests=200), 200, 20, "receivers"),
        (Calls(receives=100, deletes=100, visibility_changes=60, requests=260), 1_000, 20, "visibility timeout"),
        (Calls(receives=100, deletes=100, requests=900), 1_000, 20, "64 KiB"),
    ],
)
def test_what_makes_calls_is_named(calls: Calls, messages: int, wait_seconds: int, word: str) -> None:
    assert word in advised(calls, messages=messages, wait_seconds=wait_seconds)
