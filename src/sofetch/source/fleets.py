"""A thread for each call under way: a receiving fleet that long-polls, and one that deletes, releases and extends.

Owns the threads and the calls that wait; what to do comes from the desk and what came of it goes back there. Threads
are daemons so that a call which cannot be ended does not hold up the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.events import Events, MessagesDamaged
from sofetch.faults import crash_point
from sofetch.ports import Clock
from sofetch.source.agenda import Call, Work
from sofetch.source.clerk import Permit
from sofetch.source.desk import Desk
from sofetch.source.transport import EntryFailure, RawMessage, Transport, VisibilityChange


class Fleet:
    """Threads that run the same loop. Named by role and number, never by anything of a message."""

    def __init__(self, role: str, *, size: int, desk: Desk, step: Callable[[], bool]) -> None:
        self.size = size
        self._desk = desk
        self._step = step
        self._threads = [
            threading.Thread(target=self._run, name=f"sofetch-{role}-{number}", daemon=True) for number in range(size)
        ]

    def start(self) -> None:
        """Start every thread."""
        for thread in self._threads:
            thread.start()

    def join(self, *, timeout_seconds: float, clock: Clock) -> bool:
        """Wait for every thread to end, ``timeout_seconds`` at most for all; whether all did."""
        deadline = clock.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001  # a thread that dies unseen would look like an empty queue
            self._desk.thread_broke(error)


class Caller:
    """Makes the calls that the desk asks for, waits for their answers, and brings it what came of them."""

    def __init__(
        self,
        desk: Desk,
        transport: Transport,
        *,
        visibility_timeout_seconds: Callable[[], int],
        clock: Clock,
        events: Events,
    ) -> None:
        self._desk = desk
        self._transport = transport
        self._visibility_timeout_seconds = visibility_timeout_seconds
        self._clock = clock
        self._events = events

    def receiving_step(self) -> bool:
        """One receive call; False when receiving is over."""
        permit = self._desk.permit()
        if permit is None:
            return False
        self.receive(permit)
        return True

    def deleting_step(self) -> bool:
        """One batch call of the agenda; False when all is over."""
        work = self._desk.next_work()
        if work is None:
            return False
        self.work(work)
        return True

    def receive(self, permit: Permit, call: Callable[[], Sequence[RawMessage]] | None = None) -> None:
        """Receive by ``call``, or by the transport."""
        try:
            raws = call() if call is not None else self._received(permit)
        except (SourceUnavailable, SourceRefused) as error:
            self._desk.receive_failed(permit, error)
        else:
            self.arrived(permit, raws)

    def work(self, work: Work, call: Callable[[], Sequence[EntryFailure]] | None = None) -> None:
        """Do work by ``call``, or by the transport."""
        started = self._clock.monotonic()
        try:
            failures = call() if call is not None else self._worked(work)
        except (SourceUnavailable, SourceRefused) as error:
            self._desk.work_failed(work, error)
        else:
            self.answered(work, failures, started=started)

    def arrived(self, permit: Permit, raws: Sequence[RawMessage]) -> None:
        """A receive call brought these."""
        damaged = self._desk.arrived(permit, raws)
        if damaged:
            self._events.emit(MessagesDamaged(count=damaged))

    def answered(self, work: Work, failures: Sequence[EntryFailure], *, started: float) -> None:
        """A batch call that began at ``started`` was answered."""
        if work.call is Call.DELETE:
            crash_point("mid_delete")
        self._desk.work_answered(work, failures, started=started)

    def _received(self, permit: Permit) -> Sequence[RawMessage]:
        return self._transport.receive(
            max_messages=permit.reservation.messages,
            wait_seconds=permit.poll.wait_seconds,
            visibility_timeout_seconds=self._visibility_timeout_seconds(),
        )

    def _worked(self, work: Work) -> Sequence[EntryFailure]:
        if work.call is Call.DELETE:
            return self._transport.delete_batch(handles_of(work))
        return self._transport.change_visibility_batch(changes_of(work))


def handles_of(work: Work) -> list[str]:
    """What a delete call takes."""
    return [entry.receipt_handle for entry in work.entries]


def changes_of(work: Work) -> list[VisibilityChange]:
    """What a call that changes visibility takes."""
    return [VisibilityChange(entry.receipt_handle, entry.seconds) for entry in work.entries]


class Fleets:
    """A receiving and a deleting fleet, where each call under way has a thread."""

    def __init__(self, caller: Caller, desk: Desk, *, receivers: int, deleters: int, clock: Clock) -> None:
        self._clock = clock
        self.receiving = Fleet("receive", size=receivers, desk=desk, step=caller.receiving_step)
        self.deleting = Fleet("delete", size=deleters, desk=desk, step=caller.deleting_step)

    def start(self) -> None:
        """Begin."""
        self.receiving.start()
        self.deleting.start()

    def join_receiving(self, *, timeout_seconds: float) -> None:
        """Wait for the receive calls under way, once receiving is over."""
        self.receiving.join(timeout_seconds=timeout_seconds, clock=self._clock)

    def join(self, *, timeout_seconds: float) -> None:
        """Wait for all other calls, once the desk is finished."""
        self.deleting.join(timeout_seconds=timeout_seconds, clock=self._clock)
