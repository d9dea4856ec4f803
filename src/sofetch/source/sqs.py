"""The SQS source: fills ``ports.Source`` with a receiving fleet and a deleting fleet round one desk.

Owns the order of starting and closing. The rules are in ``registry`` (what is held), ``agenda`` (what to call),
``pace`` (how many poll) and ``clerk`` (the three together); ``desk`` is its lock, the wire is a ``Transport``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.events import Events
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.settings import SourceSettings
from sofetch.source.agenda import Agenda
from sofetch.source.clerk import Clerk, SourceState
from sofetch.source.desk import Desk
from sofetch.source.fleets import Fleet, deleting_step, receiving_step
from sofetch.source.metered import MeteredTransport
from sofetch.source.pace import Pace
from sofetch.source.registry import Registry
from sofetch.source.transport import Transport

_LEAST_VISIBILITY_SECONDS = 2
_JOIN_SECONDS = 2.0


class SqsSource:
    """One queue as a ``ports.Source``; see there for what is guaranteed. Threads start with the first ``receive``.

    ``drained`` means that nothing was visible: it does not wait for delayed messages or for those that others hold.
    Once it was asked, long polls are short, so that the end is noticed within a second. It trusts long polls, which ask
    all of SQS's servers, and not the approximate counts, which lag by up to a minute.
    """

    def __init__(
        self, settings: SourceSettings, *, transport: Transport, clock: Clock, events: Events | None = None
    ) -> None:
        self._transport = transport = MeteredTransport(transport)
        self._clock = clock
        self._configured_timeout_seconds = settings.visibility_timeout_seconds
        self._timeout_seconds = 30
        registry = Registry(max_messages=settings.max_in_flight, max_bytes=settings.max_in_flight_bytes)
        pace = Pace(receivers=settings.receivers, wait_seconds=settings.wait_seconds)
        agenda = Agenda(registry, hold_seconds=settings.hold_seconds)
        clerk = Clerk(registry, agenda, pace, queue=transport.queue_name)
        self._desk = desk = Desk(clerk, clock=clock)
        receive = receiving_step(
            desk,
            transport,
            visibility_timeout_seconds=lambda: self._timeout_seconds,
            events=events or Events(),
        )
        self._receivers = Fleet("receive", size=settings.receivers, desk=desk, step=receive)
        work = deleting_step(desk, transport, clock=clock)
        self._deleters = Fleet("delete", size=settings.deleters, desk=desk, step=work)
        self._lifecycle = threading.RLock()  # a signal handler may close while closing
        self._started = False
        self._closed = False

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        """The next batch; see ``ports.Source.receive``. After ``close`` nothing comes.

        Passing trouble is retried inside and raised only when three receives in a row failed and nothing is at hand.
        """
        self._start()
        return self._desk.gather(max_messages=max_messages, max_bytes=max_bytes, wait_seconds=wait_seconds)

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Plan deletes and releases; see ``ports.Source.acknowledge``."""
        self._desk.settle(acknowledgement)

    def pause(self) -> None:
        """Begin no more receive calls; see ``ports.Source.pause``. What is held goes on being extended."""
        self._desk.pause()

    def resume(self) -> None:
        """Receive again."""
        self._desk.resume()

    def flush(self, *, timeout_seconds: float) -> bool:
        """Wait until every planned delete and release is answered; True if all were."""
        return self._desk.flush(timeout_seconds=timeout_seconds)

    def drained(self) -> bool:
        """Nothing was visible in the queue, and nothing is held here."""
        return self._desk.drained()

    def calls(self) -> Calls:
        """The calls that were made to the queue so far."""
        return self._transport.calls()

    def state(self) -> SourceState:
        """Counts for health and metrics."""
        return self._desk.state()

    def close(self, *, grace_seconds: float) -> None:
        """Stop receiving, finish the deletes, release the rest, end every thread; idempotent.

        With no grace nothing more is said to the queue: what is held comes back when its visibility runs out.
        """
        with self._lifecycle:
            if self._closed:
                return
            self._closed = True
            if self._started:
                self._stop_fleets(self._clock.monotonic() + grace_seconds)
            self._transport.close()

    def _start(self) -> None:
        with self._lifecycle:
            if self._started or self._closed:
                return
            self._timeout_seconds = self._visibility_timeout_seconds()
            self._desk.set_timeout(self._timeout_seconds)
            self._receivers.start()
            self._deleters.start()
            self._started = True

    def _visibility_timeout_seconds(self) -> int:
        """Asked for at every receive, too, so that a change of the queue's own while we run does not mislead us."""
        if self._configured_timeout_seconds is not None:
            return self._configured_timeout_seconds
        return max(_LEAST_VISIBILITY_SECONDS, self._transport.visibility_timeout_seconds())

    def _stop_fleets(self, deadline: float) -> None:
        self._desk.begin_closing()
        self._desk.await_polls(timeout_seconds=max(0.0, deadline - self._clock.monotonic()))
        self._transport.interrupt()
        self._receivers.join(timeout_seconds=_JOIN_SECONDS, clock=self._clock)
        self._desk.release_unsettled()
        self._desk.flush(timeout_seconds=max(0.0, deadline - self._clock.monotonic()))
        self._desk.finish()
        self._deleters.join(timeout_seconds=_JOIN_SECONDS, clock=self._clock)
