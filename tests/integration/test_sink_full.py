"""A database without room, for real: a full disk, used-up connections. Hold, resume, quarantine nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import count, login_rows, logins, names_of, open_sink, query, row, settings_for
from sofetch.embedded import Embedded, start_embedded
from sofetch.errors import SinkUnavailable
from sofetch.load.postgres import PostgresSink
from sofetch.record import MaskedRecord

SETTINGS = settings_for([{"name": "n", "type": "int"}, {"name": "text"}])
_LARGEST_FILE_BYTES = 20 * 1_048_576
"""Past every file but the table's, WAL segments (16 MiB) included."""


@pytest.fixture
def own_postgres() -> Iterator[Embedded]:
    """A Postgres that the test may starve."""
    with start_embedded(queue=False) as server:
        yield server


def data_folder(dsn: str) -> Path:
    [(folder,)] = query(dsn, "SELECT current_setting('data_directory')")
    return Path(folder)


@contextmanager
def small_disk(dsn: str) -> Iterator[Path]:
    """A disk of 2 MiB that belongs to the server's user."""
    owner = data_folder(dsn).stat()
    disk = data_folder(dsn).parent / "disk"
    disk.mkdir()
    options = f"size=2m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root; the other test of a full disk does not")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="mounting a small disk needs root, on Linux")
def test_a_full_disk_holds_the_batch_until_there_is_room_and_quarantines_nothing(own_postgres: Embedded) -> None:
    dsn = own_postgres.dsn
    records = [row(number, f"{number} " * 500) for number in range(400)]
    with small_disk(dsn) as disk, open_sink(SETTINGS, dsn) as sink:
        query(dsn, "CREATE TABLE ballast (text text)")
        query(dsn, "ALTER TABLE ballast ALTER text SET STORAGE PLAIN; ALTER TABLE events ALTER text SET STORAGE PLAIN")
        query(dsn, f"CREATE TABLESPACE small LOCATION '{disk}'")
        query(dsn, "ALTER TABLE ballast SET TABLESPACE small")
        query(dsn, "ALTER TABLE events SET TABLESPACE small")
        query(dsn, "INSERT INTO ballast SELECT repeat('x', 4000) FROM generate_series(1, 300)")
        for _ in range(3):
            with pytest.raises(SinkUnavailable, match="disk is full") as caught:
                sink.load(records, [])
            assert caught.value.sqlstate == "53100"
        assert count(dsn, "events") == 0
        query(dsn, "TRUNCATE ballast")
        assert_resumed(sink, dsn, records)
        query(dsn, "DROP TABLE events, ballast")
        query(dsn, "DROP TABLESPACE small")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prlimit") is None, reason="another process' limits are set with Linux' prlimit")
def test_a_file_that_may_not_grow_holds_the_batch_until_it_may_and_quarantines_nothing(own_postgres: Embedded) -> None:
    """What any user can do to a server of their own: a quota, as it were, which Postgres has no SQLSTATE for."""
    dsn = own_postgres.dsn
    records = [row(number, f"{number} " * 500) for number in range(1_000)]
    with open_sink(SETTINGS, dsn) as sink:
        query(dsn, "ALTER TABLE events ALTER text SET STORAGE PLAIN")
        query(dsn, "INSERT INTO events SELECT 0, repeat('x', 4000) FROM generate_series(1, 5000)")
        sink.close()
        with files_may_not_grow(dsn):
            for _ in range(3):
                with pytest.raises(SinkUnavailable) as caught:
                    sink.load(records, [])
                assert caught.value.sqlstate in {"53100", "XX000"}
            assert count(dsn, "events") == 5_000
        sink.close()
        query(dsn, "DELETE FROM events WHERE n = 0 AND text LIKE 'x%'")
        assert_resumed(sink, dsn, records)


def assert_resumed(sink: PostgresSink, dsn: str, records: list[MaskedRecord]) -> None:
    assert names_of(sink.load(records, [])) == ["Loaded"] * len(records)
    assert names_of(sink.load(records, [])) == ["Duplicate"] * len(records)
    assert count(dsn, "events") == len(records)
    assert count(dsn, "sofetch.quarantine") == 0


@contextmanager
def files_may_not_grow(dsn: str) -> Iterator[None]:
    """For every server process that is started meanwhile."""
    pid_file = data_folder(dsn) / "postmaster.pid"
    limit = partial(_limit_file_size, pid_file.read_text().splitlines()[0], as_owner_of=pid_file)
    limit(str(_LARGEST_FILE_BYTES))
    try:
        yield
    finally:
        limit("unlimited")


def _limit_file_size(pid: str, soft: str, *, as_owner_of: Path) -> None:
    """As the server's own user, who may: we may be a root that lacks the capability."""
    command = [shutil.which("prlimit") or "prlimit", "--pid", pid, f"--fsize={soft}:"]
    owner = as_owner_of.stat()
    other = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if owner.st_uid != os.getuid() else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd="/", **other)  # type: ignore[call-overload]
    if done.returncode:
        pytest.skip(f"the server's limits cannot be set: {done.stderr.strip()}")


def test_used_up_connections_hold_the_batch_until_one_is_free_and_are_said_to_be_the_cause(database: str) -> None:
    records = login_rows(3)
    name = f"limited_{conninfo_to_dict(database)['dbname']}"
    with open_sink(logins(), database) as sink:
        sink.load(records[:1], [])
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 1").format(sql.Identifier(name)))
        owner = conninfo_to_dict(database)["user"]
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(str(owner)), sql.Identifier(name)))
        limited = make_conninfo(database, user=name)
        sink = PostgresSink(logins(), dsn=limited)
        try:
            with psycopg.connect(limited) as only:
                for _ in range(2):
                    with pytest.raises(SinkUnavailable, match="too many connections"):
                        sink.load(records, [])
                pid = only.info.backend_pid
            admin.execute("SELECT pg_terminate_backend(%s, 60000)", [pid])  # it is closed: this waits until it is gone
            assert names_of(sink.load(records, [])) == ["Duplicate", "Loaded", "Loaded"]
            assert count(database, "sofetch.quarantine") == 0
        finally:
            sink.close()
            admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
