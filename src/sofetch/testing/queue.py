"""An SQS queue in memory: visibility, receive counts, FIFO groups, dead letters, and faults on demand."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sofetch.errors import SofetchError, SourceRefused, SourceUnavailable
from sofetch.ports import Clock
from sofetch.source.transport import EntryFailure, RawMessage, VisibilityChange

_FOREVER = float("inf")


@dataclass(slots=True, repr=False)
class _Stored:
    message_id: str
    body: bytes
    sent_ms: int
    group_id: str | None
    sequence_number: str | None
    attributes: Mapping[str, str]
    visible_at: float = 0.0
    receive_count: int = 0
    receipt_handle: str | None = None


@dataclass(slots=True)
class _Faults:
    receives: list[SofetchError] = field(default_factory=list)
    deletes: list[EntryFailure | SofetchError] = field(default_factory=list)
    changes: list[EntryFailure | SofetchError] = field(default_factory=list)


class MemoryQueue:
    """A queue that behaves like SQS: visibility, receive counts, receipt handles, FIFO groups, dead letters.

    Only the newest receipt handle of a message works. ``fail_*`` plan faults, used up one by one; ``redeliver`` makes a
    message in flight visible again, as if its timeout had run out. Safe to use from many threads. Fills ``Transport``.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "queue",
        visibility_timeout_seconds: int = 30,
        max_receive_count: int | None = None,
    ) -> None:
        self._clock = clock
        self._name = name
        self._timeout_seconds = visibility_timeout_seconds
        self._max_receive_count = max_receive_count
        self._stored: dict[str, _Stored] = {}
        self._changed = threading.Condition()
        self._interrupted = False
        self._faults = _Faults()
        self._sequence = 0
        self.dead_letters: list[str] = []
        self.calls: Counter[str] = Counter()

    # What a test does

    def send(
        self,
        body: bytes,
        *,
        message_id: str | None = None,
        sent_ms: int | None = None,
        group_id: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> str:
        """Put a message on the queue; its id."""
        with self._changed:
            self._sequence += 1
            stored = _Stored(
                message_id=message_id or str(uuid.uuid4()),
                body=body,
                sent_ms=self._clock.now_ms() if sent_ms is None else sent_ms,
                group_id=group_id,
                sequence_number=None if group_id is None else str(self._sequence),
                attributes=dict(attributes or {}),
            )
            self._stored[stored.message_id] = stored
            self._changed.notify_all()
            return stored.message_id

    def send_all(self, bodies: Iterable[bytes]) -> list[str]:
        """Put messages on the queue; their ids."""
        return [self.send(body) for body in bodies]

    def redeliver(self, message_id: str) -> None:
        """Make a message visible again, whoever holds it: its next delivery is a duplicate."""
        with self._changed:
            self._stored[message_id].visible_at = 0.0
            self._changed.notify_all()

    def fail_receives(self, *errors: SofetchError) -> None:
        """Make the next receive calls raise, one error each."""
        self._faults.receives.extend(errors)

    def fail_deletes(self, *faults: EntryFailure | SofetchError) -> None:
        """Make the next delete calls fail: an entry of a call that is answered, or the whole call by an error."""
        self._faults.deletes.extend(faults)

    def fail_visibility_changes(self, *faults: EntryFailure | SofetchError) -> None:
        """Make the next changes of visibility fail, as ``fail_deletes``."""
        self._faults.changes.extend(faults)

    def message_ids(self) -> set[str]:
        """Messages that are not deleted, visible or not."""
        with self._changed:
            return set(self._stored)

    def visible_ids(self) -> set[str]:
        """Messages that a receive could bring now."""
        with self._changed:
            return {stored.message_id for stored in self._stored.values() if self._is_visible(stored)}

    def receive_count(self, message_id: str) -> int:
        """How often a message was received."""
        with self._changed:
            return self._stored[message_id].receive_count

    # What a source does: Transport

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout."""
        return self._timeout_seconds

    def receive(self, *, max_messages: int, wait_seconds: float, visibility_timeout_seconds: float) -> list[RawMessage]:
        """Up to ten visible messages; waits (in real time) for the first, until interrupted."""
        with self._changed:
            self.calls["receive"] += 1
            if self._faults.receives:
                raise self._faults.receives.pop(0)
            if wait_seconds > 0:
                self._changed.wait_for(lambda: self._interrupted or self._any_visible(), timeout=wait_seconds)
            return self._hand_out(min(max_messages, 10), self._clock.monotonic() + visibility_timeout_seconds)

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """Delete by receipt handle; a handle that is not a message's newest fails."""
        with self._changed:
            self.calls["delete"] += 1
            failures = self._planned_failures(self._faults.deletes)
            for at, handle in enumerate(receipt_handles):
                if at in failures:
                    continue
                stored = self._by_handle(handle)
                if stored is None:
                    failures[at] = EntryFailure(at, "ReceiptHandleIsInvalid", True)
                else:
                    del self._stored[stored.message_id]
            return list(failures.values())

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """Set visibility by receipt handle; a handle that is not a message's newest fails."""
        with self._changed:
            self.calls["change_visibility"] += 1
            failures = self._planned_failures(self._faults.changes)
            for at, change in enumerate(changes):
                if at in failures:
                    continue
                stored = self._by_handle(change.receipt_handle)
                if stored is None:
                    failures[at] = EntryFailure(at, "ReceiptHandleIsInvalid", True)
                else:
                    stored.visible_at = self._clock.monotonic() + change.seconds
            self._changed.notify_all()
            return list(failures.values())

    def hold(self, receipt_handle: str) -> None:
        """Keep a message invisible until its visibility is changed: what a perfect heartbeat comes to."""
        with self._changed:
            stored = self._by_handle(receipt_handle)
            if stored is not None:
                stored.visible_at = _FOREVER

    def interrupt(self) -> None:
        """End the receive calls under way."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let a next source use the queue."""
        with self._changed:
            self._interrupted = False

    def _planned_failures(self, planned: list[EntryFailure | SofetchError]) -> dict[int, EntryFailure]:
        if not planned:
            return {}
        fault = planned.pop(0)
        if isinstance(fault, SofetchError):
            raise fault
        return {fault.position: fault}

    def _by_handle(self, handle: str) -> _Stored | None:
        return next((stored for stored in self._stored.values() if stored.receipt_handle == handle), None)

    def _is_visible(self, stored: _Stored) -> bool:
        return stored.visible_at <= self._clock.monotonic()

    def _any_visible(self) -> bool:
        return any(self._is_visible(stored) for stored in self._stored.values())

    def _hand_out(self, count: int, visible_at: float) -> list[RawMessage]:
        blocked = {stored.group_id for stored in self._stored.values() if not self._is_visible(stored)} - {None}
        out: list[RawMessage] = []
        for stored in list(self._stored.values()):
            if len(out) == count:
                break
            if not self._is_visible(stored) or stored.group_id in blocked or self._buried(stored):
                continue
            stored.receive_count += 1
            stored.receipt_handle = uuid.uuid4().hex
            stored.visible_at = visible_at
            out.append(_raw(stored))
        return out

    def _buried(self, stored: _Stored) -> bool:
        if self._max_receive_count is None or stored.receive_count < self._max_receive_count:
            return False
        del self._stored[stored.message_id]
        self.dead_letters.append(stored.message_id)
        return True


def unavailable_source() -> SourceUnavailable:
    """The error of a queue that does not answer, for ``MemoryQueue.fail_*``."""
    return SourceUnavailable("the queue does not answer", hint="this fault was planned by a test")


def refused_source() -> SourceRefused:
    """The error of a queue that denies the call, for ``MemoryQueue.fail_*``."""
    return SourceRefused("the queue denies the call", hint="this fault was planned by a test")


def _raw(stored: _Stored) -> RawMessage:
    assert stored.receipt_handle is not None  # noqa: S101  # set when it is handed out
    return RawMessage(
        id=stored.message_id,
        receipt_handle=stored.receipt_handle,
        body=stored.body,
        sent_ms=stored.sent_ms,
        receive_count=stored.receive_count,
        group_id=stored.group_id,
        sequence_number=stored.sequence_number,
        attributes=stored.attributes,
    )
