"""The composition root: a configuration becomes a running pipeline. Nothing else knows all the parts.

Owns the order of starting (keys, database, queue) and of closing. Starting fails closed: without the right keys, the
right tables and a reachable queue, nothing is received.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import msgspec

from sofetch import __version__
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.errors import SourceUnavailable
from sofetch.events import Events, Stopped, WorkerStarted
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
from sofetch.load.postgres import PostgresSink
from sofetch.load.vault import VaultStore
from sofetch.mask import compile_masker
from sofetch.outages import Outages
from sofetch.pipeline import Steps
from sofetch.ports import Clock, Source
from sofetch.settings import Settings
from sofetch.source import open_source
from sofetch.stopping import Stop
from sofetch.worker import Summary, Worker


class Pipeline:
    """A queue, a table, and everything between them, ready to run.

    >>> with Pipeline.open(load_config("sofetch.toml")) as pipeline:  # doctest: +SKIP
    ...     summary = pipeline.run(drain=True)
    """

    def __init__(
        self, *, settings: Settings, source: Source, steps: Steps, clock: Clock, events: Events, stop: Stop
    ) -> None:
        self._settings = settings
        self._source = source
        self._steps = steps
        self._clock = clock
        self._events = events
        self._stop = stop

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        environ: Mapping[str, str] | None = None,
        events: Events | None = None,
        stop: Stop | None = None,
        patience_seconds: float | None = 0.0,
    ) -> Self:
        """Load the keys, prepare the databases, reach the queue, in this order; nothing is received yet.

        A database or queue that is away is waited for, at most ``patience_seconds`` (None: as long as it takes, telling
        of each attempt). Raises KeyringError, SinkRefused, SinkUnavailable, SourceRefused or SourceUnavailable.
        """
        environ = os.environ if environ is None else environ
        clock, events, stop = SystemClock(), events or Events(), stop or Stop()
        outages = Outages(clock=clock, events=events, stop=stop, patience_seconds=patience_seconds)
        rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
        masker = compile_masker(settings, rings, recovery=recovery)
        sink = PostgresSink(settings, dsn=resolve_dsn(settings.sink, environ=environ))
        vault = _vault(settings, environ)
        with ExitStack() as opened:
            opened.callback(sink.close)
            outages.outlast("database", lambda: sink.prepare(masker.fingerprints()))
            if vault is not None:
                opened.callback(vault.close)
                outages.outlast("database", vault.prepare)
            source = outages.outlast("queue", lambda: open_source(settings.source, clock=clock, events=events))
            if source is None:
                raise SourceUnavailable("asked to stop before the database and the queue could be reached")
            opened.pop_all()
        return cls(
            settings=settings,
            source=source,
            steps=Steps(compile_decoder(settings), masker, sink, vault),
            clock=clock,
            events=events,
            stop=stop,
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
        )
        summary = worker.run(drain=drain, max_messages=max_messages)
        self._source.flush(timeout_seconds=FLUSH_SECONDS)
        summary = msgspec.structs.replace(summary, calls=self._source.calls())
        self._events.emit(_stopped(summary))
        return summary

    def stop(self) -> None:
        """Ask a running ``run`` to drain and return. May be called from any thread."""
        self._stop.ask()

    def close(self) -> None:
        """Finish the deletes, release what is held, close the connections. Idempotent."""
        self._source.close(grace_seconds=GRACE_SECONDS)
        self._steps.sink.close()
        if self._steps.vault is not None:
            self._steps.vault.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


FLUSH_SECONDS = 30.0
GRACE_SECONDS = 10.0


def _vault(settings: Settings, environ: Mapping[str, str]) -> VaultStore | None:
    if not settings.keeps_values:
        return None
    return VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)


def _stopped(summary: Summary) -> Stopped:
    return Stopped(
        received=summary.received,
        loaded=summary.loaded,
        duplicates=summary.duplicates,
        quarantined=summary.quarantined,
        released=summary.released,
        seconds=summary.seconds,
        **msgspec.structs.asdict(summary.calls),
    )
