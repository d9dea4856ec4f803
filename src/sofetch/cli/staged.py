"""What the demo does, act by act: servers, messages, a worker that is killed, a worker that finishes.

Owns the acts and hands back facts; how they are told is ``sofetch.cli.demo``'s. Everything is made in one throw-away
folder: configuration, key, database, queue. Nothing of the user's own configuration or credentials is looked at.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from sofetch.embedded import Embedded, start_embedded
from sofetch.errors import SofetchError
from sofetch.presets.synthetic import example_logins, synthetic_logins

if TYPE_CHECKING:
    from sofetch.governance.audit import AuditRow, Verdict
    from sofetch.governance.erasure import Receipt
    from sofetch.governance.recovery import Answer
    from sofetch.governance.request import Purpose
    from sofetch.load.quarantine.entries import Quarantined
    from sofetch.load.reading import Repeated, Rows
    from sofetch.settings import Settings
    from sofetch.source.control import QueueControl
    from sofetch.worker import Summary

EXAMPLES = len(example_logins())
VISIBILITY_SECONDS = 2
"""Short, so that nobody waits long for what the killed worker held. A real queue has 30 s or more."""

SUBJECT = "user_id"
VAULTED = "masked_device_id"
"""The column whose values go into the vault, and the one that says whose they are."""

_FIRST_BATCH_IN_100 = 60
_FOREIGN_PREFIXES = ("SOFETCH_", "AWS_", "PG")
_MOST_REPEATED = 1_000


class Stage(Struct, frozen=True, kw_only=True):
    """The demo's own small world. ``environ`` is what a command needs to find it."""

    servers: Embedded
    settings: Settings
    environ: Mapping[str, str]
    messages: int

    @property
    def folder(self) -> Path:
        """Where everything is."""
        return self.servers.folder

    @property
    def env_file(self) -> Path:
        """A file for a shell to read, so that commands typed there find the demo."""
        return self.folder / "env"

    @property
    def own_file(self) -> Path:
        """The same for a trial of one's own: the demo's queue server, and an empty database."""
        return self.folder / "own"


class Result(Struct, frozen=True, kw_only=True):
    """What the database and the queue hold at the end. ``example`` pairs a message's fields with its row's values."""

    rows: int
    quarantined: int
    left_in_queue: int
    table: Rows
    example: list[tuple[str, str, object]]
    repeated: Mapping[str, list[Repeated]]
    refused: list[Quarantined]


class Governed(Struct, frozen=True, kw_only=True):
    """What became of one token and of the user behind it. ``before`` and ``after`` are answers of a recovery."""

    token: str
    before: Answer
    shown: AuditRow
    receipt: Receipt
    after: Answer
    audit: Verdict


@contextmanager
def stage(*, messages: int) -> Iterator[Stage]:
    """Start the servers and lay out configuration, key and schema; in the end nothing is left of any of it."""
    from sofetch.config import load_config, preset
    from sofetch.keys import write_new_keyring
    from sofetch.keys.recovery import write_recovery_keypair
    from sofetch.load.setup.schema import apply_schema
    from sofetch.load.vault.schema import apply_vault

    with start_embedded() as servers:
        folder = servers.folder
        (folder / "sofetch.toml").write_text(preset("logins"))
        write_new_keyring(folder / "keyring.json")
        write_recovery_keypair(folder / "recovery.pem", folder / "recovery.pub.pem")
        own = _own_environment(servers, first_batch=max(1, messages * _FIRST_BATCH_IN_100 // 100))
        (folder / "env").write_text(_exports(own))
        (folder / "own").write_text(_for_a_trial(servers, demo=own))
        environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_PREFIXES)} | own
        with _environment(environ):
            settings = load_config(environ=environ)
            apply_schema(settings, dsn=servers.dsn)
            apply_vault(servers.dsn, limits=settings.sink)
            yield Stage(servers=servers, settings=settings, environ=environ, messages=messages)


def fill(stage: Stage, *, seed: int) -> None:
    """Put the example and made-up logins on the queue."""
    from sofetch.source.control import QueueControl

    bodies = chain(example_logins(), synthetic_logins(stage.messages - EXAMPLES, seed=seed))
    attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    with QueueControl.create(stage.settings.source, attributes=attributes) as queue:
        queue.send(bodies)


