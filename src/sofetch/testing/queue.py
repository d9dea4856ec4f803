"""An SQS queue in memory: the model of SQS behind one lock, as a ``Transport``, with faults on demand."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from threading import Condition
from typing import NamedTuple, TypeVar

from sofetch.errors import SofetchError, SourceUnavailable
from sofetch.ports import Clock
from sofetch.source.transport import MAX_BATCH_ENTRIES, EntryFailure, RawMessage, VisibilityChange
from sofetch.testing.queue_faults import CallFaults, Fault, FaultPlan, LostAnswer
from sofetch.testing.queue_model import Entry, QueueModel
from sofetch.testing.queue_rules import Counts, QueueRules

T = TypeVar("T")


class _Content(NamedTuple):
    body: bytes
    attributes: Mapping[str, str]


class MemoryQueue:
    """A queue that behaves like SQS: visibility, receive counts, receipt handles, delays, FIFO groups, dead letters.

    Every call costs O(log n) of the messages there are. ``rules`` sets what SQS leaves open, ``seed`` makes ids (and,
    with ``disorder``, the order of a standard queue) the same in every run. ``fail_*`` plan faults, used up call by
    call. Safe to use from many threads. Fills ``Transport``; with ``wait_seconds=0`` a receive never waits.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "queue",
        visibility_timeout_seconds: int = 30,
        max_receive_count: int | None = None,
        dead_letter_queue: MemoryQueue | None = None,
        rules: QueueRules | None = None,
        seed: int | None = None,
        disorder: int = 0,
    ) -> None:
        rules = rules or QueueRules(visibility_timeout_seconds, max_receive_count=max_receive_count)
        chance = Random() if seed is None else Random(seed)  # noqa: S311  # an order, not a secret
        self._model: QueueModel[_Content] = QueueModel(
            clock=clock,
            name=name,
            rules=replace(rules, fifo=True) if name.endswith(".fifo") else rules,
            bury=self._bury,
            chance=chance if disorder else None,
            disorder=disorder,
        )
        self._clock = clock
        self._name = name
        self._new_id = _random_id if seed is None else seeded_ids(seed)
        self._dead_letter_queue = dead_letter_queue
        self._changed = Condition()
        self._interrupted = False
        self._receive_faults, self._delete_faults, self._change_faults = FaultPlan(), FaultPlan(), FaultPlan()
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
        deduplication_id: str | None = None,
        delay_seconds: float | None = None,
    ) -> str:
        """Put a message on the queue; its id. One sent twice within five minutes is kept once, under its first id."""
        with self._changed:
            sent = self._model.send(
                _Content(body, dict(attributes) if attributes else {}),
                message_id=message_id or self._new_id(),
                sent_ms=sent_ms,
                group_id=group_id,
                deduplication_id=deduplication_id,
                delay_seconds=delay_seconds,
            )
            self._changed.notify_all()
            return sent.message_id

    def send_all(self, bodies: Iterable[bytes]) -> list[str]:
        """Put messages on the queue; their ids."""
        return [self.send(body) for body in bodies]

    def redrive_to(self, queue: MemoryQueue) -> dict[str, str]:
        """Move what is visible to another queue, as SQS's own redrive does: new ids and send times, by old id."""
        with self._changed:
            entries = self._model.take_visible()
        return {
            entry.message_id: queue.send(
                entry.payload.body, group_id=entry.group_id, attributes=entry.payload.attributes
            )
            for entry in entries
        }

    def redeliver(self, message_id: str) -> None:
        """Make a message visible again, whoever holds it: its next delivery is a duplicate."""
        with self._changed:
            self._model.redeliver(message_id)
            self._changed.notify_all()

    def duplicate(self, message_id: str) -> None:
        """Bring one more copy of a message, in flight or not, perhaps both in one answer. A standard queue may."""
        with self._changed:
            self._model.duplicate(message_id)
            self._changed.notify_all()

    def fail_receives(self, *errors: SofetchError | LostAnswer) -> None:
        """Make the next receive calls raise, one error each; with ``LostAnswer`` the messages are in flight then."""
        self._receive_faults.extend(errors)

    def fail_deletes(self, *faults: Fault) -> None:
        """Make the next delete calls fail: entries of a call that is answered, or the whole call by an error."""
        self._delete_faults.extend(faults)

    def fail_visibility_changes(self, *faults: Fault) -> None:
        """Make the next changes of visibility fail, as ``fail_deletes``."""
        self._change_faults.extend(faults)

    def message_ids(self) -> set[str]:
        """Messages that are not deleted, visible or not."""
        with self._changed:
            return {entry.message_id for entry in self._model.entries()}

    def visible_ids(self) -> set[str]:
        """Messages that are neither in flight nor delayed."""
        with self._changed:
            return {entry.message_id for entry in self._model.entries() if entry.ready}

    def counts(self) -> Counts:
        """How many messages are visible, in flight and delayed, without listing them."""
        with self._changed:
            return self._model.counts()

    def receive_count(self, message_id: str) -> int:
        """How often a message was received."""
        with self._changed:
            return self._model.entry(message_id).receive_count

    # What a source does: Transport

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout."""
        return self._model.rules.visibility_timeout_seconds

    def receive(self, *, max_messages: int, wait_seconds: float, visibility_timeout_seconds: float) -> list[RawMessage]:
        """Up to ten visible messages; waits (in real time) for the first, until interrupted."""
        with self._changed:
            self.calls["receive"] += 1
            faults = self._receive_faults.begin()
            if wait_seconds > 0:
                self._wait(wait_seconds)
            elif self._model.is_full() and not self._model.rules.fifo:
                raise SourceUnavailable("the queue answers OverLimit", hint="delete some of what is in flight")
            received = self._model.receive(
                min(max_messages, MAX_BATCH_ENTRIES), visibility_seconds=visibility_timeout_seconds
            )
            faults.end()
            return [_raw(entry, handle) for entry, handle in received]

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """Delete by receipt handle; the entries that failed. What an old handle does is for ``rules`` to say."""
        with self._changed:
            self.calls["delete"] += 1
            faults = self._delete_faults.begin()
            return self._settle(faults, receipt_handles, self._model.delete)

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """Set visibility by receipt handle; the entries that failed, as those of messages not in flight do."""
        with self._changed:
            self.calls["change_visibility"] += 1
            faults = self._change_faults.begin()
            return self._settle(
                faults, changes, lambda change: self._model.change_visibility(change.receipt_handle, change.seconds)
            )

    def hold(self, receipt_handle: str) -> None:
        """Keep a message invisible until its visibility is changed: what a perfect heartbeat comes to."""
        with self._changed:
            self._model.hold(receipt_handle)

    def interrupt(self) -> None:
        """End the receive calls under way."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        """Let a next source use the queue."""
        with self._changed:
            self._interrupted = False

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not (self._interrupted or self._model.anything_to_receive()):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(min(left, max(self._model.next_change_at() - self._clock.monotonic(), 0.001)))

    def _settle(
        self, faults: CallFaults, items: Sequence[T], settle_one: Callable[[T], str | None]
    ) -> list[EntryFailure]:
        failures = dict(faults.failures)
        for at, item in enumerate(items):
            if at in failures or at in faults.lost:
                continue
            code = settle_one(item)
            if code is not None:
                failures[at] = EntryFailure(at, code, True)
        self._changed.notify_all()
        faults.end()
        return list(failures.values())

    def _bury(self, entry: Entry[_Content]) -> None:
        self.dead_letters.append(entry.message_id)
        if self._dead_letter_queue is not None:
            self._dead_letter_queue.send(
                entry.payload.body,
                message_id=entry.message_id,  # SQS keeps the id and the send time when it moves a message itself
                sent_ms=entry.sent_ms,
                group_id=entry.group_id,
                attributes=entry.payload.attributes,
            )


def seeded_ids(seed: int) -> Callable[[], str]:
    """Message ids that look like SQS's and are the same for the same seed."""
    bits = Random(f"ids {seed}").getrandbits  # noqa: S311  # names, not secrets

    def new_id() -> str:
        text = f"{bits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    return new_id


def _random_id() -> str:
    return str(uuid.uuid4())


def _raw(entry: Entry[_Content], receipt_handle: str) -> RawMessage:
    return RawMessage(
        id=entry.message_id,
        receipt_handle=receipt_handle,
        body=entry.payload.body,
        sent_ms=entry.sent_ms,
        receive_count=entry.receive_count,
        group_id=entry.group_id,
        sequence_number=entry.sequence_number,
        attributes=entry.payload.attributes,
    )
