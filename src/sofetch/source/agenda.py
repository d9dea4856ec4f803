"""What to call next: deletes and releases gathered into tens, retries after a while, extensions before they are due.

Owns order, gathering and backoff of the calls that settle or extend held messages, and what their answers mean. Pure
state driven by times that are given to it: no threads, no clock, no calls.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sofetch.backoff import backoff_seconds
from sofetch.record import Private
from sofetch.source.lane import Lane
from sofetch.source.registry import UNSETTLED, Held, Registry, Stage
from sofetch.source.transport import MAX_BATCH_ENTRIES, MAX_VISIBILITY_SECONDS, EntryFailure

_MAX_STALE_ATTEMPTS = 3
"""A delivery that the queue calls invalid or not in flight will not become valid; but a moment's doubt is cheap."""

_LIMIT_MARGIN_SECONDS = 5
_SPREAD_SECONDS = 1_200
"""What goes back after a long hold stays invisible for a part of this, differing from message to message."""

_FEW_TIMES = 64
"""So many times that nothing is due at any more are not worth tidying away."""

_ABOUT_DUE = 0.1
"""Extensions due within this part of the timeout go along with one that is due, to fill its call."""


class Call(Enum):
    """The kind of a batch call."""

    DELETE = auto()
    RELEASE = auto()
    EXTEND = auto()


class Entry(Private, frozen=True):
    """One entry of a batch call. ``seconds`` is the visibility to set; 0 and unused for a delete."""

    message_id: str
    receipt_handle: str
    seconds: int


class Work(Private, frozen=True):
    """One batch call to make."""

    call: Call
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class Tally:
    """What has come of the calls so far."""

    deleted: int = 0
    released: int = 0
    extended: int = 0
    lost: int = 0
    given_back: int = 0
    given_up: int = 0
    failed_entries: int = 0
    damaged: int = 0


