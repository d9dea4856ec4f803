"""Archived logins for the tests of Spark, and where they are loaded. Everything in them is made up."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyrings import KEYRING
from loading import query
from sofetch.clock import SystemClock
from sofetch.config import load_config, preset
from sofetch.load.setup.schema import apply_schema
from sofetch.presets.synthetic import synthetic_logins
from sofetch.settings import Settings

CANARY = "canary-device-7391"
DAMAGED = [b'{"id": "x", "canary-device-7391"', b'{"sent_ms": 1, "body": "canary-device-7391"}']
NOT_A_LOGIN = f'{{"foo": "{CANARY}"}}'


@dataclass
class Archive:
    """Logins of today with their ids, each personal value to be looked for; every hundredth is no login."""

    count: int
    sent_ms: int = field(default_factory=lambda: SystemClock().now_ms() - 60_000)
    ids: list[str] = field(init=False)
    bodies: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [str(uuid.uuid4()) for _ in range(self.count)]
        self.bodies = [
            NOT_A_LOGIN if n % 100 == 99 else body.decode()
            for n, body in enumerate(synthetic_logins(self.count, seed=7))
        ]

    @property
    def refused(self) -> int:
        """How many do not fit."""
        return self.count // 100

    def envelopes(self) -> list[bytes]:
        """A line each."""
        pairs = zip(self.ids, self.bodies, strict=True)
        return [json.dumps({"id": id_, "sent_ms": self.sent_ms, "body": body}).encode() for id_, body in pairs]

    def personal(self) -> list[str]:
        """Values that may be nowhere in the clear: some of the logins', and the canary."""
        some = [json.loads(body) for body in self.bodies[:40]]
        return [CANARY, *(login[name] for login in some for name in ("ip", "device_id") if login.get(name))]


@dataclass
class Job:
    """A configuration, a database with the schema, and the environment that a task is given."""

    folder: Path
    dsn: str
    settings: Settings
    environ: dict[str, str]

    def rows(self) -> list[tuple[Any, ...]]:
        """The table, in order."""
        return query(self.dsn, "SELECT * FROM user_logins ORDER BY 1, 3, 4, 6")

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(query(self.dsn, f"SELECT count(*) FROM {table}")[0][0])


def make_job(folder: Path, dsn: str, overrides: Mapping[str, str] | None = None) -> Job:
    """The logins preset, its schema applied, and a keyring in a file."""
    (folder / "sofetch.toml").write_text(preset("logins"))
    keyring = folder / "keyring.json"
    keyring.touch(mode=0o600)
    keyring.write_text(KEYRING)
    environ = {"SOFETCH_SINK_DSN": dsn, "SOFETCH_KEYRING_FILE": str(keyring), **(overrides or {})}
    settings = load_config(folder / "sofetch.toml", environ=environ)
    apply_schema(settings, dsn=dsn)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOFETCH_")}
    return Job(folder, dsn, settings, {**clean, **environ})
