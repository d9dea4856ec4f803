"""Where the fleets and the consumer meet: one lock round the registry, the agenda and the pace.

Every method may be called from any thread and holds the lock only for moments; nothing here makes a call to the queue.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sofetch.ack import Acknowledgement
from sofetch.backoff import backoff_seconds
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.source.agenda import Agenda, Call, Tally, Work
from sofetch.source.pace import Pace, Poll
from sofetch.source.registry import Held, Registry, Reservation, Stage
from sofetch.source.transport import EntryFailure, RawMessage
from sofetch.source.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one receive call."""

    reservation: Reservation
    poll: Poll


@dataclass(frozen=True, slots=True)
class SourceState:
    """Counts for health and metrics."""

    held: int
    held_bytes: int
    buffered: int
    polling: int
    failed_receives_in_a_row: int
    tally: Tally


class Desk:
    """Shared state of one source."""

    def __init__(self, registry: Registry, agenda: Agenda, pace: Pace, *, clock: Clock, queue: str) -> None:
        self._registry, self._agenda, self._pace = registry, agenda, pace
        self._clock = clock
        self._queue = queue
        self._timeout_seconds = 30
        self._changed = threading.Condition()
        self._wanted = 0
        self._told_the_end = False
        self._closing = False
        self._finished = False
        self._paused_until = 0.0
        self._receives = Trouble()
        self._works = {call: Trouble() for call in Call}
        self._fatal: SourceRefused | None = None

    def set_timeout(self, seconds: int) -> None:
        """The visibility timeout that messages are received with."""
        self._timeout_seconds = seconds
        self._agenda.set_timeout(seconds)

    # For the receiving fleet

    def permit(self) -> Permit | None:
        """Wait until a receive call is wanted and there is room for its answer; None once receiving is over."""
        with self._changed:
            while not self._receiving_is_over():
                now = self._clock.monotonic()
                pause = self._paused_until - now
                if pause <= 0 and self._registry.buffered < self._wanted and self._pace.may_poll():
                    reservation = self._registry.reserve()
                    if reservation is not None:
                        return Permit(reservation, self._pace.start(now=now))
                self._changed.wait(pause if pause > 0 else None)
            return None

    def arrived(self, permit: Permit, raws: list[RawMessage]) -> None:
        """A receive call was answered."""
        with self._changed:
            now = self._clock.monotonic()
            self._registry.free(permit.reservation)
            self._registry.learn_sizes(raws)
            self._pace.answered(len(raws), poll=permit.poll, now=now, settled_at=self._agenda.released_until)
            self._receives.over()
            received_ms = self._clock.now_ms()
            for raw in raws:
                self._take_in(raw, now=now, received_ms=received_ms)
            self._changed.notify_all()

    def receive_failed(self, permit: Permit, error: SourceUnavailable | SourceRefused) -> None:
        """A receive call failed: no receiver calls again until a backoff is over."""
        with self._changed:
            self._registry.free(permit.reservation)
            self._pace.failed(permit.poll)
            self._note(self._receives, error)
            delay = backoff_seconds(self._receives.failures, jitter=self._agenda.jitter)
            self._paused_until = self._clock.monotonic() + delay
            self._changed.notify_all()

    # For the deleting fleet

    def next_work(self) -> Work | None:
        """Wait for a call to make; None once all is over."""
        with self._changed:
            while not self._finished:
                now = self._clock.monotonic()
                work = self._agenda.next_work(now=now)
                if work is not None:
                    return work
                wake_at = self._agenda.wake_at()
                self._changed.wait(None if wake_at is None else max(0.0, wake_at - now))
            return None

    def work_answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float) -> None:
        """A batch call was answered."""
        with self._changed:
            visible_by = self._agenda.released_until
            self._agenda.answered(work, failures, started=started, now=self._clock.monotonic())
            if self._agenda.released_until > visible_by:
                self._pace.forget_empty()
            self._works[work.call].over()
            self._changed.notify_all()

    def work_failed(self, work: Work, error: SourceUnavailable | SourceRefused) -> None:
        """A batch call failed as a whole."""
        with self._changed:
            self._agenda.failed(work, now=self._clock.monotonic())
            self._note(self._works[work.call], error)
            self._changed.notify_all()

    def thread_broke(self, error: BaseException) -> None:
        """A fleet's thread met what it should not: say so to the consumer rather than die in silence."""
        with self._changed:
            self._fatal = SourceRefused(
                f"the SQS source broke inside ({type(error).__name__})",
                hint="please report it; nothing is lost, restart the worker",
                code="source_broken",
            )
            self._changed.notify_all()

    # For the consumer

    def gather(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> list[Message]:
        """Wait for a full batch, for ``wait_seconds`` at most, and give what there is."""
        with self._changed:
            # As much again as is asked for is fetched ahead, and no more: what waits here while the sink is out
            # must be kept invisible, call by call.
            self._wanted = 2 * max_messages
            if self._told_the_end:  # and yet more is asked for
                self._pace.forget_empty()
                self._told_the_end = False
            self._changed.notify_all()

            def full() -> bool:
                enough = self._registry.buffered >= max_messages or self._registry.buffered_bytes >= max_bytes
                return enough or self._closing or self._fatal is not None

            self._changed.wait_for(full, timeout=wait_seconds)
            if self._closing:
                return []
            given = self._registry.give(max_messages=max_messages, max_bytes=max_bytes)
            if not given:
                self._raise_trouble()
            self._changed.notify_all()
            return given

    def settle(self, acknowledgement: Acknowledgement) -> None:
        """Plan the deletes and releases of given messages; ids that were not given are not touched."""
        with self._changed:
            now = self._clock.monotonic()
            for message_id in acknowledgement.delete:
                if (held := self._given(message_id)) is not None:
                    self._agenda.delete(held, now=now)
            for message_id in acknowledgement.release:
                if (held := self._given(message_id)) is not None:
                    self._agenda.release(held, seconds=acknowledgement.release_after_seconds, now=now)
            self._changed.notify_all()

    def flush(self, *, timeout_seconds: float) -> bool:
        """Wait until every planned delete and release is answered."""
        with self._changed:
            self._agenda.hurry = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: self._agenda.idle, timeout=timeout_seconds)
            self._agenda.hurry = self._closing
            return done

    def drained(self) -> bool:
        """Nothing is held, and the queue said that nothing is visible."""
        with self._changed:
            self._pace.await_end()
            over = self._clock.monotonic() >= self._agenda.released_until
            settled = len(self._registry) == 0 and self._agenda.idle
            self._told_the_end = settled and over and self._pace.empty()
            return self._told_the_end

    def state(self) -> SourceState:
        """Counts, as they are now."""
        with self._changed:
            registry = self._registry
            return SourceState(
                held=len(registry),
                held_bytes=registry.held_bytes,
                buffered=registry.buffered,
                polling=self._pace.polling,
                failed_receives_in_a_row=self._receives.failures,
                tally=self._agenda.tally,
            )

    # For closing

    def begin_closing(self) -> None:
        """Stop receiving, and gather deletes no longer."""
        with self._changed:
            self._closing = True
            self._agenda.hurry = True
            self._changed.notify_all()

    def release_unsettled(self) -> None:
        """Plan the release of all that is not settled. To be called once no receive is under way: it would bring the
        same messages again, and wear out their receive counts.
        """
        with self._changed:
            self._registry.drop_buffer()
            for held in self._registry.unsettled():
                self._agenda.release(held, seconds=0, now=self._clock.monotonic())
            self._changed.notify_all()

    def await_polls(self, *, timeout_seconds: float) -> None:
        """Wait for receive calls under way, as long as that is worth it."""
        with self._changed:
            patience = min(timeout_seconds, self._pace.patience(now=self._clock.monotonic()))
            self._changed.wait_for(lambda: self._pace.polling == 0, timeout=patience)

    def finish(self) -> None:
        """End the deleting fleet, whatever is still planned."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _take_in(self, raw: RawMessage, *, now: float, received_ms: int) -> None:
        held = self._registry.arrive(raw, received_at=now, visible_at=now + self._timeout_seconds)
        if held is None:
            again = self._registry.get(raw.id)
            assert again is not None  # noqa: S101  # arrive found it
            self._agenda.watch(again)
        else:
            self._registry.buffer(raw.message(queue=self._queue, received_ms=received_ms))
            self._agenda.watch(held)

    def _given(self, message_id: str) -> Held | None:
        held = self._registry.get(message_id)
        return held if held is not None and held.stage is Stage.GIVEN else None

    def _note(self, trouble: Trouble, error: SourceUnavailable | SourceRefused) -> None:
        trouble.failed(error)
        self._fatal = self._fatal or trouble.final

    def _raise_trouble(self) -> None:
        if self._fatal is not None:
            raise self._fatal.with_traceback(None)
        for trouble in (self._receives, *self._works.values()):
            if trouble.worth_telling is not None:
                raise trouble.worth_telling.with_traceback(None)

    def _receiving_is_over(self) -> bool:
        return self._closing or self._fatal is not None
