"""What is decided at the desk: who may receive, what is called next, what the consumer is given and told.

Owns the decisions that need the registry, the agenda and the pace together. Pure state driven by times that are given
to it: no threads, no locks, no clock, no calls, no waiting. Where it has nothing to give now it says from when on it
may have; any other call on it may change that. ``desk`` is the lock round it; a simulation drives it without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sofetch.ack import Acknowledgement
from sofetch.backoff import backoff_seconds
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import Message
from sofetch.source.agenda import Agenda, Call, Tally, Work
from sofetch.source.pace import Pace, Poll
from sofetch.source.registry import Held, Registry, Reservation, Stage
from sofetch.source.transport import EntryFailure, RawMessage, in_group_order
from sofetch.source.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one receive call."""

    reservation: Reservation
    poll: Poll


@dataclass(frozen=True, slots=True)
class SourceState:
    """Counts for health and metrics. ``oldest_sent_ms`` is of what is held and not settled, None if that is nothing."""

    held: int
    held_bytes: int
    buffered: int
    polling: int
    failed_receives_in_a_row: int
    tally: Tally
    oldest_sent_ms: int | None = None


class Clerk:
    """State of one source, and what follows from it. Every ``now`` is a reading of the monotonic clock."""

    def __init__(self, registry: Registry, agenda: Agenda, pace: Pace, *, queue: str) -> None:
        self._registry, self._agenda, self._pace = registry, agenda, pace
        self._queue = queue
        self._timeout_seconds = 30
        self._wanted = 0
        self._told_the_end = False
        self._closing = False
        self._paused = False
        self._receive_again_at = 0.0
        self._receives = Trouble()
        self._works = {call: Trouble() for call in Call}
        self._fatal: SourceRefused | None = None

    def set_timeout(self, seconds: int) -> None:
        """The visibility timeout that messages are received with."""
        self._timeout_seconds = seconds
        self._agenda.set_timeout(seconds)

    # For the receiving fleet

    def permit(self, *, now: float) -> Permit | None:
        """Leave for a receive call, if one is wanted now and there is room for its answer."""
        if not self._may_receive(now):
            return None
        reservation = self._registry.reserve()
        return Permit(reservation, self._pace.start(now=now)) if reservation is not None else None

    def wants_receiver(self, *, now: float) -> bool:
        """Whether ``permit`` would give one."""
        return self._may_receive(now) and self._registry.has_room

    def permit_at(self) -> float:
        """Before when ``permit`` gives none, whatever else happens."""
        return self._receive_again_at

    @property
    def receiving_is_over(self) -> bool:
        """No permit will ever be given again."""
        return self._closing or self._fatal is not None

    def arrived(self, permit: Permit, raws: Sequence[RawMessage], *, now: float, received_ms: int) -> int:
        """A receive call was answered. How many of its messages are damaged: they are left to come again."""
        self._registry.free(permit.reservation)
        self._registry.learn_sizes(raws)
        self._pace.answered(len(raws), poll=permit.poll, now=now, settled_at=self._agenda.released_until)
        self._receives.over()
        # The queue handed them out before the poll's wait was over, however long the answer took to get here.
        handed_out = min(now, permit.poll.started + permit.poll.wait_seconds)
        damaged = 0
        held_up: set[str | None] = set()
        for raw in in_group_order(raws):
            if self._registry.get(raw.id) is None and (not raw.whole or raw.fifo_group in held_up):
                damaged += not raw.whole
                held_up |= {raw.fifo_group} - {None}
            else:
                self._take_in(raw, handed_out=handed_out, now=now, received_ms=received_ms)
        self._agenda.tally.damaged += damaged
        return damaged

    def receive_failed(self, permit: Permit, error: SourceUnavailable | SourceRefused, *, now: float) -> None:
        """A receive call failed: no receiver calls again until a backoff is over."""
        self._registry.free(permit.reservation)
        self._pace.failed(permit.poll)
        self._note(self._receives, error)
        self._receive_again_at = now + backoff_seconds(self._receives.failures, jitter=self._agenda.jitter)

    # For the deleting fleet

    def next_work(self, *, now: float) -> Work | None:
        """The batch call to make now, if there is one."""
        return self._agenda.next_work(now=now)

    def work_at(self) -> float | None:
        """When ``next_work`` may next have something; None if nothing is planned."""
        return self._agenda.wake_at()

    def work_answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float, now: float) -> None:
        """A batch call was answered."""
        visible_by = self._agenda.released_until
        self._agenda.answered(work, failures, started=started, now=now)
        if self._agenda.released_until > visible_by:
            self._pace.forget_empty()
        self._works[work.call].over()

    def work_failed(self, work: Work, error: SourceUnavailable | SourceRefused, *, now: float) -> None:
        """A batch call failed as a whole: no deleter makes one of its kind again until a backoff is over."""
        self._agenda.failed(work, now=now)
        self._note(self._works[work.call], error)
        self._agenda.rest(work.call, failures=self._works[work.call].failures, now=now)

    def thread_broke(self, error: BaseException) -> None:
        """A fleet's thread met what it should not: the consumer is to be told."""
        self._fatal = SourceRefused(
            f"the SQS source broke inside ({type(error).__name__})",
            hint="please report it; nothing is lost, restart the worker",
            code="source_broken",
        )

    # For the consumer

    def want(self, max_messages: int) -> None:
        """The consumer asks for a batch of so many."""
        # As much again as is asked for is fetched ahead, and no more: what waits here while the sink is out must be
        # kept invisible, call by call.
        self._wanted = 2 * max_messages
        if self._told_the_end:  # and yet more is asked for
            self._pace.forget_empty()
            self._told_the_end = False

    def ready(self, *, max_messages: int, max_bytes: int) -> bool:
        """Whether it is of no use to wait for more before giving."""
        enough = self._registry.buffered >= max_messages or self._registry.buffered_bytes >= max_bytes
        return enough or self.receiving_is_over

    def give(self, *, max_messages: int, max_bytes: int) -> list[Message]:
        """What there is for the consumer. Raises what it must know, if that is nothing."""
        if self._closing:
            return []
        given = self._registry.give(max_messages=max_messages, max_bytes=max_bytes)
        if not given:
            self._raise_trouble()
        return given

    def pause(self) -> None:
        """Give no more permits until ``resume``."""
        self._paused = True

    def resume(self) -> None:
        """Give permits again."""
        self._paused = False

    def settle(self, acknowledgement: Acknowledgement, *, now: float) -> None:
        """Plan the deletes and releases of given messages; ids that were not given are not touched."""
        for message_id in acknowledgement.delete:
            if (held := self._given(message_id)) is not None:
                self._agenda.delete(held, now=now)
        released = [held for message_id in acknowledgement.release if (held := self._given(message_id)) is not None]
        self._release(released, seconds=acknowledgement.release_after_seconds, now=now)

    def hurry(self, hurry: bool) -> None:
        """Gather deletes and releases no longer, while someone waits for them."""
        self._agenda.hurry = hurry or self._closing

    @property
    def idle(self) -> bool:
        """Every planned delete and release is answered."""
        return self._agenda.idle

    def drained(self, *, now: float) -> bool:
        """Nothing is held, and the queue said that nothing is visible."""
        self._pace.await_end()
        over = now >= self._agenda.released_until
        settled = len(self._registry) == 0 and self._agenda.idle
        self._told_the_end = settled and over and self._pace.empty()
        return self._told_the_end

    def state(self) -> SourceState:
        """Counts, as they are now."""
        return SourceState(
            held=len(self._registry),
            held_bytes=self._registry.held_bytes,
            buffered=self._registry.buffered,
            polling=self._pace.polling,
            failed_receives_in_a_row=self._receives.failures,
            tally=self._agenda.tally,
            oldest_sent_ms=self._registry.oldest_sent_ms,
        )

    # For closing

    def begin_closing(self) -> None:
        """Stop receiving, and gather deletes no longer."""
        self._closing = True
        self._agenda.hurry = True

    @property
    def polling(self) -> int:
        """Receive calls under way."""
        return self._pace.polling

    def patience(self, *, now: float) -> float:
        """How long receive calls under way are worth waiting for."""
        return self._pace.patience(now=now)

    def release_unsettled(self, *, now: float) -> None:
        """Plan the release of all that is not settled. To be called once no receive is under way: it would bring the
        same messages again, and wear out their receive counts.
        """
        self._registry.drop_buffer()
        for held in self._registry.unsettled():
            self._agenda.release(held, seconds=0, now=now)

    def _may_receive(self, now: float) -> bool:
        return (
            not self.receiving_is_over
            and not self._paused
            and now >= self._receive_again_at
            and self._registry.buffered < self._wanted
            and self._pace.may_poll()
        )

    def _take_in(self, raw: RawMessage, *, handed_out: float, now: float, received_ms: int) -> None:
        held = self._registry.arrive(raw, received_at=handed_out, visible_at=handed_out + self._timeout_seconds)
        if held is None:
            again = self._registry.get(raw.id)
            if again is not None and again.receipt_handle == raw.receipt_handle:
                self._agenda.watch(again)
        elif (forerunner := self._registry.forerunner(held)) is not None:
            # Given now, it would be loaded before the one that goes back.
            self._agenda.release(held, seconds=forerunner.release_seconds, now=now)
        else:
            self._registry.buffer(raw.message(queue=self._queue, received_ms=received_ms))
            self._agenda.watch(held)

    def _release(self, released: Sequence[Held], *, seconds: int, now: float) -> None:
        """These go back, and with them what is not given yet of their FIFO groups: it must not overtake them."""
        for held in (*released, *self._registry.take_back(released)):
            self._agenda.release(held, seconds=seconds, now=now)

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
