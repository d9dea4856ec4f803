"""A source in memory."""

from __future__ import annotations

from collections.abc import Sequence

from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.source.metered import MeteredTransport
from sofetch.source.transport import RawMessage, VisibilityChange
from sofetch.testing.queue import MemoryQueue


class MemorySource:
    """A ``ports.Source`` on a ``MemoryQueue``, without threads: it answers at once and never waits."""

    def __init__(self, queue: MemoryQueue, *, clock: Clock) -> None:
        self._queue = queue
        self._wire = MeteredTransport(queue)
        self._clock = clock
        self._handles: dict[str, str] = {}
        self._waiting: list[Message] = []
        self._closed = False
        self._paused = False

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:  # noqa: ARG002
        """What is visible now, within the limits; ``wait_seconds`` is not waited."""
        while not self._closed and not self._paused and len(self._waiting) < max_messages:
            raws = self._wire.receive(
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
                if self._wire.delete_batch([handle]):
                    self._wire.delete_batch([handle])
        for message_id in acknowledgement.release:
            if message_id in self._given():
                self._release(message_id, acknowledgement.release_after_seconds)

    def pause(self) -> None:
        """Take nothing more from the queue; what waits here is still given."""
        self._paused = True

    def resume(self) -> None:
        """Take again."""
        self._paused = False

    def flush(self, *, timeout_seconds: float) -> bool:  # noqa: ARG002
        """Nothing is ever pending."""
        return True

    def drained(self) -> bool:
        """Nothing is visible and nothing is held."""
        return not self._handles and not self._queue.counts().visible

    def calls(self) -> Calls:
        """The calls that were made to the queue so far."""
        return self._wire.calls()

    def close(self, *, grace_seconds: float) -> None:  # noqa: ARG002
        """Release what is held."""
        self._closed = True
        self._waiting.clear()
        for message_id in list(self._handles):
            self._release(message_id, 0)

    def _take_in(self, raw: RawMessage) -> None:
        self._queue.hold(raw.receipt_handle)
        if raw.id not in self._handles:
            self._waiting.append(raw.message(queue=self._queue.queue_name, received_ms=self._clock.now_ms()))
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
        if self._wire.change_visibility_batch([change]):
            self._wire.change_visibility_batch([change])
