"""The SQS source: fills ``ports.Source`` with calls to the queue round one desk, by ``loop`` or ``fleets``.

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
from sofetch.source.fleets import Caller, Fleets
from sofetch.source.loop import CallLoop
from sofetch.source.metered import Meter, MeteredTransport
from sofetch.source.pace import Pace
from sofetch.source.registry import Registry
from sofetch.source.transport import LoopTransport, Transport

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
        self._meter = Meter()
        self._transport = metered = MeteredTransport(transport, meter=self._meter)
        self._clock = clock
        self._configured_timeout_seconds = settings.visibility_timeout_seconds
        self._timeout_seconds = 30
        registry = Registry(max_messages=settings.max_in_flight, max_bytes=settings.max_in_flight_bytes)
        pace = Pace(receivers=settings.receivers, wait_seconds=settings.wait_seconds)
        agenda = Agenda(registry, hold_seconds=settings.hold_seconds)
        clerk = Clerk(registry, agenda, pace, queue=transport.queue_name)
        self._desk = Desk(clerk, clock=clock)
        caller = Caller(
            self._desk,
            metered,
            visibility_timeout_seconds=lambda: self._timeout_seconds,
            clock=clock,
            events=events or Events(),
        )
        self._fleets = self._fleets_for(transport, caller, settings)
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
            self._fleets.start()
            self._started = True

    def _fleets_for(self, transport: Transport, caller: Caller, settings: SourceSettings) -> Fleets | CallLoop:
        """A thread for all calls, where the transport has a way to make them so; a thread for each, where not."""
        receivers, deleters = settings.receivers, settings.deleters
        if not isinstance(transport, LoopTransport):
            return Fleets(caller, self._desk, receivers=receivers, deleters=deleters, clock=self._clock)
        return CallLoop(
            caller,
            self._desk,
            transport,
            meter=self._meter,
            receivers=receivers,
            deleters=deleters,
            visibility_timeout_seconds=lambda: self._timeout_seconds,
            clock=self._clock,
        )

    def _visibility_timeout_seconds(self) -> int:
        """Asked for at every receive, too, so that a change of the queue's own while we run does not mislead us."""
        if self._configured_timeout_seconds is not None:
            return self._configured_timeout_seconds
        return max(_LEAST_VISIBILITY_SECONDS, self._transport.visibility_timeout_seconds())

    def _stop_fleets(self, deadline: float) -> None:
        self._desk.begin_closing()
        self._desk.await_polls(timeout_seconds=max(0.0, deadline - self._clock.monotonic()))
        self._transport.interrupt()
        self._fleets.join_receiving(timeout_seconds=_JOIN_SECONDS)
        self._desk.release_unsettled()
        self._desk.flush(timeout_seconds=max(0.0, deadline - self._clock.monotonic()))
        self._desk.finish()
        self._fleets.join(timeout_seconds=_JOIN_SECONDS)
