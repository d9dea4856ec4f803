"""A primary and its standby, embedded; a sink that loads through a failover; and the count of what became of it.

Owns the second cluster (a base backup of the first that follows it), the promotion, and the tally of one failover. What
a failover must come to is for the tests and the drill to say.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import login, logins, query
from sofetch.embedded import Embedded, start_embedded
from sofetch.embedded.binaries import find_binaries
from sofetch.embedded.folder import unprivileged_user
from sofetch.embedded.process import as_user
from sofetch.errors import SinkUnavailable
from sofetch.load.postgres import PostgresSink
from sofetch.settings import Settings

SETTINGS = {"fsync": "off", "wal_sender_timeout": "5s", "max_connections": "30"}
_MARK = ".sofetch-embedded"
_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


def missing_binary() -> str:
    """The name of a program that a standby needs and that is not shipped; empty text if all are there."""
    folder = find_binaries()
    walreceiver = next(folder.parent.rglob("libpqwalreceiver.so"), None)
    if walreceiver is None:
        return "libpqwalreceiver.so"
    return "" if (folder / "pg_basebackup").exists() else "pg_basebackup"


@contextmanager
def new_primary() -> Iterator[Embedded]:
    """A primary that has no standby yet."""
    with start_embedded(queue=False, postgres_settings=SETTINGS) as server:
        yield server


@contextmanager
def standby_of(primary: Embedded) -> Iterator[Embedded]:
    """A standby that follows; it streams when it is given."""
    with tempfile.TemporaryDirectory(prefix="sofetch-s-", dir="/tmp") as name:
        folder = Path(name)
        base_backup(primary, folder, "-R")
        with start_embedded(folder, queue=False, postgres_settings=SETTINGS) as server:
            until(lambda: _streams(primary))
            yield server


def both(first: Embedded, second: Embedded) -> str:
    """One connection string with two hosts."""
    one, two = (conninfo_to_dict(server.dsn) for server in (first, second))
    return make_conninfo(first.dsn, host=f"{one['host']},{two['host']}")


def replicate(primary: Embedded, *, names: str, commit: str = "on") -> None:
    """Which standbys a commit waits for (none: asynchronous replication), and for what of them."""
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'".encode())
        connection.execute(f"ALTER SYSTEM SET synchronous_commit = '{commit}'".encode())
        connection.execute("SELECT pg_reload_conf()")
    state = "sync" if names else "async"
    until(lambda: query(primary.dsn, "SELECT sync_state FROM pg_stat_replication") == [(state,)])


def cut_off(standby: Embedded) -> str:
    """Let the standby receive no more; the primary does not mind. What ``follow`` needs to undo it."""
    [(before,)] = query(standby.dsn, "SELECT current_setting('primary_conninfo')")
    follow(standby, "")
    until(lambda: query(standby.dsn, "SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)])
    return str(before)


def follow(standby: Embedded, conninfo: str) -> None:
    """Let the standby receive from there."""
    with psycopg.connect(standby.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(sql.Literal(conninfo)))
        connection.execute("SELECT pg_reload_conf()")


def fence_off(server: Embedded) -> None:
    """Make an old primary read-only, as a failover manager does before it promotes another."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")


def promote(standby: Embedded) -> None:
    """Make it the primary, and one that waits for no standby."""
    with psycopg.connect(standby.dsn, autocommit=True) as connection:
        for setting in ("synchronous_standby_names", "synchronous_commit", "default_transaction_read_only"):
            connection.execute(f"ALTER SYSTEM RESET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
    assert query(standby.dsn, "SELECT pg_promote(true, 60)") == [(True,)]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages that were acknowledged."""

    acknowledged: int
    lost: int
    doubled: int
    unknown: int
    """Rows of no message that was acknowledged."""
    refused_tries: int
    away_seconds: float
    """The longest time between two batches that were acknowledged."""


class Loading:
    """Loads batch upon batch of logins in a thread; a refused one is tried until it is taken, as a worker does."""

    def __init__(self, dsn: str, *, batch: int = 100, first: int = 0, settings: Settings | None = None) -> None:
        self._sink = PostgresSink(settings or logins(connect_timeout_seconds=5), dsn=dsn)
        self._batch, self._first = batch, first
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self._refused, self._away, self._last = 0, 0.0, time.monotonic()
        self.acknowledged: list[str] = []

    def __enter__(self) -> Self:
        self._sink.prepare([])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._sink.close()

    def stop(self) -> None:
        """End after the batch at hand. Raises what ended the thread, if anything did."""
        self._stopping.set()
        self._thread.join(_WAIT_SECONDS)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error

    def wait_for(self, batches: int) -> None:
        """Until so many more batches are acknowledged."""
        wanted = len(self.acknowledged) + batches * self._batch
        until(lambda: len(self.acknowledged) >= wanted or not self._thread.is_alive())

    def tally(self, survivor: str) -> Tally:
        """Count on the database that is left; call it after ``stop``."""
        found = query(survivor, "SELECT user_id, count(*) FROM user_logins GROUP BY user_id")
        rows = {str(user): int(times) for user, times in found}
        known = set(self.acknowledged)
        return Tally(
            acknowledged=len(known),
            lost=len(known - rows.keys()),
            doubled=sum(times > 1 for times in rows.values()),
            unknown=len(rows.keys() - known),
            refused_tries=self._refused,
            away_seconds=self._away,
        )

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._load_one()
        except BaseException as error:  # noqa: BLE001  stop() raises it in the thread that asks
            self._error = error

    def _load_one(self) -> None:
        first = self._first + len(self.acknowledged)
        records = [login(f"m-{number}") for number in range(first, first + self._batch)]
        while True:
            try:
                self._sink.load(records, [])
            except SinkUnavailable:
                self._refused += 1
                time.sleep(_PAUSE_SECONDS)
            else:
                break
        now = time.monotonic()
        self._away, self._last = max(self._away, now - self._last), now
        self.acknowledged += [str(record.values[0]) for record in records]


def until(reached: Callable[[], bool]) -> None:
    """Wait for it; AssertionError if it does not come."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(_PAUSE_SECONDS)


def base_backup(primary: Embedded, folder: Path, *options: str) -> Path:
    """Copy a running primary into a folder that ``start_embedded`` takes; where its data is."""
    user = unprivileged_user()
    data = folder / "postgres" / "data"
    data.parent.mkdir(mode=0o700)
    (folder / _MARK).touch()
    if user is not None:
        for path in (folder, data.parent):
            os.chown(path, user.pw_uid, user.pw_gid)
    parameters = conninfo_to_dict(primary.dsn)
    subprocess.run(
        [
            _programs(primary) / "pg_basebackup",
            *("-D", data),
            *options,
            *("-X", "stream", "-c", "fast", "--no-sync"),
            *("-d", make_conninfo(host=str(parameters["host"]), user=str(parameters["user"]))),
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **as_user(user),
    )
    return data


def _programs(server: Embedded) -> Path:
    """Where the unprivileged user can run them: the server's own copy, if it needed one."""
    copied = next(server.folder.glob("programs/*/*/bin"), None)
    return copied or find_binaries()


def _streams(primary: Embedded) -> bool:
    return query(primary.dsn, "SELECT state FROM pg_stat_replication WHERE application_name <> 'pg_basebackup'") == [
        ("streaming",)
    ]
