"""Where the fleets and the consumer meet: one lock round the clerk, and the waiting for what it has not yet.

Owns the lock and the waiting; what is decided is the ``clerk``'s. Every method may be called from any thread and holds
the lock only for moments; nothing here makes a call to the queue.

Who waits is woken only for something: a receiver for a permit, a deleter for a call to make or a sooner time to look,
the consumer for what it waits for. One of a fleet is woken at a time, and wakes the next if there is more. Waking all
at every change cost more than all that is decided here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

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
        self._lock = threading.RLock()  # a signal may be handled, and a worker told to stop, inside
        self._receivers = threading.Condition(self._lock)
        self._deleters = threading.Condition(self._lock)
        self._consumer = threading.Condition(self._lock)
        self._awaited: Callable[[], bool] | None = None
        self._next_look_at = math.inf
        self.finished = False
        """No calls are wanted any more."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a permit or work may be had that was not there when they were last asked for."""

    def set_timeout(self, seconds: int) -> None:
        """The visibility timeout that messages are received with."""
        with self._lock:
            self._clerk.set_timeout(seconds)

    # For the receiving fleet

    def permit(self) -> Permit | None:
        """Wait until a receive call is wanted and there is room for its answer; None once receiving is over."""
        with self._lock:
            while not self._clerk.receiving_is_over:
                now = self._clock.monotonic()
                permit = self._clerk.permit(now=now)
                if permit is not None:
                    self._wake(now)
                    return permit
                pause = self._clerk.permit_at() - now
                self._receivers.wait(pause if pause > 0 else None)
            return None

    def take_permit(self) -> Permit | None:
        """A permit, if there is one now."""
        with self._lock:
            return self._clerk.permit(now=self._clock.monotonic())

    def look_again_at(self, *, works: bool) -> float:
        """When time alone may bring a permit, or, with ``works``, work; infinity if it will not."""
        with self._lock:
            permit_at = self._clerk.permit_at()
            work_at = self._clerk.work_at() if works else None
        return min(
            permit_at if permit_at > self._clock.monotonic() else math.inf, math.inf if work_at is None else work_at
        )

    def arrived(self, permit: Permit, raws: Sequence[RawMessage]) -> int:
        """A receive call was answered; how many of its messages are damaged."""
        with self._change() as now:
            return self._clerk.arrived(permit, raws, now=now, received_ms=self._clock.now_ms())

    def receive_failed(self, permit: Permit, error: SourceUnavailable | SourceRefused) -> None:
        """A receive call failed."""
        with self._change() as now:
            self._clerk.receive_failed(permit, error, now=now)

    # For the deleting fleet

    def next_work(self) -> Work | None:
        """Wait for a call to make; None once all is over."""
        with self._lock:
            while not self.finished:
                now = self._clock.monotonic()
                self._next_look_at = math.inf
                work = self._clerk.next_work(now=now)
                if work is not None:
                    self._wake(now)
                    return work
                wake_at = self._clerk.work_at()
                if wake_at is not None:
                    self._next_look_at = wake_at
                self._deleters.wait(None if wake_at is None else max(0.0, wake_at - now))
            return None

    def take_work(self) -> Work | None:
        """A call to make, if there is one now."""
        with self._lock:
            work = self._clerk.next_work(now=self._clock.monotonic())
            wake_at = self._clerk.work_at() if work is None else None
            self._next_look_at = math.inf if wake_at is None else wake_at
            return work

    def work_answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float) -> None:
        """A batch call was answered."""
        with self._change() as now:
            self._clerk.work_answered(work, failures, started=started, now=now)

    def work_failed(self, work: Work, error: SourceUnavailable | SourceRefused) -> None:
        """A batch call failed as a whole."""
        with self._change() as now:
            self._clerk.work_failed(work, error, now=now)

    def thread_broke(self, error: BaseException) -> None:
        """A fleet's thread met what it should not: say so to the consumer rather than die in silence."""
        with self._change():
            self._clerk.thread_broke(error)

    # For the consumer

    def gather(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> list[Message]:
        """Wait for a full batch, for ``wait_seconds`` at most, and give what there is."""
        with self._change() as now:
            self._clerk.want(max_messages)
            self._wake(now)
            self._await(
                lambda: self._clerk.ready(max_messages=max_messages, max_bytes=max_bytes), timeout_seconds=wait_seconds
            )
            return self._clerk.give(max_messages=max_messages, max_bytes=max_bytes)

    def pause(self) -> None:
        """Give no more permits until ``resume``."""
        with self._lock:
            self._clerk.pause()

    def resume(self) -> None:
        """Give permits again."""
        with self._change():
            self._clerk.resume()

    def settle(self, acknowledgement: Acknowledgement) -> None:
        """Plan the deletes and releases of given messages; ids that were not given are not touched."""
        with self._change() as now:
            self._clerk.settle(acknowledgement, now=now)

    def flush(self, *, timeout_seconds: float) -> bool:
        """Wait until every planned delete and release is answered."""
        with self._change() as now:
            self._clerk.hurry(True)
            self._wake(now)
            done = self._await(lambda: self._clerk.idle, timeout_seconds=timeout_seconds)
            self._clerk.hurry(False)
            return done

    def drained(self) -> bool:
        """Nothing is held, and the queue said that nothing is visible."""
        with self._lock:
            return self._clerk.drained(now=self._clock.monotonic())

    def state(self) -> SourceState:
        """Counts, as they are now."""
        with self._lock:
            return self._clerk.state()

    # For closing

    def begin_closing(self) -> None:
        """Stop receiving, and gather deletes no longer."""
        with self._change():
            self._clerk.begin_closing()

    def release_unsettled(self) -> None:
        """Plan the release of all that is not settled; see there for when."""
        with self._change() as now:
            self._clerk.release_unsettled(now=now)

    def await_polls(self, *, timeout_seconds: float, impatient: bool = True) -> None:
        """Wait for receive calls under way; as long as that is worth it, unless they are ending."""
        with self._lock:
            worth = self._clerk.patience(now=self._clock.monotonic()) if impatient else math.inf
            patience = min(timeout_seconds, worth)
            self._await(lambda: self._clerk.polling == 0, timeout_seconds=patience)

    def finish(self) -> None:
        """End the deleting fleet, whatever is still planned."""
        with self._lock:
            self.finished = True
            self._deleters.notify_all()
            self.on_change()

    # Waiting and waking

    @contextmanager
    def _change(self) -> Iterator[float]:
        """What is done inside may be what somebody waits for. Gives the time."""
        with self._lock:
            now = self._clock.monotonic()
            try:
                yield now
            finally:
                self._wake(now)

    def _wake(self, now: float) -> None:
        if self._clerk.receiving_is_over:
            self._receivers.notify_all()
        elif self._clerk.wants_receiver(now=now):
            self._receivers.notify()
            self.on_change()
        wake_at = self._clerk.work_at()
        if wake_at is not None and wake_at < self._next_look_at:
            self._next_look_at = wake_at  # the one that is woken looks; another only if something comes sooner yet
            self._deleters.notify()
            self.on_change()
        if self._awaited is not None and self._awaited():
            self._consumer.notify()

    def _await(self, condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
        before, self._awaited = self._awaited, condition
        try:
            return self._consumer.wait_for(condition, timeout=timeout_seconds)
        finally:
            self._awaited = before
