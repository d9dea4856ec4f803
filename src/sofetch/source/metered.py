"""Counting the calls to the queue, whichever transport makes them. Must not change a call or its answer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from sofetch.calls import Calls, billed_requests
from sofetch.source.transport import EntryFailure, RawMessage, Transport, VisibilityChange


class MeteredTransport:
    """A ``Transport`` that counts what goes through it. A call that raised counts too: it may be billed."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def calls(self) -> Calls:
        """The calls so far."""
        with self._lock:
            return Calls(**self._counts)

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._inner.queue_name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout; one call a run, which is not counted."""
        return self._inner.visibility_timeout_seconds()

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """One receive call."""
        self._count(receives=1, requests=1)
        raws = self._inner.receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        if not raws:
            self._count(empty_receives=1)
        elif (more := billed_requests(sum(len(raw.body) for raw in raws)) - 1) > 0:
            self._count(requests=more)
        return raws

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """One call."""
        self._count(deletes=1, requests=1)
        return self._inner.delete_batch(receipt_handles)

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """One call."""
        self._count(visibility_changes=1, requests=1)
        return self._inner.change_visibility_batch(changes)

    def interrupt(self) -> None:
        """End the receive calls under way."""
        self._inner.interrupt()

    def close(self) -> None:
        """Give back connections."""
        self._inner.close()

    def _count(self, **by: int) -> None:
        with self._lock:
            self._counts.update(by)
