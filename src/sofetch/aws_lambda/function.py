"""The function while it is warm: opened once, invoked again and again.

Owns the composition for Lambda (configuration, keys, databases, in this order), what is looked at before a connection
that slept is used, and what an invocation prints. Between two invocations it holds keys and connections, and nothing of
a message.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Protocol, Self

from sofetch import __version__
from sofetch.aws_lambda.batch import MARGIN_MS, Invocation
from sofetch.aws_lambda.metrics import Metrics, emf_line
from sofetch.aws_lambda.places import with_connection_strings
from sofetch.decode import compile_decoder
from sofetch.drift import DriftKeeper
from sofetch.errors import ConfigError
from sofetch.events import Events, WorkerStarted
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.drift import note_drift
from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
from sofetch.load.postgres import PostgresSink
from sofetch.load.vault.store import VaultStore
from sofetch.mask import compile_masker
from sofetch.pipeline import Steps
from sofetch.ports import Clock
from sofetch.settings import Settings
from sofetch.source import open_object_store
from sofetch.unwrapping import compile_unwrapper

MOST_IDLE_SECONDS = 240.0
"""A connection that slept longer is replaced unasked: NAT gateways and load balancers forget one after 350 s, and then
nobody says so; to ask would cost a whole ``tcp_user_timeout_seconds``."""

BatchResponse = dict[str, list[dict[str, str]]]


class Context(Protocol):
    """What is used of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        ...


class Function:
    """Everything that is kept between invocations. One at a time, as Lambda has it."""

    def __init__(
        self,
        settings: Settings,
        *,
        steps: Steps,
        stores: list[PostgresSink | VaultStore],
        clock: Clock,
        events: Events,
        drift: DriftKeeper,
        closing: ExitStack,
    ) -> None:
        self._settings = settings
        self._steps = steps
        self._stores = stores
        self._clock = clock
        self._events = events
        self._drift = drift
        self._closing = closing
        self._used_ms = clock.now_ms()

    @classmethod
    def open(cls, settings: Settings, *, environ: Mapping[str, str], events: Events, clock: Clock) -> Self:
        """Read the keys and prepare the databases; nothing is loaded yet.

        Raises ConfigError, KeyringError, SinkRefused or SinkUnavailable.
        """
        if settings.archive.to is not None:
            raise ConfigError(
                "[archive] is set, and a function on Lambda writes no archive",
                hint="drop [archive] from its configuration, or let `sofetch run` consume this queue",
            )
        environ = with_connection_strings(environ, settings.keys)
        rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
        masker = compile_masker(settings, rings, recovery=recovery)
        with ExitStack() as opened:
            dsn = resolve_dsn(settings.sink, environ=environ)
            sink = PostgresSink(settings, dsn=dsn)
            opened.callback(sink.close)
            sink.prepare(masker.fingerprints())
            stores: list[PostgresSink | VaultStore] = [sink]
            vault = None
            if settings.keeps_values:
                vault = VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)
                opened.callback(vault.close)
                vault.prepare()
                stores.append(vault)
            unwrap = compile_unwrapper(settings, open_store=open_object_store)
            if unwrap is not None:
                opened.callback(unwrap.close)
            drift = DriftKeeper(lambda found: note_drift(settings, found, dsn=dsn), clock=clock, events=events)
            events.listen(drift)
            events.emit(
                WorkerStarted(
                    pipeline=settings.pipeline_name,
                    queue=settings.source.queue,
                    table=settings.sink.table,
                    version=__version__,
                )
            )
            return cls(
                settings,
                steps=Steps(compile_decoder(settings), masker, sink, vault, unwrap),
                stores=stores,
                clock=clock,
                events=events,
                drift=drift,
                closing=opened.pop_all(),
            )

    def invoke(self, event: object, context: Context) -> BatchResponse:
        """Load one event's messages; the partial batch response. Prints one line of metrics, however it ends.

        Raises what ``Invocation.run`` raises.
        """
        settings = self._settings
        self._wake()
        invocation = Invocation(
            steps=self._steps,
            queue=settings.source.queue,
            batch=settings.batch,
            clock=self._clock,
            events=self._events,
            remaining_ms=context.get_remaining_time_in_millis,
        )
        started = self._clock.monotonic()
        try:
            failures = invocation.run(event)
            self._note_drift(context)
        finally:
            self._used_ms = self._clock.now_ms()
            self._print(invocation, self._clock.monotonic() - started)
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._closing.close()

    def _wake(self) -> None:
        """See to connections that may have died while the environment was frozen."""
        idle_seconds = (self._clock.now_ms() - self._used_ms) / 1_000
        for store in self._stores:
            if idle_seconds > MOST_IDLE_SECONDS:
                store.close()
            else:
                store.revive()

    def _note_drift(self, context: Context) -> None:
        """Write down what drifted, if that cannot use up the invocation's time: what is durable would come again."""
        sink = self._settings.sink
        longest_seconds = sink.connect_timeout_seconds + sink.lock_timeout_seconds
        if context.get_remaining_time_in_millis() >= MARGIN_MS + longest_seconds * 1_000:
            self._drift.write()

    def _print(self, invocation: Invocation, seconds: float) -> None:
        counts = invocation.counts
        metrics = Metrics(
            messages_received=counts["received"],
            rows_loaded=counts["loaded"],
            duplicates=counts["duplicates"],
            quarantined=counts["quarantined"],
            failures=counts["failures"],
            batch_milliseconds=round(seconds * 1_000),
        )
        sys.stdout.write(emf_line(metrics, pipeline=self._settings.pipeline_name, now_ms=self._clock.now_ms()) + "\n")
        sys.stdout.flush()
