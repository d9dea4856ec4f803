"""Where the fleets and the consumer meet: one lock round the clerk, and the waiting for what it has not yet.

Owns the lock and the waiting; what is decided is the ``clerk``'s. Every method may be called from any thread and holds
the lock only for moments; nothing here makes a call to the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sofetch.ack import Acknowledgement
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.source.agenda import Work
from sofetch.source.clerk import Clerk, Permit, SourceState
from sofetch.source.transport import EntryFailure, RawMessage


class Desk:
    """Shared state of one source, for threads."""

    def __init__(self, clerk: Clerk, *, clock: Clock) -> None:
        self._clerk = clerk
        self._clock = clock
        self._changed = threading.Condition()
        self._finished = False

    def set_timeout(self, seconds: int) -> None:
        """The visibility timeout that messages are received with."""
        with self._changed:
            self._clerk.set_timeout(seconds)

    # For the receiving fleet

    def permit(self) -> Permit | None:
        """Wait until a receive call is wanted and there is room for its answer; None once receiving is over."""
        with self._changed:
            while not self._clerk.receiving_is_over:
                now = self._clock.monotonic()
                permit = self._clerk.permit(now=now)
                if permit is not None:
                    return permit
                pause = self._clerk.permit_at() - now
                self._changed.wait(pause if pause > 0 else None)
            return None

    def arrived(self, permit: Permit, raws: Sequence[RawMessage]) -> int:
        """A receive call was answered; how many of its messages are damaged."""
        with self._changed:
            damaged = self._clerk.arrived(permit, raws, now=self._clock.monotonic(), received_ms=self._clock.now_ms())
            self._changed.notify_all()
            return damaged

    def receive_failed(self, permit: Permit, error: SourceUnavailable | SourceRefused) -> None:
        """A receive call failed."""
        with self._changed:
            self._clerk.receive_failed(permit, error, now=self._clock.monotonic())
            self._changed.notify_all()

    # For the deleting fleet

    def next_work(self) -> Work | None:
        """Wait for a call to make; None once all is over."""
        with self._changed:
            while not self._finished:
                now = self._clock.monotonic()
                work = self._clerk.next_work(now=now)
                if work is not None:
                    return work
                wake_at = self._clerk.work_at()
                self._changed.wait(None if wake_at is None else max(0.0, wake_at - now))
            return None

    def work_answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float) -> None:
        """A batch call was answered."""
        with self._changed:
            self._clerk.work_answered(work, failures, started=started, now=self._clock.monotonic())
            self._changed.notify_all()

    def work_failed(self, work: Work, error: SourceUnavailable | SourceRefused) -> None:
        """A batch call failed as a whole."""
        with self._changed:
            self._clerk.work_failed(work, error, now=self._clock.monotonic())
            self._changed.notify_all()

    def thread_broke(self, error: BaseException) -> None:
        """A fleet's thread met what it should not: say so to the consumer rather than die in silence."""
        with self._changed:
            self._clerk.thread_broke(error)
            self._changed.notify_all()

    # For the consumer

    def gather(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> list[Message]:
        """Wait for a full batch, for ``wait_seconds`` at most, and give what there is."""
        with self._changed:
            self._clerk.want(max_messages)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._clerk.ready(max_messages=max_messages, max_bytes=max_bytes), timeout=wait_seconds
            )
            given = self._clerk.give(max_messages=max_messages, max_bytes=max_bytes)
            self._changed.notify_all()
            return given

    def pause(self) -> None:
        """Give no more permits until ``resume``."""
        with self._changed:
            self._clerk.pause()

    def resume(self) -> None:
        """Give permits again."""
        with self._changed:
            self._clerk.resume()
            self._changed.notify_all()

    def settle(self, acknowledgement: Acknowledgement) -> None:
        """Plan the deletes and releases of given messages; ids that were not given are not touched."""
        with self._changed:
            self._clerk.settle(acknowledgement, now=self._clock.monotonic())
            self._changed.notify_all()

    def flush(self, *, timeout_seconds: float) -> bool:
        """Wait until every planned delete and release is answered."""
        with self._changed:
            self._clerk.hurry(True)
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: self._clerk.idle, timeout=timeout_seconds)
            self._clerk.hurry(False)
            return done

    def drained(self) -> bool:
        """Nothing is held, and the queue said that nothing is visible."""
        with self._changed:
            return self._clerk.drained(now=self._clock.monotonic())

    def state(self) -> SourceState:
        """Counts, as they are now."""
        with self._changed:
            return self._clerk.state()

    # For closing

    def begin_closing(self) -> None:
        """Stop receiving, and gather deletes no longer."""
        with self._changed:
            self._clerk.begin_closing()
            self._changed.notify_all()

    def release_unsettled(self) -> None:
        """Plan the release of all that is not settled; see there for when."""
        with self._changed:
            self._clerk.release_unsettled(now=self._clock.monotonic())
            self._changed.notify_all()

    def await_polls(self, *, timeout_seconds: float) -> None:
        """Wait for receive calls under way, as long as that is worth it."""
        with self._changed:
            patience = min(timeout_seconds, self._clerk.patience(now=self._clock.monotonic()))
            self._changed.wait_for(lambda: self._clerk.polling == 0, timeout=patience)

    def finish(self) -> None:
        """End the deleting fleet, whatever is still planned."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()
