"""What a queue in memory may be told about itself: SQS's attributes and limits, and a switch where servers differ.

Owns names and numbers only; ``queue_model`` acts on them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

INVALID_HANDLE = "ReceiptHandleIsInvalid"
INVALID_VALUE = "InvalidParameterValue"
"""What SQS answers about a handle that has expired, a message not in flight, or a visibility past its 12 hours."""

MAX_IN_FLIGHT = 120_000
"""Of a standard queue as of a FIFO queue (20,000 until November 2024)."""

DEDUPLICATION_SECONDS = 300.0


class OldHandles(Enum):
    """What a delete with a receipt handle does that is not the message's newest, or whose message is gone."""

    REFUSED = "refused"
    """It fails with ReceiptHandleIsInvalid: ministack and other emulators."""
    IGNORED = "ignored"
    """It succeeds and deletes nothing: the SQS API reference. (A FIFO queue refuses a handle that has expired.)"""
    DELETES = "deletes"
    """It deletes the message: what SQS often does with a standard queue, and promises neither way."""


@dataclass(frozen=True, slots=True)
class QueueRules:
    """A queue's attributes, and the choices that SQS leaves open."""

    visibility_timeout_seconds: int = 30
    delay_seconds: float = 0
    max_receive_count: int | None = None
    max_in_flight: int = MAX_IN_FLIGHT
    old_handles: OldHandles = OldHandles.REFUSED
    fifo: bool | None = None
    """True: every message has a group. False: groups do not order. None: messages that have a group are ordered."""


class Sent(NamedTuple):
    """What a send is answered with: for a duplicate within five minutes, the same as for the first."""

    message_id: str
    sequence_number: str | None


class Counts(NamedTuple):
    """SQS's three numbers of messages. Visible ones of a group that waits count as visible."""

    visible: int
    in_flight: int
    delayed: int


class Deduplication:
    """What was sent with a deduplication id within the last five minutes, and what the sender was told."""

    def __init__(self) -> None:
        self._sent: dict[str, Sent] = {}
        self._forget_at: deque[tuple[float, str]] = deque()

    def known(self, deduplication_id: str, *, now: float) -> Sent | None:
        """The answer to the first send of this id, if it is not too old."""
        while self._forget_at and self._forget_at[0][0] <= now:
            del self._sent[self._forget_at.popleft()[1]]
        return self._sent.get(deduplication_id)

    def remember(self, deduplication_id: str, sent: Sent, *, now: float) -> None:
        """Keep the answer to a first send."""
        self._sent[deduplication_id] = sent
        self._forget_at.append((now + DEDUPLICATION_SECONDS, deduplication_id))
