"""One task: a partition's items through the worker's steps into Postgres, a transaction a batch.

Owns the composition on an executor (keys, databases), how an outage is borne, and what of an error is let out. It may
be killed anywhere and run again, elsewhere or twice at once: the ledger keys are the input's own, so what was committed
is a duplicate. An error that leaves it holds no value, for Spark prints it in several places.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Final, TypeVar

from msgspec import Struct

from sofetch.account import account_of, events_of
from sofetch.breaker import Breakers
from sofetch.clock import SystemClock
from sofetch.cores import leave_no_core
from sofetch.decode import compile_decoder
from sofetch.errors import SinkUnavailable, SofetchError, place_of
from sofetch.events import Events
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
from sofetch.load.postgres import PostgresSink
from sofetch.load.vault.store import VaultStore
from sofetch.mask import Keyring, Masker, compile_masker
from sofetch.observe.log import log_writer
from sofetch.outages import Outages
from sofetch.pipeline import Processed, Steps, process
from sofetch.ports import Clock
from sofetch.record import Message, Outcome, Refused, Rejection, Retry
from sofetch.settings import Settings
from sofetch.source import open_object_store
from sofetch.spark.batches import Batch, Gatherer
from sofetch.spark.plan import Plan, Result, failed
from sofetch.spark.reading import Item
from sofetch.stopping import Stop
from sofetch.unwrapping import compile_unwrapper

_T = TypeVar("_T")

PATIENCE_SECONDS: Final = 60.0
"""How long a task bears an outage. Then it fails, and Spark runs it again, four times in all as it is set up."""


def load(items: Iterable[Item], plan: Plan, *, environ: Mapping[str, str]) -> Result:
    """Load a partition; what was done, or the error that a person must mend.

    Raises SofetchError for what another attempt may mend: Spark makes one.
    """

    def load_them() -> Result:
        iterator = iter(items)
        first = next(iterator, None)  # what is read here may break, too
        return Result() if first is None else _load(chain([first], iterator), plan, environ)  # nothing to connect for

    return guarded(load_them)


def check(plan: Plan, *, environ: Mapping[str, str]) -> Result:
    """Try keys and databases as a task would, and load nothing. Raises as ``load``."""

    def try_them() -> Result:
        with _opened(plan.load_settings(), environ):
            return Result()

    return guarded(try_them)


def check_keys(plan: Plan, *, environ: Mapping[str, str]) -> Result:
    """Try the keys alone, where there is no database. Raises as ``load``."""

    def try_them() -> Result:
        settings = plan.load_settings()
        compile_masker(settings, load_keyrings(settings.keys, environ=environ))
        return Result()

    return guarded(try_them)


def guarded(work: Callable[[], Result]) -> Result:
    """The result of the work. An error is let out only if Spark should try again, and only by code, type and place."""
    leave_no_core()
    _hush_libraries()
    try:
        return work()
    except SofetchError as error:
        if not error.retryable:
            return failed(error)
        told = str(error)
    except Exception as error:  # noqa: BLE001  # its text could hold a value, and Spark would print it
        told = f"unexpected {type(error).__name__} at {place_of(error.__traceback__)}"
    raise SofetchError(told, code="spark_task")


def _hush_libraries() -> None:
    """What these say of an error may hold a row, and an executor prints it: psycopg's of one that it ignores does. The
    process is Spark's, so nobody else's log is touched.
    """
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers[:], library.propagate = [logging.NullHandler()], False


_LIBRARIES: Final = ("psycopg", "botocore", "urllib3")


class _Running(Struct, frozen=True):
    """What a task has open."""

    steps: Steps
    sink: PostgresSink
    masker: Masker
    keyring: Keyring


def _load(items: Iterable[Item], plan: Plan, environ: Mapping[str, str]) -> Result:
    settings, clock = plan.load_settings(), SystemClock()
    events = Events(log_writer(settings.log, clock=clock, stream=sys.stderr))
    with _opened(settings, environ) as running:
        now_ms, forgotten_ms = clock.now_ms(), 0
        if not plan.force:
            there = running.sink.remember()
            now_ms, forgotten_ms = there.now_ms, there.forgotten_ms
        gatherer = Gatherer(settings, plan, keyring=running.keyring, now_ms=now_ms, forgotten_ms=forgotten_ms)
        loading = _Loading(running, gatherer, force=plan.force, clock=clock, events=events)
        for batch in gatherer.batches(items):
            loading.load(batch)
        return loading.result()


class _Loading:
    """Batches, one by one, and what they came to."""

    def __init__(self, running: _Running, gatherer: Gatherer, *, force: bool, clock: Clock, events: Events) -> None:
        """``gatherer`` was told what the ledger remembers, unless with ``force``."""
        self._running = running
        self._gatherer = gatherer
        self._counts = gatherer.counts
        self._asks = not force
        self._is_known = True
        self._asked_again = False
        self._clock = clock
        self._events = events
        self._reasons: Counter[str] = Counter()
        self._not_of_kind: Counter[str] = Counter()
        breakers = Breakers(now=clock.monotonic())
        self._outages = Outages(breakers, clock=clock, events=events, stop=Stop(), patience_seconds=PATIENCE_SECONDS)

    def load(self, batch: Batch) -> None:
        """Take a batch into table and quarantine. Raises what ``pipeline.process`` and the patience raise."""
        started = self._clock.monotonic()
        processed = self._outlast(lambda: self._process(batch))
        quarantined = self._outlast(lambda: self._quarantine(batch))
        if processed is None or quarantined is None:
            raise SofetchError("the task was stopped", code="spark_task")
        (messages, done), (rejections, kept) = processed, quarantined
        self._counts["too_old"] += len(batch.messages) - len(messages) + len(batch.rejections) - len(rejections)
        account = account_of([*done.outcomes, *kept])
        if account.released:
            raise SofetchError(f"no step accounted for {account.released} messages", code="spark_task")
        self._counts.update(loaded=account.loaded, duplicates=account.duplicates, quarantined=account.quarantined)
        for (reason, _), count in account.reasons.items():
            self._reasons[reason] += count
        self._not_of_kind.update(done.not_of_kind)
        seconds = self._clock.monotonic() - started
        for event in events_of(messages, done, account, seconds=seconds, now_ms=self._clock.now_ms()):
            self._events.emit(event)

    def result(self) -> Result:
        """All batches together."""
        counts = self._counts
        return Result(
            read=counts["read"],
            loaded=counts["loaded"],
            duplicates=counts["duplicates"],
            quarantined=counts["quarantined"],
            too_old=counts["too_old"],
            reasons=dict(self._reasons),
            not_of_kind=dict(self._not_of_kind),
        )

    def _outlast(self, work: Callable[[], _T]) -> _T | None:
        """What fails is asked for again, and the ledger what it remembers: it may have forgotten a day more."""

        def attempt() -> _T:
            try:
                self._remember()
                return work()
            except SinkUnavailable:
                self._is_known = False
                raise

        return self._outages.outlast("database", attempt)

    def _remember(self) -> None:
        if self._asks and not self._is_known:
            there = self._running.sink.remember()
            self._gatherer.remember(now_ms=there.now_ms, forgotten_ms=there.forgotten_ms)
            self._is_known = self._asked_again = True

    def _known(self, batch: Batch) -> Batch:
        """What was gathered before the ledger was asked again is looked at again."""
        return self._gatherer.known(batch) if self._asked_again else batch

    def _process(self, batch: Batch) -> tuple[list[Message], Processed]:
        messages = self._known(batch).messages
        return messages, process(messages, self._running.steps)

    def _quarantine(self, batch: Batch) -> tuple[list[Rejection], list[Outcome]]:
        rejections = self._known(batch).rejections
        results = self._running.steps.sink.load([], self._running.masker.seal(rejections))
        return rejections, [Retry(one.message_id) if isinstance(one, Refused) else one for one in results]


@contextmanager
def _opened(settings: Settings, environ: Mapping[str, str]) -> Iterator[_Running]:
    """Keys first, then the databases. Raises ConfigError, KeyringError, SinkRefused or SinkUnavailable."""
    rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
    masker = compile_masker(settings, rings, recovery=recovery)
    with ExitStack() as opened:
        sink = PostgresSink(settings, dsn=resolve_dsn(settings.sink, environ=environ))
        opened.callback(sink.close)
        sink.prepare(masker.fingerprints())
        vault = None
        if settings.keeps_values:
            vault = VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)
            opened.callback(vault.close)
            vault.prepare()
        unwrap = compile_unwrapper(settings, open_store=open_object_store)
        if unwrap is not None:
            opened.callback(unwrap.close)
        yield _Running(Steps(compile_decoder(settings), masker, sink, vault, unwrap), sink, masker, rings.tokens)
