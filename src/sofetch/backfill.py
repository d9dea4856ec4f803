"""Backfill: messages of an archive, or lines of files, taken the whole way of the data into the table.

Owns the composition, what is gathered into one transaction, and what is too old for the ledger to know. Decoding,
masking and loading are the pipeline's own, so that a row is what the first delivery would have given; a message that
is there already is a duplicate. It must not show a body or keep one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, Protocol

from msgspec import Struct

from sofetch.account import account_of, events_of
from sofetch.archive.place import HOUR_MS, Place
from sofetch.archive.reading import HourFiles, hours, read_messages
from sofetch.archive.sealing import ArchiveKey
from sofetch.breaker import Breakers
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError, SinkUnavailable
from sofetch.events import Events
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
from sofetch.load.postgres import PostgresSink
from sofetch.load.remembering import Remembered
from sofetch.load.vault.store import VaultStore
from sofetch.mask import compile_masker
from sofetch.mask.identity import ledger_key
from sofetch.outages import Outages
from sofetch.pipeline import Processed, Steps, process
from sofetch.ports import Clock
from sofetch.record import Loaded, LoadResult, MaskedRecord, Message, Rejected, SealedRejection
from sofetch.settings import Settings
from sofetch.source import open_object_store
from sofetch.stopping import Stop
from sofetch.unwrapping import compile_unwrapper

PATIENCE_SECONDS: Final = 60.0
"""How long an outage of the database is borne; then the backfill ends, and is begun again by a person."""

DAY_MS: Final = 86_400_000


class Backfilled(Struct, frozen=True, kw_only=True):
    """What a backfill did. ``read`` counts messages; the next four are of records, of which a message may hold many.

    ``too_old`` were passed over since the ledger no longer knows them; ``left`` could not be accounted for;
    ``last_hour`` is the hour that was read last, and ``complete`` whether it came to its end.
    """

    read: int
    loaded: int
    duplicates: int
    quarantined: int
    quarantined_by_reason: dict[str, int]
    too_old: int
    left: int
    last_hour: str | None
    complete: bool
    dry_run: bool


class Batches(Protocol):
    """Where the messages come from: batches, each with the hour it was archived in."""

    def __call__(self) -> Iterator[tuple[str | None, list[Message]]]:
        """All of them, in order."""
        ...


class Memory:
    """What the ledger can know: messages before ``oldest_ms`` may have been forgotten, and loaded again they double.

    That is what the configuration says it keeps, or less where it had forgotten more before that was said.
    """

    def __init__(self, settings: Settings, there: Remembered) -> None:
        self._by_key = settings.sink.dedupe == "message"
        kept_ms = (there.now_ms // DAY_MS - settings.sink.ledger_days) * DAY_MS
        self.oldest_ms = max(kept_ms, there.forgotten_ms)

    def forgot(self, message: Message) -> bool:
        """Whether a row of it may be there, and the ledger not know. One without a sent time is never forgotten."""
        if not self._by_key:
            return message.received_ms < self.oldest_ms
        return 0 < int.from_bytes(ledger_key(message)[:6], "big") < self.oldest_ms

    def require_recent(self, found: Sequence[HourFiles]) -> None:
        """ConfigError if a whole hour is older than anything that the ledger knows."""
        old = [one.hour.text for one in found if one.hour.begins_ms + HOUR_MS <= self.oldest_ms]
        if old:
            raise ConfigError(
                f"the archive's hours {old[0]} to {old[-1]} are older than the ledger remembers "
                f"({self.first_hour()}): what is in the table already would be loaded a second time",
                hint=f"begin later (--from {self.first_hour()}); or, where the table holds nothing of that time, "
                "--force",
            )

    def first_hour(self) -> str:
        """The first hour that the ledger knows wholly."""
        from sofetch.archive.place import hour_text

        return hour_text(self.oldest_ms)


def archived(
    settings: Settings,
    place: Place,
    found: Sequence[HourFiles],
    *,
    keys: Sequence[ArchiveKey],
    cut_off: list[str] | None = None,
) -> Iterator[tuple[str | None, list[Message]]]:
    """The messages of these hours, in the batches that one transaction takes. At most one batch more is held.

    The names of files that a crash cut off are added to ``cut_off``.
    """
    for one in found:
        frames = (frame for file in one.files for frame in read_messages(place, file.name, keys, cut_off=cut_off))
        for batch in gathered(frames, settings):
            yield one.hour.text, batch


def selected(settings: Settings, place: Place, *, first: str | None, last: str | None) -> list[HourFiles]:
    """The hours to be read, in order. ConfigError if there is none."""
    found = [one for one in hours(place, settings.pipeline_name, first=first, last=last) if one.files]
    if not found:
        raise ConfigError(
            f"the archive has nothing of pipeline {settings.pipeline_name} in these hours",
            hint="`sofetch archive list` shows what there is; the archive's hours are those of the archiving, in UTC",
        )
    return found


def gathered(frames: Iterable[Sequence[Message]], settings: Settings) -> Iterator[list[Message]]:
    """Frames put together to what one transaction takes. No message is twice in one batch: outcomes go by its id."""
    batch: list[Message] = []
    ids: set[str] = set()
    size = 0
    for frame in frames:
        for message in frame:
            full = len(batch) >= settings.batch.max_messages or size >= settings.batch.max_batch_bytes
            if full or message.id in ids:
                yield batch
                batch, ids, size = [], set(), 0
            batch.append(message)
            ids.add(message.id)
            size += len(message.body)
    if batch:
        yield batch


def backfill(
    settings: Settings,
    batches: Iterable[tuple[str | None, list[Message]]],
    *,
    clock: Clock,
    events: Events,
    stop: Stop,
    environ: Mapping[str, str] | None = None,
    dry_run: bool = False,
    force: bool = False,
) -> Backfilled:
    """Load the batches, each in its transaction; with ``dry_run`` decode and mask only. Stops early if asked to.

    It may be killed and begun again: what is loaded is a duplicate then. Raises ConfigError, KeyringError, SinkRefused,
    SinkUnavailable when an outage outlasts ``PATIENCE_SECONDS``, and what ``batches`` raises.
    """
    environ = os.environ if environ is None else environ
    work = _Work(clock=clock, events=events, stop=stop)
    with _steps(settings, environ, dry_run=dry_run, outages=work.outages) as (steps, sink):

        def remember() -> Memory:
            """By the database's clock, and ours where it is not asked."""
            there = sink.remember() if sink is not None else Remembered(now_ms=clock.now_ms())
            return Memory(settings, there)

        complete = work.run(batches, steps, remember=None if force else remember)
    return work.summary(complete=complete, dry_run=dry_run)


