"""What was asked of the queue, what that costs at Amazon's price, and what would make it cheaper.

Owns the arithmetic of an SQS bill. Pure: it must not call, count or read settings by itself.

SQS bills requests: an API call is one, and one more for each further 64 KiB of its payload
(https://aws.amazon.com/sqs/pricing/). A call that botocore repeated inside counts here once.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

BILLED_BYTES = 65_536
STANDARD_DOLLARS = 0.40
FIFO_DOLLARS = 0.50
"""US dollars for a million requests in us-east-1, as published in 2026, after the first million of a month."""

_MANY_EMPTY = 0.1
_FEW_MESSAGES = 5
_MANY_CHANGES = 0.1
_TELLING_CALLS = 50


class Calls(Struct, frozen=True, kw_only=True):
    """Calls by kind; ``empty_receives`` are among ``receives``. ``requests`` is what is billed for all of them."""

    receives: int = 0
    empty_receives: int = 0
    deletes: int = 0
    visibility_changes: int = 0
    requests: int = 0

    @property
    def total(self) -> int:
        """All calls."""
        return self.receives + self.deletes + self.visibility_changes


def billed_requests(payload_bytes: int) -> int:
    """What one call with that payload is billed as."""
    return max(1, -(-payload_bytes // BILLED_BYTES))


def price(queue: str, configured: float | None) -> float:
    """Dollars for a million requests: as configured, or the published price for the queue's kind."""
    if configured is not None:
        return configured
    return FIFO_DOLLARS if queue.endswith(".fifo") else STANDARD_DOLLARS


def dollars_for_a_million(calls: Calls, *, messages: int, dollars_per_million_requests: float) -> float:
    """What a million messages would cost, at the rate of ``messages`` for these calls; 0 without messages."""
    return calls.requests / messages * dollars_per_million_requests if messages else 0.0


def advice(calls: Calls, *, messages: int, wait_seconds: int, receivers: int) -> Iterator[str]:
    """What would make fewer calls of as many messages. Nothing is said of a run too short to tell."""
    if calls.receives < _TELLING_CALLS:
        return
    if calls.empty_receives > _MANY_EMPTY * calls.receives and wait_seconds < 20:
        yield (
            f"{calls.empty_receives:,} of {calls.receives:,} receives were empty: [source] wait_seconds = 20 waits "
            "for messages instead of asking again"
        )
    full = calls.receives - calls.empty_receives
    if full and messages < _FEW_MESSAGES * full and receivers > 1:
        yield f"a receive brought {messages / full:.1f} messages of 10: fewer [source] receivers make fewer calls"
    if calls.visibility_changes > _MANY_CHANGES * calls.total:
        yield (
            f"{calls.visibility_changes:,} calls only extended or released messages: a longer visibility timeout of "
            "the queue, or fewer messages held ([source] max_in_flight), needs fewer"
        )
    if calls.requests > 1.5 * calls.total:
        yield "large bodies are billed by 64 KiB: gzip them, or send pointers to S3"
