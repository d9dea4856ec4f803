"""Counting the calls to the queue, whichever transport makes them. Must not change a call or its answer."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sofetch.calls import Calls, billed_requests
from sofetch.source.transport import EntryFailure, RawMessage, Transport, VisibilityChange


class Meter:
    """Counts calls, from any thread. A call that raised counts too: it may be billed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receives = self._empty_receives = self._deletes = self._visibility_changes = self._requests = 0

    def calls(self) -> Calls:
        """The calls so far."""
        with self._lock:
            return Calls(
                receives=self._receives,
                empty_receives=self._empty_receives,
                deletes=self._deletes,
                visibility_changes=self._visibility_changes,
                requests=self._requests,
            )

    def receives(self) -> None:
        """A receive call is made."""
        with self._lock:
            self._receives += 1
            self._requests += 1

    def received(self, raws: Sequence[RawMessage]) -> None:
        """A receive call was answered."""
        more = billed_requests(sum(len(raw.body) for raw in raws)) - 1
        if raws and not more:
            return
        with self._lock:
            self._empty_receives += not raws
            self._requests += more

    def deletes(self) -> None:
        """A delete call is made."""
        with self._lock:
            self._deletes += 1
            self._requests += 1

    def changes_visibility(self) -> None:
        """A call that changes visibility is made."""
        with self._lock:
            self._visibility_changes += 1
            self._requests += 1


class MeteredTransport:
    """A ``Transport`` that counts what goes through it."""

    def __init__(self, inner: Transport, *, meter: Meter | None = None) -> None:
        self._inner = inner
        self._meter = meter or Meter()

    def calls(self) -> Calls:
        """The calls so far."""
        return self._meter.calls()

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._inner.queue_name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout; one call a run, which is not counted."""
        return self._inner.visibility_timeout_seconds()

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """One receive call."""
        self._meter.receives()
        raws = self._inner.receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        self._meter.received(raws)
        return raws

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """One call."""
        self._meter.deletes()
        return self._inner.delete_batch(receipt_handles)

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """One call."""
        self._meter.changes_visibility()
        return self._inner.change_visibility_batch(changes)

    def interrupt(self) -> None:
        """End the receive calls under way."""
        self._inner.interrupt()

    def close(self) -> None:
        """Give back connections."""
        self._inner.close()