class _Work:
    """The loop and its counts."""

    def __init__(self, *, clock: Clock, events: Events, stop: Stop) -> None:
        self._clock = clock
        self._events = events
        self._stop = stop
        self._memory: Memory | None = None
        breakers = Breakers(now=clock.monotonic())
        self.outages = Outages(breakers, clock=clock, events=events, stop=stop, patience_seconds=PATIENCE_SECONDS)
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._last_hour: str | None = None

    def run(
        self,
        batches: Iterable[tuple[str | None, list[Message]]],
        steps: Steps,
        *,
        remember: Callable[[], Memory] | None,
    ) -> bool:
        """Whether it came to the end. Without ``remember`` nothing is too old."""
        for hour, batch in batches:
            if self._stop.asked:
                return False
            self._last_hour = hour
            if not self._load(batch, steps, remember):
                return False
            self._counts["read"] += len(batch)
        return True

    def summary(self, *, complete: bool, dry_run: bool) -> Backfilled:
        """What was done."""
        counts = self._counts
        return Backfilled(
            read=counts["read"],
            loaded=counts["loaded"],
            duplicates=counts["duplicates"],
            quarantined=counts["quarantined"],
            quarantined_by_reason=dict(self._reasons),
            too_old=counts["too_old"],
            left=counts["released"],
            last_hour=self._last_hour,
            complete=complete,
            dry_run=dry_run,
        )

    def _known(self, batch: list[Message], remember: Callable[[], Memory] | None) -> list[Message]:
        if remember is None:
            return batch
        memory = self._memory = self._memory or remember()
        return [message for message in batch if not memory.forgot(message)]

    def _attempt(
        self, batch: list[Message], steps: Steps, remember: Callable[[], Memory] | None
    ) -> tuple[list[Message], Processed]:
        """Load what the ledger can know. What fails is asked for again: it may have forgotten a day more."""
        try:
            known = self._known(batch, remember)
            return known, process(known, steps)
        except SinkUnavailable:
            self._memory = None
            raise

    def _load(self, batch: list[Message], steps: Steps, remember: Callable[[], Memory] | None) -> bool:
        started = self._clock.monotonic()
        attempted = self.outages.outlast("database", lambda: self._attempt(batch, steps, remember))
        if attempted is None:
            return False
        messages, done = attempted
        self._counts["too_old"] += len(batch) - len(messages)
        if not messages:
            return True
        account = account_of(done.outcomes)
        for name in ("loaded", "duplicates", "quarantined", "released"):
            self._counts[name] += getattr(account, name)
        for (reason, _), count in account.reasons.items():
            self._reasons[reason] += count
        seconds = self._clock.monotonic() - started
        for event in events_of(messages, done, account, seconds=seconds, now_ms=self._clock.now_ms()):
            self._events.emit(event)
        return True


@contextmanager
def _steps(
    settings: Settings, environ: Mapping[str, str], *, dry_run: bool, outages: Outages
) -> Iterator[tuple[Steps, PostgresSink | None]]:
    """The steps of a worker, without a queue; and the sink that they have, where they load."""
    rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
    masker = compile_masker(settings, rings, recovery=recovery, loads=not dry_run)
    with ExitStack() as opened:
        postgres: PostgresSink | None = None
        vault: VaultStore | None = None
        if not dry_run:
            loading = postgres = PostgresSink(settings, dsn=resolve_dsn(settings.sink, environ=environ))
            opened.callback(postgres.close)
            outages.outlast("database", lambda: loading.prepare(masker.fingerprints()))
            if settings.keeps_values:
                vault = VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)
                opened.callback(vault.close)
                outages.outlast("database", vault.prepare)
        unwrap = compile_unwrapper(settings, open_store=open_object_store)
        if unwrap is not None:
            opened.callback(unwrap.close)
        yield Steps(compile_decoder(settings), masker, postgres or _Nowhere(), vault, unwrap), postgres


class _Nowhere:
    """Fills ``Sink`` for a dry run: everything fits, nothing is stored."""

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """What would be loaded if nothing of it were there."""
        rows: list[LoadResult] = [Loaded(record.message_id) for record in records]
        return rows + [Rejected(one.message_id, one.reason, one.field) for one in rejections]

    def close(self) -> None:
        """Nothing is open."""
