"""In-memory ports for tests, yours as well as ours: a clock, a queue, a source and a sink, with fault switches.

They keep the same contracts as the real ones (``tests/contract``) and use no network, no files and no sleeps::

    clock = FakeClock()
    queue = MemoryQueue(clock=clock)
    queue.send(b'{"user_id": "u1"}')
    source, sink = MemorySource(queue, clock=clock), MemorySink()

``MemoryQueue`` is also a ``Transport``, so the real ``SqsSource`` runs on it.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sofetch.ack import Acknowledgement
from sofetch.errors import SinkUnavailable, SofetchError, SourceRefused, SourceUnavailable
from sofetch.ports import Clock
from sofetch.record import (
    Cell,
    Duplicate,
    Loaded,
    LoadResult,
    MaskedRecord,
    Message,
    Reason,
    Refused,
    Rejected,
    SealedRejection,
)
from sofetch.source.transport import EntryFailure, RawMessage, VisibilityChange

__all__ = ["FakeClock", "MemoryQueue", "MemorySink", "MemorySource"]

_FOREVER = float("inf")


class FakeClock:
    """A clock that stands still until it is told to advance. Fills ``ports.Clock``."""

    def __init__(self, *, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._seconds = 0.0

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return self._start_ms + round(self._seconds * 1000)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._seconds += seconds


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


class MemorySource:
    """A ``ports.Source`` on a ``MemoryQueue``, without threads: it answers at once and never waits."""

    def __init__(self, queue: MemoryQueue, *, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._handles: dict[str, str] = {}
        self._waiting: list[Message] = []
        self._closed = False

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:  # noqa: ARG002
        """What is visible now, within the limits; ``wait_seconds`` is not waited."""
        while not self._closed and len(self._waiting) < max_messages:
            raws = self._queue.receive(
                max_messages=10, wait_seconds=0, visibility_timeout_seconds=self._queue.visibility_timeout_seconds()
            )
            if not raws:
                break
            for raw in raws:
                self._take_in(raw)
        return self._give(max_messages, max_bytes)

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Delete and release at once; an entry that fails is tried once more."""
        for message_id in acknowledgement.delete:
            if message_id in self._given():
                handle = self._handles.pop(message_id)
                if self._queue.delete_batch([handle]):
                    self._queue.delete_batch([handle])
        for message_id in acknowledgement.release:
            if message_id in self._given():
                self._release(message_id, acknowledgement.release_after_seconds)

    def flush(self, *, timeout_seconds: float) -> bool:  # noqa: ARG002
        """Nothing is ever pending."""
        return True

    def drained(self) -> bool:
        """Nothing is visible and nothing is held."""
        return not self._handles and not self._queue.visible_ids()

    def close(self, *, grace_seconds: float) -> None:  # noqa: ARG002
        """Release what is held."""
        self._closed = True
        self._waiting.clear()
        for message_id in list(self._handles):
            self._release(message_id, 0)

    def _take_in(self, raw: RawMessage) -> None:
        self._queue.hold(raw.receipt_handle)
        if raw.id not in self._handles:
            self._waiting.append(_received(raw, queue=self._queue.queue_name, received_ms=self._clock.now_ms()))
        self._handles[raw.id] = raw.receipt_handle

    def _give(self, max_messages: int, max_bytes: int) -> list[Message]:
        given: list[Message] = []
        size = 0
        while self._waiting and len(given) < max_messages:
            size += len(self._waiting[0].body)
            if given and size > max_bytes:
                break
            given.append(self._waiting.pop(0))
        return given

    def _given(self) -> set[str]:
        return self._handles.keys() - {message.id for message in self._waiting}

    def _release(self, message_id: str, seconds: int) -> None:
        change = VisibilityChange(self._handles.pop(message_id), seconds)
        if self._queue.change_visibility_batch([change]):
            self._queue.change_visibility_batch([change])


class MemorySink:
    """A ``ports.Sink`` that keeps rows and quarantine entries by key, exactly one of them for each key.

    ``refuse`` makes it refuse a message's row as a database would; ``fail_before_commit`` and ``fail_after_commit``
    make the next loads raise SinkUnavailable, with nothing or all of them committed. Safe to share between threads.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[Cell, ...]] = {}
        self.quarantine: dict[bytes, SealedRejection] = {}
        self.loads = 0
        self._refused: dict[str, Reason] = {}
        self._before = 0
        self._after = 0
        self._lock = threading.Lock()

    def refuse(self, message_id: str, reason: Reason) -> None:
        """Refuse the row of this message from now on."""
        self._refused[message_id] = reason

    def fail_before_commit(self, times: int = 1) -> None:
        """Let the next loads fail with nothing committed."""
        self._before += times

    def fail_after_commit(self, times: int = 1) -> None:
        """Let the next loads fail with all committed: the answer was lost."""
        self._after += times

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Keep rows and quarantine entries; one result each, records first."""
        with self._lock:
            self.loads += 1
            if self._before:
                self._before -= 1
                raise _unavailable()
            results = [self._load_row(record) for record in records]
            results += [self._load_rejection(rejection) for rejection in rejections]
            if self._after:
                self._after -= 1
                raise _unavailable()
            return results

    def close(self) -> None:
        """Nothing to close."""

    def _load_row(self, record: MaskedRecord) -> LoadResult:
        if self._known(record.key):
            return Duplicate(record.message_id)
        if record.message_id in self._refused:
            return Refused(record.message_id, self._refused[record.message_id])
        self.rows[record.key] = record.values
        return Loaded(record.message_id)

    def _load_rejection(self, rejection: SealedRejection) -> LoadResult:
        if rejection.key in self.rows:
            return Duplicate(rejection.message_id)
        self.quarantine.setdefault(rejection.key, rejection)
        return Rejected(rejection.message_id, rejection.reason, rejection.field)

    def _known(self, key: bytes) -> bool:
        return key in self.rows or key in self.quarantine


def unavailable_source() -> SourceUnavailable:
    """The error of a queue that does not answer, for ``MemoryQueue.fail_*``."""
    return SourceUnavailable("the queue does not answer", hint="this fault was planned by a test")


def refused_source() -> SourceRefused:
    """The error of a queue that denies the call, for ``MemoryQueue.fail_*``."""
    return SourceRefused("the queue denies the call", hint="this fault was planned by a test")


def _unavailable() -> SinkUnavailable:
    return SinkUnavailable("the sink does not answer", hint="this fault was planned by a test")


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


def _received(raw: RawMessage, *, queue: str, received_ms: int) -> Message:
    return Message(
        id=raw.id,
        body=raw.body,
        queue=queue,
        sent_ms=raw.sent_ms,
        received_ms=received_ms,
        receive_count=raw.receive_count,
        group_id=raw.group_id,
        sequence_number=raw.sequence_number,
        attributes=raw.attributes,
    )
