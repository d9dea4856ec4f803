"""What a benchmark runs against: a Postgres, a fresh database a run, a queue server, and the environment of a program.

Owns their settings and their life. Postgres keeps its own defaults where they make writing safe (``fsync``,
``full_page_writes``): figures without them would be of another database.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import boto3
import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from bodies import login_bodies
from sofetch.config import load_config, preset
from sofetch.embedded import start_embedded
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import new_keyring_text
from sofetch.settings import Settings

QUEUE = "login-queue"
TABLE = "user_logins"
# Room for a run without a checkpoint in the middle of it, which would be measured too.
POSTGRES_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "wal_buffers": "16MB",
}


class QueueServer(Protocol):
    """A running queue server with one queue, ``login-queue``."""

    endpoint: str
    pid: int

    def calls(self) -> Mapping[str, int] | None:
        """API calls answered so far, by action; None where the server does not count."""
        ...


@dataclass(frozen=True)
class Database:
    """A fresh database with the schema of the logins applied."""

    dsn: str

    def one(self, query: str) -> Any:
        """The one value of a query."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None

    def rows(self) -> int:
        """Rows in the table."""
        return int(self.one(f"SELECT count(*) FROM {TABLE}"))  # noqa: S608  a name of ours

    def wal_bytes(self) -> int:
        """WAL written so far by the whole server."""
        return int(self.one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))


@dataclass(frozen=True)
class Postgres:
    """The server of all runs. ``pid`` is the postmaster's: its children are all other processes of the server."""

    dsn: str
    pid: int
    version: str

    @contextmanager
    def fresh_database(self, settings: Settings) -> Iterator[Database]:
        """A database of its own for a run; earlier writes are on disk before it begins."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        self._do(f"CREATE DATABASE {name}")
        database = Database(make_conninfo(self.dsn, dbname=name))
        try:
            apply_schema(settings, dsn=database.dsn)
            self._do("CHECKPOINT")
            yield database
        finally:
            self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """A Postgres that ends with the context."""
    with start_embedded(queue=False, postgres_settings=POSTGRES_SETTINGS | settings) as server:
        with psycopg.connect(server.dsn) as connection:
            postmaster = psutil.Process(connection.info.backend_pid).ppid()
            version = connection.info.server_version
        yield Postgres(server.dsn, postmaster, f"{version // 10_000}.{version % 10_000}")


class Ministack:
    """A full SQS server. It slows down beyond a thousand queued messages, and does not count calls."""

    def __init__(self, endpoint: str, pid: int) -> None:
        self.endpoint = endpoint
        self.pid = pid

    def calls(self) -> None:
        """It does not count."""
        return


@contextmanager
def ministack(*, messages: int) -> Iterator[Ministack]:
    """A full SQS server with that many messages in its queue."""
    before = set(psutil.Process().children(recursive=True))
    with start_embedded(postgres=False) as server:
        new = set(psutil.Process().children(recursive=True)) - before
        pid = next(one.pid for one in new if "ministack" in one.cmdline())
        client = client_of(server.endpoint)
        url = client.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        bodies = [body.decode() for body in login_bodies(messages)]
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies[start : start + 10])]
            client.send_message_batch(QueueUrl=url, Entries=entries)
        client.close()
        yield Ministack(server.endpoint, pid)


def client_of(endpoint: str) -> Any:
    """A boto3 client on a queue server, with made-up credentials."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  the servers take any
    )


@dataclass(frozen=True)
class Place:
    """A folder with the logins' configuration and a keyring, and what a program is told by its environment."""

    folder: Path
    keyring: str

    def environ(self, database: Database, queue: QueueServer, overrides: Mapping[str, object] = {}) -> dict[str, str]:
        """The environment of ``sofetch`` and of its peers. ``overrides`` are settings: ``SOURCE_RECEIVERS``."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_THEIRS)}
        ours = {"SINK_DSN": database.dsn, "SOURCE_ENDPOINT": queue.endpoint, "KEYRING": self.keyring}
        return (
            kept | AWS | {f"SOFETCH_{name}": str(value) for name, value in {**WAIT, **ours, **dict(overrides)}.items()}
        )

    def settings(self) -> Settings:
        """The configuration, read."""
        return load_config(self.folder / "sofetch.toml", environ={})


_NOT_THEIRS = ("SOFETCH_", "AWS_", "PG", "PYTHON")
# A queue that is drained is asked once more, and then the run is over: no figure holds the wait.
WAIT = {"SOURCE_WAIT_SECONDS": 1}
AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}


@contextmanager
def place() -> Iterator[Place]:
    """A folder for a run's program."""
    with TemporaryDirectory(prefix="sofetch-bench-") as name:
        folder = Path(name)
        (folder / "sofetch.toml").write_text(preset("logins"))
        yield Place(folder, new_keyring_text())
