"""The threads: a receiving fleet that long-polls and a deleting fleet that deletes, releases and extends.

Owns the threads and nothing else; what to do comes from the desk and what came of it goes back there. Threads are
daemons so that a call which cannot be ended does not hold up the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import assert_never

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.events import Events, MessagesDamaged
from sofetch.faults import crash_point
from sofetch.ports import Clock
from sofetch.source.agenda import Call, Work
from sofetch.source.desk import Desk
from sofetch.source.transport import EntryFailure, Transport, VisibilityChange


class Fleet:
    """Threads that run the same loop. Named by role and number, never by anything of a message."""

    def __init__(self, role: str, *, size: int, desk: Desk, step: Callable[[], bool]) -> None:
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


def receiving_step(
    desk: Desk, transport: Transport, *, visibility_timeout_seconds: Callable[[], int], events: Events
) -> Callable[[], bool]:
    """One receive call; False when receiving is over."""

    def step() -> bool:
        permit = desk.permit()
        if permit is None:
            return False
        try:
            raws = transport.receive(
                max_messages=permit.reservation.messages,
                wait_seconds=permit.poll.wait_seconds,
                visibility_timeout_seconds=visibility_timeout_seconds(),
            )
        except (SourceUnavailable, SourceRefused) as error:
            desk.receive_failed(permit, error)
        else:
            damaged = desk.arrived(permit, raws)
            if damaged:
                events.emit(MessagesDamaged(count=damaged))
        return True

    return step


def deleting_step(desk: Desk, transport: Transport, *, clock: Clock) -> Callable[[], bool]:
    """One batch call of the agenda; False when all is over."""

    def step() -> bool:
        work = desk.next_work()
        if work is None:
            return False
        started = clock.monotonic()
        try:
            failures = _call(transport, work)
        except (SourceUnavailable, SourceRefused) as error:
            desk.work_failed(work, error)
        else:
            desk.work_answered(work, failures, started=started)
        return True

    return step


def _call(transport: Transport, work: Work) -> list[EntryFailure]:
    match work.call:
        case Call.DELETE:
            failures = transport.delete_batch([entry.receipt_handle for entry in work.entries])
            crash_point("mid_delete")
            return failures
        case Call.RELEASE | Call.EXTEND:
            return transport.change_visibility_batch(
                [VisibilityChange(entry.receipt_handle, entry.seconds) for entry in work.entries]
            )
        case _:
            assert_never(work.call)
