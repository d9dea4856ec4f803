"""One thread for all calls under way that go well, over sockets that it need not wait for.

Owns that thread, and threads for what must be waited for: connecting, and the calls that another way than the fast path
must make. What to do comes from the desk and what came of it goes back there. A thread a call cost more in waking and
in handing the interpreter over than the call itself (decision 13).
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

from sofetch.ports import Clock
from sofetch.source.agenda import Call, Work
from sofetch.source.clerk import Permit
from sofetch.source.desk import Desk
from sofetch.source.fleets import Caller, Fleet, changes_of, handles_of
from sofetch.source.flight import Flight, NoAnswer
from sofetch.source.metered import Meter
from sofetch.source.transport import EntryFailure, LoopTransport, RawMessage

_T = TypeVar("_T")


class _UnderWay(Generic[_T]):
    """A call, what to do with what it brings, and what to do if it brings nothing."""

    def __init__(self, flight: Flight[_T], *, done: Callable[[_T], None], failed: Callable[[], None]) -> None:
        self.flight = flight
        self._done = done
        self.failed = failed

    def step(self) -> bool:
        """Whether the call is over; see ``Flight.step``."""
        found = self.flight.step()
        if found is None:
            return False
        self._done(found)
        return True


class CallLoop:
    """Fills what ``Fleets`` is to the source. As many calls as there would be threads are under way at most."""

    def __init__(
        self,
        caller: Caller,
        desk: Desk,
        transport: LoopTransport,
        *,
        meter: Meter,
        receivers: int,
        deleters: int,
        visibility_timeout_seconds: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._caller = caller
        self._desk = desk
        self._transport = transport
        self._meter = meter
        self._visibility_timeout_seconds = visibility_timeout_seconds
        self._clock = clock
        self._free_deleters = threading.Semaphore(deleters)
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._waiting = Fleet("call", size=receivers + deleters, desk=desk, step=self._one_task)
        self._thread = threading.Thread(target=self._run, name="sofetch-calls", daemon=True)
        self._flights: dict[int, _UnderWay[list[RawMessage]] | _UnderWay[list[EntryFailure]]] = {}
        self._watched: dict[int, tuple[object, int]] = {}
        self._next_expiry = math.inf
        self._is_rung = False

    def start(self) -> None:
        """Begin."""
        self._selector = selectors.DefaultSelector()
        self._bell, self._rung = socket.socketpair()
        for end in (self._bell, self._rung):
            end.setblocking(False)
        self._selector.register(self._rung, selectors.EVENT_READ)
        self._desk.on_change = self._ring
        self._waiting.start()
        self._thread.start()

    def join_receiving(self, *, timeout_seconds: float) -> None:
        """Wait for the receive calls under way, once receiving is over."""
        self._desk.await_polls(timeout_seconds=timeout_seconds, impatient=False)

    def join(self, *, timeout_seconds: float) -> None:
        """Wait for all other calls, once the desk is finished."""
        deadline = self._clock.monotonic() + timeout_seconds
        self._thread.join(timeout_seconds)
        for _ in range(self._waiting.size):
            self._tasks.put(None)
        self._waiting.join(timeout_seconds=max(0.0, deadline - self._clock.monotonic()), clock=self._clock)
        self._bell.close()

    # In the thread of the loop

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:  # noqa: BLE001  # a thread that dies unseen would look like an empty queue
            self._desk.thread_broke(error)
        finally:
            for under_way in self._flights.values():
                under_way.flight.give_up()
            self._selector.close()
            self._rung.close()

    def _turn(self) -> bool:
        self._begin_receives()
        self._begin_works()
        if self._desk.finished:
            return False
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._rung:
                with contextlib.suppress(BlockingIOError):
                    self._rung.recv(64)
                self._is_rung = False  # not before, or what rings in between is taken for heard; the next turn looks
            else:
                self._advance(key.fd)
        self._expire()
        return True

    def _begin_receives(self) -> None:
        while (permit := self._desk.take_permit()) is not None:
            flight = self._transport.begin_receive(
                max_messages=permit.reservation.messages,
                wait_seconds=permit.poll.wait_seconds,
                visibility_timeout_seconds=self._visibility_timeout_seconds(),
            )
            if flight is None:
                self._tasks.put(partial(self._caller.receive, permit))
                continue
            self._meter.receives()
            self._launch(
                _UnderWay(
                    flight,
                    done=partial(self._received, permit),
                    failed=partial(self._hand_over_receive, permit, flight),
                )
            )

    def _begin_works(self) -> None:
        while self._free_deleters.acquire(blocking=False):
            work = self._desk.take_work()
            if work is None:
                self._free_deleters.release()
                return
            if work.call is Call.DELETE:
                flight = self._transport.begin_delete(handles_of(work))
            else:
                flight = self._transport.begin_change(changes_of(work))
            if flight is None:
                self._tasks.put(partial(self._work_and_free, work))
                continue
            (self._meter.deletes if work.call is Call.DELETE else self._meter.changes_visibility)()
            self._launch(
                _UnderWay(
                    flight,
                    done=partial(self._worked, work, self._clock.monotonic()),
                    failed=partial(self._hand_over_work, work, flight),
                )
            )

    def _launch(self, under_way: _UnderWay[list[RawMessage]] | _UnderWay[list[EntryFailure]]) -> None:
        number = under_way.flight.fileno()
        self._flights[number] = under_way
        self._advance(number)
        self._next_expiry = min(self._next_expiry, under_way.flight.deadline)

    def _advance(self, number: int) -> None:
        under_way = self._flights.get(number)
        if under_way is None:
            self._forget(number)  # an idle connection has ended, or is used by another thread
            return
        try:
            if not under_way.step():
                self._watch(number, under_way.flight)
                return
        except NoAnswer:
            self._forget(number)
            under_way.failed()
        del self._flights[number]

    def _received(self, permit: Permit, raws: list[RawMessage]) -> None:
        self._meter.received(raws)
        self._caller.arrived(permit, raws)

    def _worked(self, work: Work, started: float, failures: list[EntryFailure]) -> None:
        self._free_deleters.release()
        self._caller.answered(work, failures, started=started)

    def _watch(self, number: int, flight: Flight[list[RawMessage]] | Flight[list[EntryFailure]]) -> None:
        """A connection stays registered while it is idle: the next call over it costs no call to the kernel."""
        wanted = (flight.connection, selectors.EVENT_WRITE if flight.sending else selectors.EVENT_READ)
        known = self._watched.get(number)
        if known == wanted:
            return
        if known is not None and known[0] is flight.connection:
            self._selector.modify(number, wanted[1])
        else:
            self._forget(number)  # of a connection that was closed, whose number this one has
            self._selector.register(number, wanted[1])
        self._watched[number] = wanted

    def _forget(self, number: int) -> None:
        if self._watched.pop(number, None) is not None:
            self._selector.unregister(number)

    def _expire(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_expiry:
            return
        for number, under_way in list(self._flights.items()):
            if under_way.flight.deadline <= now:
                self._forget(number)
                under_way.flight.give_up()
                under_way.failed()
                del self._flights[number]
        self._next_expiry = min((it.flight.deadline for it in self._flights.values()), default=math.inf)

    def _patience(self) -> float | None:
        free = self._free_deleters.acquire(blocking=False)
        if free:
            self._free_deleters.release()
        at = min(self._next_expiry, self._desk.look_again_at(works=free))
        return None if at == math.inf else max(0.0, at - self._clock.monotonic())

    # Waited for in other threads

    def _hand_over_receive(self, permit: Permit, flight: Flight[list[RawMessage]]) -> None:
        def call() -> list[RawMessage]:
            raws = flight.instead()
            self._meter.received(raws)
            return raws

        self._tasks.put(partial(self._caller.receive, permit, call))

    def _hand_over_work(self, work: Work, flight: Flight[list[EntryFailure]]) -> None:
        self._tasks.put(partial(self._work_and_free, work, flight.instead))

    def _work_and_free(self, work: Work, call: Callable[[], list[EntryFailure]] | None = None) -> None:
        self._caller.work(work, call)
        self._free_deleters.release()
        self._ring()

    def _one_task(self) -> bool:
        task = self._tasks.get()
        if task is None:
            return False
        task()
        return True

    def _ring(self) -> None:
        """Wake the loop, from any thread."""
        if threading.current_thread() is self._thread or self._is_rung:
            return
        self._is_rung = True
        with contextlib.suppress(OSError):  # full is rung; closed is over
            self._bell.send(b"!")
