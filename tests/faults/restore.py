"""A primary that archives its WAL, a sofetch archive beside it, the loss of both its disk and its last WAL, a restore.

Owns one such round and what it measured. What a round must come to is for the test and the drill to say.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec

from archiving import KEY, PUBLIC_KEY
from faults.failover import SETTINGS, base_backup, until
from keyrings import KEYRING
from loading import logins, query
from sofetch.archive.opening import open_place
from sofetch.archive.place import Place
from sofetch.archive.writer import ArchiveWriter
from sofetch.backfill import archived, backfill, selected
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.embedded import Embedded, start_embedded
from sofetch.embedded.folder import unprivileged_user
from sofetch.events import Events
from sofetch.load.postgres import PostgresSink
from sofetch.load.reconciling import LedgerReader
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker, parse_keyring
from sofetch.pipeline import Steps, process
from sofetch.record import Loaded, Message
from sofetch.settings import ArchiveSettings, Settings
from sofetch.stopping import Stop
from sofetch.verify import DAY_MS, Missing, Range, Verification, gather
from world import made_up

_ROWS = "SELECT user_id, masked_ip, app_version, create_date FROM user_logins ORDER BY user_id"


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages that were acknowledged. ``missing`` and ``left`` are what verify found, by key."""

    acknowledged: int
    in_base_backup: int
    restored: int
    missing: int
    replayed: int
    left: int
    same_rows: bool
    """Whether the table is, row by row and token by token, what the primary had when it died."""
    restore_seconds: float
    backfill_seconds: float


def recover(*, batches: int, batch: int) -> Recovery:
    """Load a third, back up, load a third that WAL has, load a third that nothing has, lose the primary, come back."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sofetch-r-", dir="/tmp")))
        folder.chmod(0o755)
        wal = _owned(folder / "wal")
        settings = msgspec.structs.replace(logins(), archive=ArchiveSettings(to=str(folder / "archive")))
        archives = {"archive_mode": "on", "archive_command": f"/bin/cp %p {wal}/%f"}
        primary = stack.enter_context(start_embedded(queue=False, postgres_settings=SETTINGS | archives))
        apply_schema(settings, dsn=primary.dsn)
        with _Load(settings, primary.dsn, batch=batch) as load:
            load.run(batches)
            backup = _owned(folder / "restored")
            data = base_backup(primary, backup)
            in_base_backup = len(load.acknowledged)
            load.run(batches)
            _archive_wal(primary)
            load.run(batches)
        before = query(primary.dsn, _ROWS)
        primary.stop_postgres(immediate=True)
        started = time.monotonic()
        restored = stack.enter_context(_restored(backup, data, wal))
        restore_seconds = time.monotonic() - started
        rows = len(query(restored.dsn, _ROWS))
        with closing(open_place(settings.archive)) as place:
            missing = verified(settings, place, restored.dsn).messages
            started = time.monotonic()
            replayed = _backfill(settings, place, restored.dsn)
            backfill_seconds = time.monotonic() - started
            left = verified(settings, place, restored.dsn).messages
        return Recovery(
            acknowledged=len(load.acknowledged),
            in_base_backup=in_base_backup,
            restored=rows,
            missing=missing,
            replayed=replayed,
            left=left,
            same_rows=query(restored.dsn, _ROWS) == before,
            restore_seconds=restore_seconds,
            backfill_seconds=backfill_seconds,
        )


def verified(settings: Settings, place: Place, dsn: str) -> Missing:
    """What is missing by ``sofetch verify``, nothing being in hand."""
    now_ms = SystemClock().now_ms() + 1
    wanted = Range(now_ms - DAY_MS, now_ms, timeless=True)
    with closing(gather(place, settings, wanted).keys) as keys, LedgerReader(settings, dsn=dsn) as ledger:
        verification = Verification(ledger, oldest_ms=0, settled_ms=now_ms, most_keys=0, keys=keys)
        for _ in verification.hours(wanted):
            pass
        return verification.missing


class _Load:
    """A worker's steps in a row, each batch archived before it is loaded; what was acknowledged is known."""

    def __init__(self, settings: Settings, dsn: str, *, batch: int) -> None:
        masker = compile_masker(settings, parse_keyring(KEYRING))
        self._clock = SystemClock()
        self._batch = batch
        self._sink = PostgresSink(settings, dsn=dsn)
        self._sink.prepare(masker.fingerprints())
        self._steps = Steps(compile_decoder(settings), masker, self._sink)
        self._archive = ArchiveWriter(
            settings, place=open_place(settings.archive), key=PUBLIC_KEY, clock=self._clock, events=Events()
        )
        self._archive.prepare()
        self.acknowledged: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self._sink.close()

    def run(self, batches: int) -> None:
        """So many batches more."""
        for _ in range(batches):
            messages = [self._message(len(self.acknowledged) + number) for number in range(self._batch)]
            self._archive.keep(messages)
            done = process(messages, self._steps)
            stored = [one.message_id for one in done.outcomes if isinstance(one, Loaded)]
            assert len(stored) == self._batch
            self.acknowledged |= set(stored)

    def _message(self, number: int) -> Message:
        now_ms = self._clock.now_ms()
        body = made_up(number)
        return Message(id=str(uuid.uuid4()), body=body, queue="q", sent_ms=now_ms, received_ms=now_ms)


def _backfill(settings: Settings, place: Place, dsn: str) -> int:
    found = selected(settings, place, first=None, last=None)
    environ = {"SOFETCH_KEYRING": KEYRING, "SOFETCH_SINK_DSN": dsn}
    batches = archived(settings, place, found, keys=[KEY])
    done = backfill(settings, batches, clock=SystemClock(), events=Events(), stop=Stop(), environ=environ)
    assert done.complete
    return done.loaded


def _archive_wal(primary: Embedded) -> None:
    """End the segment and wait until it is archived: what comes now is in the next one, and goes with the primary."""
    [(segment,)] = query(primary.dsn, "SELECT pg_walfile_name(pg_switch_wal())")
    until(lambda: _last_archived(primary) >= str(segment))


def _last_archived(primary: Embedded) -> str:
    rows: list[tuple[Any, ...]] = query(primary.dsn, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")
    return str(rows[0][0])


@contextmanager
def _restored(folder: Path, data: Path, wal: Path) -> Iterator[Embedded]:
    """The base backup, started with all WAL that was archived, and promoted."""
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = '/bin/cp {wal}/%f \"%p\" 2>/dev/null'\n")
    with start_embedded(folder, queue=False, postgres_settings=SETTINGS) as server:
        until(lambda: query(server.dsn, "SELECT pg_is_in_recovery()") == [(False,)])
        yield server


def _owned(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    user = unprivileged_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder
