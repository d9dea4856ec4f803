"""The worker: receive a batch, take it the whole way, acknowledge it, again, until asked to stop.

Owns the loop, what happens in an outage, and stopping in good order. It must not know SQS or Postgres: it has a source
and steps. One batch is in hand at a time; receiving and deleting go on meanwhile in the source's own fleets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from sofetch import events as told
from sofetch.account import account_of, events_of
from sofetch.ack import Acknowledgement, decide
from sofetch.breaker import Breakers
from sofetch.calls import Calls
from sofetch.events import Events
from sofetch.faults import crash_point
from sofetch.outages import Outages
from sofetch.pipeline import Processed, Steps, process
from sofetch.ports import Clock, Source
from sofetch.record import Message
from sofetch.settings import BatchSettings
from sofetch.stopping import Stop

DRAIN_PATIENCE_SECONDS = 60.0
"""How long ``drain`` bears an outage before it gives up with the error; a worker that runs until stopped never does."""


class Summary(Struct, frozen=True, kw_only=True):
    """What a run did. ``quarantined_by_reason`` counts by reason code; ``seconds`` is wall time.

    ``away`` names the dependencies that were away when it was stopped: then there is work that was not done.
    """

    received: int
    loaded: int
    duplicates: int
    quarantined: int
    released: int
    batches: int
    seconds: float
    stopped_by: str
    quarantined_by_reason: dict[str, int]
    calls: Calls = Calls()
    away: list[str] = []  # msgspec gives each its own


class Archive(Protocol):
    """What the worker needs of ``sofetch.archive``."""

    def keep(self, messages: Sequence[Message]) -> bool:
        """Archive a batch; True once it is durable. Raises ArchiveUnavailable (hold and retry) or ArchiveRefused."""
        ...


class Worker:
    """One consumer of one source. ``run`` may be called once."""

    def __init__(
        self,
        *,
        source: Source,
        steps: Steps,
        batch: BatchSettings,
        release_after_seconds: int,
        clock: Clock,
        events: Events,
        stop: Stop,
        breakers: Breakers | None = None,
        turn: Callable[[], None] = lambda: None,
        idle: Callable[[], None] = lambda: None,
        traced: Callable[[Sequence[Message], told.BatchDone], None] | None = None,
        archive: Archive | None = None,
    ) -> None:
        """``turn`` is called before each receive and each attempt at a batch; ``idle`` after a receive that brought
        nothing; ``traced`` after each batch, once it is durable and acknowledged. None of them may raise.
        """
        self._source = source
        self._steps = steps
        self._batch = batch
        self._release_after_seconds = release_after_seconds
        self._clock = clock
        self._events = events
        self._stop = stop
        self._breakers = breakers or Breakers(now=clock.monotonic())
        self._turn = turn
        self._idle = idle
        self._traced = traced
        self._archive = archive
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._outages = self._patient(None)

    def run(self, *, drain: bool = False, max_messages: int | None = None) -> Summary:
        """Work until asked to stop, until the queue is drained, or until ``max_messages`` were received.

        Raises SinkRefused, SourceRefused or ArchiveRefused where a person must act, and with ``drain`` also
        SinkUnavailable, SourceUnavailable or ArchiveUnavailable when an outage outlasts ``DRAIN_PATIENCE_SECONDS``.
        Whatever happens, what was not committed is still in the queue.
        """
        started = self._clock.monotonic()
        self._outages = self._patient(DRAIN_PATIENCE_SECONDS if drain else None)
        stopped_by = self._loop(drain=drain, max_messages=max_messages)
        return self._summary(stopped_by, self._clock.monotonic() - started)

    def _loop(self, *, drain: bool, max_messages: int | None) -> str:
        while not self._stop.asked:
            left = self._batch.max_messages if max_messages is None else max_messages - self._counts["received"]
            if left <= 0:
                return "max_messages"
            messages = self._receive(min(left, self._batch.max_messages))
            if messages:
                self._finish(messages)
            elif drain and self._source.drained():
                return "drained"
            elif not self._stop.asked:
                self._idle()
        self._events.emit(told.Draining(signal=self._stop.reason))
        return self._stop.reason

    def _receive(self, max_messages: int) -> Sequence[Message]:
        batch = self._batch
        messages = self._outages.outlast(
            "queue",
            lambda: self._source.receive(
                max_messages=max_messages, max_bytes=batch.max_batch_bytes, wait_seconds=batch.max_wait_seconds
            ),
        )
        if messages:
            crash_point("after_receive")
        return messages or ()

    def _finish(self, messages: Sequence[Message]) -> None:
        """Take one batch to its end: acknowledged, or, if asked to stop in an outage, released.

        While the database is away nothing more is received, and this batch is the probe: the only thing that is asked
        of the database until it succeeds. What the source had to give back to the queue meanwhile is harmless in it:
        see ``source.agenda``.
        """
        started = self._clock.monotonic()
        self._counts["received"] += len(messages)
        if not self._archived(messages):
            self._release(messages)
            return
        done = self._outages.outlast(
            "database",
            lambda: process(messages, self._steps),
            opened=self._source.pause,
            closed=self._source.resume,
        )
        if done is None:
            self._release(messages)
            return
        self._source.acknowledge(decide(done.outcomes, release_after_seconds=self._release_after_seconds))
        self._tell(messages, done, self._clock.monotonic() - started)

    def _archived(self, messages: Sequence[Message]) -> bool:
        """Whether the batch may be loaded: it is in the archive, where there is one. An archive that is away is borne
        as the database is, before it is asked for anything.
        """
        archive = self._archive
        if archive is None:
            return True
        kept = self._outages.outlast(
            "archive", lambda: archive.keep(messages), opened=self._source.pause, closed=self._source.resume
        )
        return kept is True

    def _release(self, messages: Sequence[Message]) -> None:
        self._counts["released"] += len(messages)
        ids = tuple(message.id for message in messages)
        self._source.acknowledge(Acknowledgement(release=ids, release_after_seconds=self._release_after_seconds))

    def _tell(self, messages: Sequence[Message], done: Processed, seconds: float) -> None:
        account = account_of(done.outcomes)
        self._counts["batches"] += 1
        for name in ("loaded", "duplicates", "quarantined", "released"):
            self._counts[name] += getattr(account, name)
        for (reason, _), count in account.reasons.items():
            self._reasons[reason] += count
        for event in events_of(messages, done, account, seconds=seconds, now_ms=self._clock.now_ms()):
            self._events.emit(event)
            if self._traced is not None and isinstance(event, told.BatchDone):
                self._traced(messages, event)

    def _patient(self, patience_seconds: float | None) -> Outages:
        return Outages(
            self._breakers,
            clock=self._clock,
            events=self._events,
            stop=self._stop,
            patience_seconds=patience_seconds,
            turn=self._turn,
        )

    def _summary(self, stopped_by: str, seconds: float) -> Summary:
        counts = self._counts
        return Summary(
            received=counts["received"],
            loaded=counts["loaded"],
            duplicates=counts["duplicates"],
            quarantined=counts["quarantined"],
            released=counts["released"],
            batches=counts["batches"],
            seconds=round(seconds, 3),
            stopped_by=stopped_by,
            quarantined_by_reason=dict(self._reasons),
            away=list(self._breakers.away()),
        )
