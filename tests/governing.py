"""A world with a vault of its own, a recovery key, and columns of every scheme that leads back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from world import World, make_world

CONFIG = """
[source]
queue = "login-queue"

[sink]
table = "user_logins"

[vault]
subject = "user_id"
recovery_public_key = "recovery.pub"

[erasure]
backup_days = 35
{erasure}

[recovery]
{recovery}

[[column]]
name = "user_id"
max_length = 128

[[column]]
name = "masked_ip"
from = "ip"
mask = "token"
kind = "ip"
domain = "ip"
vault = true

[[column]]
name = "open_ip"
from = "ip"
mask = "ip"
domain = "ip"

[[column]]
name = "masked_device_id"
from = "device_id"
mask = "reversible"
domain = "device"

[[column]]
name = "locale"
max_length = 32
required = true
"""

BY = ("--actor", "ana", "--purpose", "a test", "--ticket", "T-1")


class Governed(World):
    """The world, and where its vault is."""

    vault_dsn: str

    def ask(self, *arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command that must end with this exit code."""
        done = self.sofetch(*arguments, **options)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def recover(self, *tokens: str, code: int = 0) -> list[dict[str, Any]]:
        """``sofetch recover --json`` with the recovery key; its answers."""
        done = self.ask("recover", "--recovery-key", "recovery.pem", "--json", *BY, *tokens, code=code)
        answers: list[dict[str, Any]] = json.loads(done.stdout)["answers"]
        return answers

    def erase(self, subject: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        """``sofetch erase --json`` without being asked; its receipt."""
        done = self.ask("erase", "--subject", subject, "--yes", "--json", *BY, *arguments, code=code)
        receipt: dict[str, Any] = json.loads(done.stdout)
        return receipt

    def configure(self, *, erasure: str = "", recovery: str = "") -> None:
        """Write the configuration, with these lines in its sections."""
        (self.folder / "sofetch.toml").write_text(CONFIG.format(erasure=erasure, recovery=recovery))

    def row(self, user: str) -> dict[str, str]:
        """A user's row, as texts."""
        # Asked for here and not in the statement: the server logs statements.
        rows = self.query("SELECT user_id, masked_ip, host(open_ip) AS open_ip, masked_device_id FROM user_logins")
        return next({name: row[name] for name in row if name != "user_id"} for row in rows if row["user_id"] == user)

    def vault_dump(self) -> bytes:
        """All that the vault's database holds, as a dump would have it."""
        with psycopg.connect(self.vault_dsn, autocommit=True) as connection:
            keys = connection.execute("SELECT k::text FROM sofetch_vault.subject_key AS k").fetchall()
            values = connection.execute("SELECT v::text FROM sofetch_vault.value AS v").fetchall()
        return json.dumps([keys, values]).encode()


@contextmanager
def governed_world(*, folder: Path, dsn: str, endpoint: str) -> Iterator[Governed]:
    """A world whose vault is in a database of its own, all schemas applied, nothing loaded."""
    base = make_world(folder=folder, dsn=dsn, endpoint=endpoint)
    base.execute("DROP TABLE user_logins")
    name = f"{conninfo_to_dict(dsn)['dbname']}_vault"
    base.execute(f"CREATE DATABASE {name}")
    try:
        world = Governed(**{field: getattr(base, field) for field in base.__dataclass_fields__})
        world.vault_dsn = make_conninfo(dsn, dbname=name)
        world.environ |= {"SOFETCH_VAULT_DSN": world.vault_dsn}
        world.configure()
        world.ask("keys", "recovery-new", "-o", "recovery.pem", "--public", "recovery.pub")
        world.ask("schema", "--apply")
        yield world
        world.sqs.close()
    finally:
        base.execute(f"DROP DATABASE {name} WITH (FORCE)")


def login(user: str, *, ip: str, device: str, **changes: object) -> bytes:
    """A message of a user's."""
    return json.dumps({"user_id": user, "ip": ip, "device_id": device, "locale": "NL"} | changes).encode()
