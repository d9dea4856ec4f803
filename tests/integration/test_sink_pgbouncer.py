"""A real PgBouncer in transaction mode, with one connection to the server for all: what `[sink] pooled` is for."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import count, login, login_rows, logins, names_of, open_sink, query, row, settings_for
from sofetch.embedded.folder import unprivileged_user
from sofetch.embedded.process import as_user
from sofetch.load.setup.schema import apply_schema
from sofetch.record import MaskedRecord

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (apt-get install pgbouncer)"),
]


@pytest.fixture
def pooler(database: str) -> Iterator[str]:
    """Connection string of the database through PgBouncer. One connection to the server is shared by all."""
    server = conninfo_to_dict(database)
    query(database, f"ALTER DATABASE {server['dbname']} SET search_path = public")
    with tempfile.TemporaryDirectory(prefix="sofetch-b-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"{server["user"]}" ""\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host={server['host']}\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\n"
            f"auth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 1\n"
        )
        user = unprivileged_user()
        if user is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
        process = subprocess.Popen(
            [str(PROGRAM), "-q", str(folder / "ini")], stderr=subprocess.DEVNULL, cwd="/", **as_user(user)
        )
        try:
            _wait_for(folder / ".s.PGSQL.6432")
            yield make_conninfo(database, host=str(folder), port=6432)
        finally:
            process.terminate()
            process.wait(20)


def test_two_loaders_share_one_connection_and_leave_it_as_it_was(database: str, pooler: str) -> None:
    settings = logins(pooled=True, statement_timeout_seconds=7)
    apply_schema(settings, dsn=database)
    query(database, "ALTER TABLE user_logins ADD CONSTRAINT harmless CHECK (user_id <> 'poison')")
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        sinks = [stack.enter_context(open_sink(settings, pooler, schema=False)) for _ in range(2)]
        shared = login_rows(50)
        work = [[*shared, login("poison"), *login_rows(50)] for _ in sinks]
        first = list(pool.map(lambda sink, rows: names_of(sink.load(rows, [])), sinks, work))
        assert sorted(name for names in first for name in names) == (
            ["Duplicate"] * 50 + ["Loaded"] * 150 + ["Refused"] * 2
        )
        with psycopg.connect(pooler, autocommit=True, prepare_threshold=None) as other:
            assert other.execute("SHOW statement_timeout").fetchone() == ("0",)
    assert count(database, "user_logins") == 150


@pytest.mark.parametrize(("write", "stays"), [("upsert", "new"), ("insert_ignore", "old")])
def test_rows_are_written_by_key_through_it_too(database: str, pooler: str, write: str, stays: str) -> None:
    columns = [{"name": "user_id"}, {"name": "sent", "value": "sent_time", "type": "timestamp"}, {"name": "state"}]
    settings = settings_for(columns, table="profiles", write=write, key=["user_id"], pooled=True)
    apply_schema(settings, dsn=database)

    def version(user: int, state: str) -> MaskedRecord:
        sent = datetime(2026, 11, 23, hour=1 if state == "old" else 2, tzinfo=UTC)
        return row(f"u{user}", sent, state)

    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        sinks = [stack.enter_context(open_sink(settings, pooler, schema=False)) for _ in range(2)]
        assert names_of(sinks[0].load([version(user, "old") for user in range(100)], [])) == ["Loaded"] * 100
        newer = [version(user, "new") for user in range(100)]
        found = pool.map(lambda sink, rows: names_of(sink.load(rows, [])), sinks, [newer, newer[50:]])
        assert sum(names.count("Loaded") for names in found) == (100 if write == "upsert" else 0)
    assert query(database, "SELECT state, count(*) FROM profiles GROUP BY state") == [(stays, 100)]


def test_the_primary_is_found_through_poolers_too(database: str, pooler: str) -> None:
    """What takes writes is asked through them: a pooler may be the one of a standby."""
    settings = logins(pooled=True)
    apply_schema(settings, dsn=database)
    folder = conninfo_to_dict(pooler)["host"]
    with open_sink(settings, make_conninfo(pooler, host=f"/nowhere,{folder}"), schema=False) as sink:
        assert names_of(sink.load(login_rows(3), [])) == ["Loaded"] * 3


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, "PgBouncer did not start"
        time.sleep(0.02)