def load_and_be_killed(stage: Stage) -> tuple[int, int]:
    """Run a worker that dies (SIGKILL) between its first commit and its first delete: committed, left in the queue."""
    from sofetch.load.reading import count_rows

    died = subprocess.run(
        [sys.executable, "-m", "sofetch", "run", "--drain", "--quiet"],
        cwd=stage.folder,
        env={**stage.environ, "SOFETCH_CRASH_AT": "after_commit"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if died.returncode != -signal.SIGKILL:
        raise SofetchError(f"the first worker ended by itself, with exit code {died.returncode}\n{died.stderr}".strip())
    counts = count_rows(stage.settings, dsn=stage.servers.dsn)
    with _queue(stage) as queue:
        waiting = queue.attributes()
    return counts.rows + sum(counts.quarantined.values()), waiting.visible + waiting.in_flight


def load_the_rest(stage: Stage) -> Summary:
    """Wait until the queue delivers again what the dead worker held, then run a worker until the queue is empty."""
    from sofetch.app import Pipeline

    _await_redelivery(stage)
    with Pipeline.open(stage.settings, environ=stage.environ) as pipeline:
        return pipeline.run(drain=True)


def look(stage: Stage) -> Result:
    """Read what came of it."""
    from sofetch.load.quarantine.entries import list_quarantine
    from sofetch.load.reading import count_rows, read_rows, repeated_values

    settings, dsn = stage.settings, stage.servers.dsn
    counts = count_rows(settings, dsn=dsn)
    table = read_rows(settings, dsn=dsn, limit=stage.messages)
    masked = [column.name for column in settings.column if column.mask is not None]
    with _queue(stage) as queue:
        waiting = queue.attributes()
    return Result(
        rows=counts.rows,
        quarantined=sum(counts.quarantined.values()),
        left_in_queue=waiting.visible + waiting.in_flight,
        table=table,
        example=_example(settings, table),
        repeated={name: repeated_values(settings, name, dsn=dsn, limit=_MOST_REPEATED) for name in masked},
        refused=list_quarantine(settings, dsn=dsn),
    )


def recover_and_erase(stage: Stage, result: Result) -> Governed:
    """Recover one device by its token, erase the user it belongs to, and try to recover it again."""
    from sofetch.cli.governed import means_of_erasure
    from sofetch.governance.erasure import erase
    from sofetch.governance.request import Purpose

    token = next(str(stored) for name, _, stored in result.example if name == VAULTED)
    user = next(sent for name, sent, _ in result.example if name == SUBJECT)
    shown, before = _recover(stage, token, Purpose(actor="ana", purpose="a stolen device", ticket="CASE-7"))
    with means_of_erasure(stage.settings, environ=stage.environ) as means:
        receipt = erase(user, Purpose(actor="bo", purpose="the user's own wish", ticket="ART17-3"), means)
    _, after = _recover(stage, token, Purpose(actor="ana", purpose="a stolen device", ticket="CASE-7"))
    return Governed(token=token, before=before, shown=shown, receipt=receipt, after=after, audit=_verified(stage))


def _verified(stage: Stage) -> Verdict:
    from sofetch.governance.audit import AuditKeys, verify_chain
    from sofetch.keys import load_keyring
    from sofetch.load.audit import AuditTable

    keys = AuditKeys(load_keyring(stage.settings.keys, environ=stage.environ))
    with AuditTable(stage.settings.sink, dsn=stage.servers.dsn, keys=keys) as table:
        return verify_chain(table.rows(), keys=keys)


def _recover(stage: Stage, token: str, by: Purpose) -> tuple[AuditRow, Answer]:
    from sofetch.cli.governed import means_of_recovery
    from sofetch.governance.recovery import Asked, recover

    key = stage.folder / "recovery.pem"
    with means_of_recovery(stage.settings, [token], key=key, environ=stage.environ) as means:
        row, [answer] = recover(Asked(by=by, tokens=[token]), means)
    return row, answer


def _own_environment(servers: Embedded, *, first_batch: int) -> dict[str, str]:
    return servers.environ | {
        "SOFETCH_CONFIG": str(servers.folder / "sofetch.toml"),
        "SOFETCH_KEYRING_FILE": str(servers.folder / "keyring.json"),
        "SOFETCH_SINK_DSN": servers.dsn,
        f"SOFETCH_COLUMN_{VAULTED}_VAULT".upper(): "true",
        "SOFETCH_VAULT_SUBJECT": SUBJECT,
        "SOFETCH_VAULT_RECOVERY_PUBLIC_KEY": str(servers.folder / "recovery.pub.pem"),
        "SOFETCH_VAULT_SAME_DATABASE": "true",
        "SOFETCH_SOURCE_ENDPOINT": servers.endpoint,
        "SOFETCH_SOURCE_REGION": "us-east-1",
        "SOFETCH_BATCH_MAX_MESSAGES": str(first_batch),
    }


def _for_a_trial(servers: Embedded, *, demo: Mapping[str, str]) -> str:
    """Without the demo's configuration, key and vault, where a shell has them: its key is not one for other tokens."""
    own = servers.environ | {"SOFETCH_SINK_DSN": servers.spare_dsn}
    own |= {name: demo[name] for name in ("SOFETCH_SOURCE_ENDPOINT", "SOFETCH_SOURCE_REGION")}
    return f"unset AWS_PROFILE {' '.join(sorted(demo.keys() - own.keys()))}\n" + _exports(own)


def _exports(environ: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environ.items())


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    # The AWS SDK and libpq read the process's own environment and cannot be handed another.
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _queue(stage: Stage) -> Iterator[QueueControl]:
    from sofetch.source.control import QueueControl

    with QueueControl.open(stage.settings.source) as queue:
        yield queue


def _await_redelivery(stage: Stage) -> None:
    deadline = time.monotonic() + 3 * VISIBILITY_SECONDS
    with _queue(stage) as queue:
        while queue.attributes().in_flight and time.monotonic() < deadline:
            time.sleep(0.1)


def _example(settings: Settings, table: Rows) -> list[tuple[str, str, object]]:
    """The first example message beside its row: column, field as sent, value as stored."""
    message: dict[str, Any] = json.loads(example_logins()[0])
    at = table.columns.index("user_id")
    row = next(row for row in table.rows if row[at] == message["user_id"])
    stored = dict(zip(table.columns, row, strict=True))
    return [
        (column.name, "" if column.value else str(message[column.from_ or column.name]), stored[column.name])
        for column in settings.column
    ]