class Agenda:
    """Plans the calls for the messages of one registry."""

    def __init__(
        self,
        registry: Registry,
        *,
        hold_seconds: float = MAX_VISIBILITY_SECONDS - _SPREAD_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._registry = registry
        self._hold_seconds = hold_seconds
        self.jitter = jitter
        self._lanes = {Call.DELETE: Lane(), Call.RELEASE: Lane()}
        self._due: dict[float, dict[str, None]] = {}
        self._due_times: list[float] = []
        """A heap of the keys of ``_due``, among others that are gone from it."""
        self._rests: dict[Call, float] = {}
        self._under_way = 0
        self._timeout_seconds = 30
        self.tally = Tally()
        self.hurry = False
        """Send what there is, without gathering: set while someone waits for the end."""
        self.released_until = 0.0
        """When the last message released becomes visible again."""

    def set_timeout(self, seconds: int) -> None:
        """The visibility timeout that messages are received with and extended to."""
        self._timeout_seconds = seconds

    def delete(self, held: Held, *, now: float) -> None:
        """Plan the delete of a message whose outcome is durable."""
        self._registry.settle(held, Stage.DELETING)
        self._lanes[Call.DELETE].add(held.message_id, now=now)

    def release(self, held: Held, *, seconds: int, now: float) -> None:
        """Plan to make a message visible again in ``seconds``."""
        self._registry.settle(held, Stage.RELEASING)
        held.release_seconds = seconds
        self._lanes[Call.RELEASE].add(held.message_id, now=now)

    def watch(self, held: Held) -> None:
        """Plan the extension of a delivery at half of its time."""
        self._extend_at(held, held.visible_at - self._timeout_seconds / 2)

    def rest(self, call: Call, *, failures: int, now: float) -> None:
        """Calls of this kind fail, so many in a row: make none for a while. Extensions cannot wait for long."""
        pause = self._backoff(failures)
        self._rests[call] = now + (min(pause, self._timeout_seconds / 10) if call is Call.EXTEND else pause)

    @property
    def idle(self) -> bool:
        """No delete or release is planned, waits to be repeated, or is under way."""
        return not self._under_way and not any(self._lanes.values())

    def next_work(self, *, now: float) -> Work | None:
        """The call to make now: extensions that are due first, for they alone can come too late."""
        entries = self._due_extensions(now) if self._may(Call.EXTEND, now) else []
        if entries:
            return Work(Call.EXTEND, tuple(entries))
        for call in (Call.RELEASE, Call.DELETE):
            if not self._may(call, now):
                continue
            entries = [
                Entry(held.message_id, held.receipt_handle, min(held.release_seconds, self._left_seconds(held, now)))
                for message_id in self._lanes[call].take(now=now, hurry=self.hurry)
                if (held := self._registry.get(message_id)) is not None
            ]
            if entries:
                self._under_way += len(entries)
                return Work(call, tuple(entries))
        return None

    def wake_at(self) -> float | None:
        """When ``next_work`` may next have something; None if nothing is planned."""
        due_at = self._due_at()
        soonest = None if due_at is None else self._rested(Call.EXTEND, due_at)
        for call, lane in self._lanes.items():
            at = lane.wake_at(hurry=self.hurry)
            if at is None:
                continue
            at = self._rested(call, at)
            if soonest is None or at < soonest:
                soonest = at
        return soonest

    def _rested(self, call: Call, at: float) -> float:
        return max(at, self._rests[call]) if call in self._rests else at

    def answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float, now: float) -> None:
        """The call was answered; ``failures`` are the entries that did not succeed."""
        failed = {failure.position: failure for failure in failures}
        self.tally.failed_entries += len(failed)
        for position, entry in enumerate(work.entries):
            self._settle_entry(work.call, entry, failed.get(position), started=started, now=now)

    def failed(self, work: Work, *, now: float) -> None:
        """The call as a whole failed; nothing is known of its entries, so all of them are planned again."""
        nobodys = EntryFailure(0, "", False)
        for entry in work.entries:
            self._settle_entry(work.call, entry, nobodys, started=now, now=now)

    def _settle_entry(
        self, call: Call, entry: Entry, failure: EntryFailure | None, *, started: float, now: float
    ) -> None:
        if call is not Call.EXTEND:
            self._under_way -= 1
        held = self._registry.get(entry.message_id)
        if held is None:
            return
        if call is Call.EXTEND:
            self._settle_extension(held, entry, failure, started=started, now=now)
        elif failure is None:
            self._settle_success(call, held, entry, now=now)
        else:
            self._settle_failure(call, held, entry, failure, now=now)

    def _settle_success(self, call: Call, held: Held, entry: Entry, *, now: float) -> None:
        if held.receipt_handle != entry.receipt_handle:
            # It came again while the call was under way. The newest handle is the one that counts: once more.
            self._lanes[call].add(held.message_id, now=now)
            return
        if call is Call.DELETE:
            self.tally.deleted += 1
        else:
            self.tally.released += 1
            self.released_until = max(self.released_until, now + entry.seconds)
        self._forget(held)

    def _settle_failure(self, call: Call, held: Held, entry: Entry, failure: EntryFailure, *, now: float) -> None:
        held.attempts += 1
        newer_handle = held.receipt_handle != entry.receipt_handle
        stale = failure.sender_fault and not newer_handle and held.attempts >= _MAX_STALE_ATTEMPTS
        # A release may be dropped once the message is visible anyway; a delete of a durable message is never dropped
        # for a passing failure.
        pointless = call is Call.RELEASE and now >= held.visible_at
        if stale or pointless:
            self.tally.given_up += 1
            self.released_until = max(self.released_until, held.visible_at)
            self._forget(held)
        else:
            self._lanes[call].add_later(held.message_id, at=now + self._backoff(held.attempts))

    def _settle_extension(
        self, held: Held, entry: Entry, failure: EntryFailure | None, *, started: float, now: float
    ) -> None:
        if held.receipt_handle != entry.receipt_handle:
            return  # a newer delivery has its own extension planned
        if failure is None:
            self.tally.extended += 1
            held.visible_at = started + entry.seconds
            self._extend_at(held, started + entry.seconds / 2)
        elif failure.sender_fault or now >= held.visible_at:
            self._lose(held)
        else:
            # Sooner than a delete's retry: what is left is at most half of the timeout.
            self._extend_at(held, now + min(self._backoff(1), self._timeout_seconds / 10))

    def _due_extensions(self, now: float) -> list[Entry]:
        entries: list[Entry] = []
        horizon = now
        while (at := self._due_at()) is not None and at <= horizon and len(entries) < MAX_BATCH_ENTRIES:
            message_id = next(iter(self._due[at]))
            held = self._registry.get(message_id)
            if held is None:
                self._unplan(at, message_id)
                continue
            self._unwatch(held)
            if held.stage is Stage.RELEASING:
                continue
            if self._is_held_too_long(held, now):
                self._give_back(held, now)
                continue
            seconds = min(self._timeout_seconds, self._left_seconds(held, now))
            if seconds < 1:
                self._lose(held)
                continue
            entries.append(Entry(message_id, held.receipt_handle, seconds))
            horizon = now + self._timeout_seconds * _ABOUT_DUE
        return entries

    def _left_seconds(self, held: Held, now: float) -> int:
        """How long SQS lets it stay invisible yet."""
        return max(0, int(held.received_at + MAX_VISIBILITY_SECONDS - _LIMIT_MARGIN_SECONDS - now))

    def _extend_at(self, held: Held, at: float) -> None:
        if held.stage in UNSETTLED:
            at = min(at, held.received_at + self._hold_seconds)
        self._unwatch(held)
        held.extend_at = at
        due = self._due.get(at)
        if due is None:
            self._due[at] = {held.message_id: None}
            heapq.heappush(self._due_times, at)
        else:  # what one call brought is due at one time
            due[held.message_id] = None

    def _unwatch(self, held: Held) -> None:
        """No extension is planned for it any more."""
        if held.extend_at is not None:
            self._unplan(held.extend_at, held.message_id)
            held.extend_at = None

    def _unplan(self, at: float, message_id: str) -> None:
        due = self._due[at]
        del due[message_id]
        if due:
            return
        del self._due[at]
        if len(self._due_times) > 2 * len(self._due) + _FEW_TIMES:
            # Nearly all is settled long before it is due, which may be in hours.
            self._due_times = list(self._due)
            heapq.heapify(self._due_times)

    def _due_at(self) -> float | None:
        """When the next extension is due."""
        times = self._due_times
        while times and times[0] not in self._due:
            heapq.heappop(times)
        return times[0] if times else None

    def _forget(self, held: Held) -> None:
        self._unwatch(held)
        self._registry.forget(held)

    def _is_held_too_long(self, held: Held, now: float) -> bool:
        return held.stage in UNSETTLED and now >= held.received_at + self._hold_seconds

    def _give_back(self, held: Held, now: float) -> None:
        """Release it while that can still be done with a delay: past SQS's limit all would be visible at one moment.

        The worker may have it in hand. It need not know: should its load succeed after all, the delete that it asks for
        finds nothing held and is dropped, the message comes again, and the sink's ledger knows its key.
        """
        self._registry.unbuffer(held)
        self.tally.given_back += 1
        spread = min(_SPREAD_SECONDS, self._left_seconds(held, now))
        seconds = int(spread / 2 + spread / 2 * self.jitter())
        for one in (held, *self._registry.take_back([held])):  # what follows it in its FIFO group may not overtake it
            self.release(one, seconds=seconds, now=now)

    def _may(self, call: Call, now: float) -> bool:
        return now >= self._rests.get(call, now)

    def _lose(self, held: Held) -> None:
        """Others may receive it from now on. Its outcome is still tried; the sink's ledger makes doubles harmless."""
        if not held.lost:
            held.lost = True
            self.tally.lost += 1

    def _backoff(self, attempts: int) -> float:
        return backoff_seconds(attempts, jitter=self.jitter)
