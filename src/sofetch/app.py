"""The composition root: a configuration becomes a running pipeline. Nothing else knows all the parts.

Owns the order of starting (keys, database, queue) and of closing. Starting fails closed: without the right keys, the
right tables and a reachable queue, nothing is received.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec import structs

from sofetch import __version__, parts
from sofetch.breaker import Breakers
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.drift import DriftKeeper
from sofetch.errors import SinkUnavailable
from sofetch.events import Draining, Events, Stopped, WorkerStarted
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.dsn import resolve_dsn
from sofetch.load.postgres import PostgresSink
from sofetch.mask import compile_masker
from sofetch.observe.board import Showing
from sofetch.observe.pulse import Pulse
from sofetch.outages import Outages
from sofetch.parts import Chores
from sofetch.pipeline import Steps
from sofetch.ports import Clock
from sofetch.settings import Settings
from sofetch.source import open_object_store, open_source
from sofetch.stopping import Stop
from sofetch.unwrapping import compile_unwrapper
from sofetch.worker import Summary, Worker

if TYPE_CHECKING:
    from sofetch.archive.writer import ArchiveWriter
    from sofetch.observe.telemetry.otel import Telemetry
    from sofetch.source.sqs import SqsSource


class StoppedEarly(SinkUnavailable):
    """Asked to stop while the databases, the archive or the queue were still waited for. ``away`` names those that were
    away then.
    """

    def __init__(self, away: Sequence[str]) -> None:
        super().__init__("asked to stop before the database and the queue could be reached")
        self.away = tuple(away)


def run_pipeline(
    settings: Settings,
    *,
    events: Events,
    stop: Stop,
    drain: bool = False,
    max_messages: int | None = None,
    schema: bool = False,
    board: Showing | None = None,
) -> Summary:
    """Open a pipeline, run it and close it. What is away at the start is waited for, but not with ``drain``.

    A stop that was asked for is no failure, at the start either: it is told as every other, with what was away. Raises
    what ``Pipeline.open`` and ``Pipeline.run`` raise.
    """
    clock = SystemClock()
    began = clock.monotonic()
    patience_seconds = 0.0 if drain else None
    try:
        pipeline = Pipeline.open(
            settings, events=events, stop=stop, patience_seconds=patience_seconds, schema=schema, board=board
        )
    except StoppedEarly as early:
        summary = _did_nothing(stop, early, seconds=clock.monotonic() - began)
        events.emit(Draining(signal=stop.reason))
        events.emit(_stopped(summary))
        return summary
    with pipeline:
        return pipeline.run(drain=drain, max_messages=max_messages)


class Pipeline:
    """A queue, a table, and everything between them, ready to run.

    >>> with Pipeline.open(load_config("sofetch.toml")) as pipeline:  # doctest: +SKIP
    ...     summary = pipeline.run(drain=True)
    """

    def __init__(
        self,
        *,
        settings: Settings,
        source: SqsSource,
        steps: Steps,
        clock: Clock,
        events: Events,
        stop: Stop,
        breakers: Breakers,
        telemetry: Telemetry | None,
        chores: Chores,
        archive: ArchiveWriter | None,
        drift: DriftKeeper,
        closing: ExitStack,
    ) -> None:
        self._settings = settings
        self._source = source
        self._steps = steps
        self._clock = clock
        self._events = events
        self._stop = stop
        self._breakers = breakers
        self._telemetry = telemetry
        self._chores = chores
        self._archive = archive
        self._drift = drift
        self._closing = closing
        self._deadline: float | None = None

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        environ: Mapping[str, str] | None = None,
        events: Events | None = None,
        stop: Stop | None = None,
        patience_seconds: float | None = 0.0,
        schema: bool = False,
        clock: Clock | None = None,
        board: Showing | None = None,
    ) -> Self:
        """Load the keys, prepare databases and archive, reach the queue, in this order; nothing is received yet.

        With ``schema`` missing DDL is applied first. ``/health`` and the like are answered from before the databases
        are asked for, by the ``board`` where several pipelines share one. A database or queue that is away is waited
        for, at most ``patience_seconds`` (None: as long as it takes, telling of each attempt). Raises ConfigError,
        KeyringError, SinkRefused, SinkUnavailable (as StoppedEarly where ``stop`` was asked meanwhile), ArchiveRefused,
        ArchiveUnavailable, SourceRefused or SourceUnavailable.
        """
        environ = os.environ if environ is None else environ
        clock, events, stop = clock or SystemClock(), events or Events(), stop or Stop()
        breakers = Breakers(now=clock.monotonic())
        outages = Outages(breakers, clock=clock, events=events, stop=stop, patience_seconds=patience_seconds)
        rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
        masker = compile_masker(settings, rings, recovery=recovery)
        dsn = resolve_dsn(settings.sink, environ=environ)
        sink, vault = PostgresSink(settings, dsn=dsn), parts.vault(settings, environ)
        with ExitStack() as opened:
            watched = parts.watched(settings, breakers=breakers, clock=clock, events=events, stop=stop)
            telemetry = parts.telemetry(settings, watched, opened, clock=clock, events=events)
            parts.show(settings, watched, opened, events=events, board=board)
            opened.callback(sink.close)
            if schema:
                parts.apply(settings, dsn, outages=outages, events=events)
            outages.outlast("database", lambda: sink.prepare(masker.fingerprints()))
            if vault is not None:
                opened.callback(vault.close)
                outages.outlast("database", vault.prepare)
            _go_on(stop, breakers)
            archive = parts.archive(settings, clock=clock, events=events)
            if archive is not None:
                opened.callback(archive.close)
                outages.outlast("archive", archive.prepare)
            unwrap = compile_unwrapper(settings, open_store=open_object_store)
            if unwrap is not None:
                opened.callback(unwrap.close)
            _go_on(stop, breakers)
            source = outages.outlast(
                "queue",
                lambda: open_source(settings.source, clock=clock, events=events, traced=settings.telemetry.traces),
            )
            if source is None:
                raise StoppedEarly(breakers.away())
            watched.health.watch(source.state)
            return cls(
                settings=settings,
                source=source,
                steps=Steps(compile_decoder(settings), masker, sink, vault, unwrap),
                clock=clock,
                events=events,
                stop=stop,
                breakers=breakers,
                telemetry=telemetry,
                chores=parts.chores(settings, dsn, environ=environ, clock=clock, events=events),
                archive=archive,
                drift=parts.drift(settings, dsn, clock=clock, events=events),
                closing=opened.pop_all(),
            )

    def run(self, *, drain: bool = False, max_messages: int | None = None) -> Summary:
        """Move messages until ``stop`` is called, the queue is drained, or ``max_messages`` were received.

        Every message counted as loaded, duplicate or quarantined is durable. Raises what ``Worker.run`` raises.
        """
        settings = self._settings
        self._events.emit(
            WorkerStarted(
                pipeline=settings.pipeline_name,
                queue=settings.source.queue,
                table=settings.sink.table,
                version=__version__,
            )
        )
        worker = Worker(
            source=self._source,
            steps=self._steps,
            batch=settings.batch,
            release_after_seconds=settings.source.release_delay_seconds,
            clock=self._clock,
            events=self._events,
            stop=self._stop,
            breakers=self._breakers,
            idle=self._rest,
            turn=self._turn(),
            traced=self._telemetry.traced if self._telemetry is not None else None,
            archive=self._archive,
        )
        summary = self._flushed(worker.run(drain=drain, max_messages=max_messages))
        if "database" not in summary.away:
            self._drift.write(at_once=True)
        self._events.emit(_stopped(summary))
        return summary

    def stop(self) -> None:
        """Ask a running ``run`` to drain and return. May be called from any thread."""
        self._stop.ask()

    def close(self) -> None:
        """Finish the deletes, release what is held, close the connections. Idempotent."""
        grace_seconds = self._settings.worker.shutdown_grace_seconds
        if self._deadline is not None:
            grace_seconds = max(0.0, self._deadline - self._clock.monotonic())
        self._source.close(grace_seconds=grace_seconds)
        self._closing.close()

    def _turn(self) -> Callable[[], None]:
        """What is done before each receive and each attempt at a batch."""
        pulse = Pulse(look=self._source.state, calls=self._source.calls, clock=self._clock, events=self._events)

        def turn() -> None:
            pulse()
            self._drift.write()
            if "database" not in self._breakers.away():  # the batch in hand is to be the only thing asked of it
                for chore in self._chores.between:
                    chore()

        return turn

    def _rest(self) -> None:
        """What is done while nothing comes."""
        for chore in self._chores.idle:
            chore()
        if self._archive is not None:
            self._archive.rest()

    def _flushed(self, summary: Summary) -> Summary:
        """Wait for the deletes, for half of the grace: the other half is for what is given back at the close."""
        grace_seconds = self._settings.worker.shutdown_grace_seconds
        self._deadline = self._clock.monotonic() + grace_seconds
        flushed = self._source.flush(timeout_seconds=grace_seconds / 2)
        away = summary.away if flushed or "queue" in summary.away else [*summary.away, "queue"]
        return structs.replace(summary, away=away, calls=self._source.calls())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _go_on(stop: Stop, breakers: Breakers) -> None:
    if stop.asked:
        raise StoppedEarly(breakers.away())


def _did_nothing(stop: Stop, early: StoppedEarly, *, seconds: float) -> Summary:
    return Summary(
        received=0,
        loaded=0,
        duplicates=0,
        quarantined=0,
        released=0,
        batches=0,
        seconds=round(seconds, 3),
        stopped_by=stop.reason,
        quarantined_by_reason={},
        away=list(early.away),
    )


def _stopped(summary: Summary) -> Stopped:
    return Stopped(
        received=summary.received,
        loaded=summary.loaded,
        duplicates=summary.duplicates,
        quarantined=summary.quarantined,
        released=summary.released,
        away=", ".join(summary.away) or None,
        seconds=summary.seconds,
        **structs.asdict(summary.calls),
    )
