"""What the fleets need of the wire: three batch calls, as a Protocol, and the shapes they exchange.

Filled by ``sofetch.source.boto`` and, later, by a faster path; fakes in tests fill it too. It must know nothing of
threads, retries or the state of messages: a call is made once, and what went wrong is said once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from sofetch.record import Message, Private, first_sent_ms

if TYPE_CHECKING:
    from sofetch.source.flight import Flight

MAX_BATCH_ENTRIES = 10
"""SQS takes and gives at most ten messages in one call."""

MAX_MESSAGE_BYTES = 1_048_576
"""The largest SQS message; also the largest SendMessageBatch, all entries together."""

_LONGEST_SEQUENCE_NUMBER = 40
"""SQS's are numbers of 128 bits."""

MAX_VISIBILITY_SECONDS = 43_200
"""SQS keeps a message invisible for at most 12 hours from its receipt, however often it is extended."""


class RawMessage(Private, frozen=True, kw_only=True):
    """A message as the wire gave it, with the receipt handle that ends or extends this delivery.

    ``whole`` is False if the body is not the one that was sent (its MD5 says so); it is to come again.
    """

    id: str
    receipt_handle: str
    body: bytes
    sent_ms: int | None = None
    receive_count: int = 1
    group_id: str | None = None
    sequence_number: str | None = None
    attributes: Mapping[str, str] = msgspec.field(default_factory=dict)
    whole: bool = True

    @property
    def fifo_group(self) -> str | None:
        """The group whose order binds it. None in a standard queue: groups are for fair shares there, without order."""
        return None if self.sequence_number is None else self.group_id

    @property
    def sequence(self) -> int:
        """Its place in its group; 0 where it has none."""
        number = self.sequence_number or ""
        return int(number) if number.isdecimal() and len(number) <= _LONGEST_SEQUENCE_NUMBER else 0

    def message(self, *, queue: str, received_ms: int) -> Message:
        """The message as the pipeline takes it: without the receipt handle, which stays in the source.

        One that our redrive sent again counts as sent when it first was: its row is that of the first delivery, and an
        upsert does not take it for news.
        """
        return Message(
            id=self.id,
            body=self.body,
            queue=queue,
            sent_ms=first_sent_ms(self.sent_ms, self.attributes),
            received_ms=received_ms,
            receive_count=self.receive_count,
            group_id=self.group_id,
            sequence_number=self.sequence_number,
            attributes=self.attributes,
        )


def in_group_order(raws: Sequence[RawMessage]) -> Sequence[RawMessage]:
    """The messages of a FIFO queue by sequence number; others as they came.

    SQS gives a group's next messages only once those in flight are settled, so order within one answer is enough.
    """
    if any(raw.fifo_group is None for raw in raws):
        return raws
    return sorted(raws, key=lambda raw: raw.sequence)


class VisibilityChange(Private, frozen=True):
    """One entry of a ChangeMessageVisibilityBatch: visible again in ``seconds`` from now (0: at once)."""

    receipt_handle: str
    seconds: int


class EntryFailure(msgspec.Struct, frozen=True):
    """One failed entry of a batch call that was answered 200: its position in the call, AWS's code, whose fault."""

    position: int
    code: str
    sender_fault: bool


class Transport(Protocol):
    """One queue. Every method may be called from many threads at once.

    Guarantees: errors come as SourceUnavailable (may pass) or SourceRefused (a person must act) and name AWS's error
    code at most, never a body or a receipt handle. Not guaranteed: that a call which raised had no effect.
    """

    @property
    def queue_name(self) -> str:
        """The queue's name, for ``Message.queue``."""
        ...

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout, asked of the queue."""
        ...

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """At most ``max_messages`` (1 to 10) messages; waits up to ``wait_seconds`` for the first of them."""
        ...

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """Delete 1 to 10 messages; the entries that failed."""
        ...

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """Change 1 to 10 visibility timeouts; the entries that failed."""
        ...

    def interrupt(self) -> None:
        """End the receive calls under way, from another thread, as soon as can be; they may raise."""
        ...

    def close(self) -> None:
        """Give back connections. No call may be under way or follow. Idempotent."""
        ...


@runtime_checkable
class LoopTransport(Transport, Protocol):
    """A transport whose calls can also be begun without being waited for, from one thread that has many under way.

    None is given for a call that cannot be begun so (no connection is open, or another way is to be taken): it is to be
    made in the way that waits. A call that was begun and brings no answer is made by ``Flight.instead``.
    """

    def begin_receive(
        self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int
    ) -> Flight[list[RawMessage]] | None:
        """As ``receive``."""
        ...

    def begin_delete(self, receipt_handles: Sequence[str]) -> Flight[list[EntryFailure]] | None:
        """As ``delete_batch``."""
        ...

    def begin_change(self, changes: Sequence[VisibilityChange]) -> Flight[list[EntryFailure]] | None:
        """As ``change_visibility_batch``."""
        ...
