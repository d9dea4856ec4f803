"""Where a function runs in the tests: a folder with its configuration, a database of its own, its queue's events."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from keyrings import KEYRING
from lambda_runtime.events import record
from lambda_runtime.function import RunningFunction
from loading import query
from sofetch.config import load_config, preset
from sofetch.load.setup.schema import apply_schema
from world import made_up

QUEUE = "logins.fifo"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sofetch' AND datname = current_database()"
CANARIES = ("203.0.113.249", "canary-593-47-5928")


@dataclass
class Stage:
    """A database and an environment in which functions run."""

    folder: Path
    dsn: str
    environ: dict[str, str]

    def users(self, prefix: str) -> list[str]:
        found = query(self.dsn, "SELECT user_id FROM user_logins WHERE user_id LIKE %s ORDER BY 1", prefix + "%")
        return [user for (user,) in found]

    def sessions(self) -> list[int]:
        return [pid for (pid,) in query(self.dsn, SESSIONS)]


@contextmanager
def stage_in(folder: Path, server_dsn: str) -> Iterator[Stage]:
    """The preset's table in a database of its own, which goes with the test."""
    name = f"lambda_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(server_dsn, dbname=name)
    (folder / "sofetch.toml").write_text(preset("logins"))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOFETCH_")},
        "SOFETCH_CONFIG": "sofetch.toml",
        "SOFETCH_SINK_DSN": dsn,
        "SOFETCH_SOURCE_QUEUE": QUEUE,
        "SOFETCH_KEYRING": KEYRING,
    }
    apply_schema(load_config(folder / "sofetch.toml", environ=environ), dsn=dsn)
    yield Stage(folder, dsn, environ)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def login(user: str, **fields: Any) -> dict[str, Any]:
    body = json.loads(made_up(1)) | {"user_id": user, "ip": CANARIES[0], "device_id": CANARIES[1]} | fields
    return record(json.dumps(body), queue=QUEUE)


def logins(prefix: str, count: int) -> list[dict[str, Any]]:
    return [login(f"{prefix}{at:05}") for at in range(count)]


def last_metrics(function: RunningFunction) -> dict[str, Any]:
    lines = [json.loads(line) for line in function.printed().splitlines() if line.startswith("{")]
    found: dict[str, Any] = [line for line in lines if "_aws" in line][-1]
    return found
