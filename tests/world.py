"""A small world for acceptance tests: a queue, a database, a keyring, a config, and the program as a subprocess."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
from psycopg.rows import dict_row

import forked
from keyrings import KEYRING
from sofetch.config import preset

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

VISIBILITY_SECONDS = 30
"""Of the queue. A worker that stands still for less than half of it, on a loaded machine, gets no message twice."""

BRIEFLY = {"SOFETCH_SOURCE_VISIBILITY_TIMEOUT_SECONDS": "2"}
"""For a worker that is to be killed or stopped: what it holds is soon visible again."""


@dataclass
class World:
    """One queue, one database, one configuration."""

    folder: Path
    dsn: str
    endpoint: str
    queue: str
    sqs: SQSClient
    queue_url: str
    environ: dict[str, str]
    outputs: list[str] = field(default_factory=list)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def send(self, bodies: Iterable[bytes | str]) -> list[str]:
        """Put bodies on the queue; their message ids, in order."""
        texts = [body if isinstance(body, str) else body.decode() for body in bodies]
        ids: list[str] = []
        for start in range(0, len(texts), 10):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(n), "MessageBody": text} for n, text in enumerate(texts[start : start + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=self.queue_url, Entries=entries)
            assert not answer.get("Failed"), "the queue server refused a message"
            ids += [entry["MessageId"] for entry in sorted(answer["Successful"], key=lambda entry: int(entry["Id"]))]
        return ids

    def sofetch(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_seconds: float = 90,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; everything it printed is kept in ``outputs`` for the canary search."""
        done = forked.run(
            "sofetch",
            arguments,
            folder=self.folder,
            environ={**self.environ, **(environ or {})},
            stdin=stdin,
            timeout_seconds=timeout_seconds,
        )
        self.outputs += [done.stdout, done.stderr]
        return done

    def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command and leave it running. The test ends it; if it fails before, ``close`` does."""
        process = subprocess.Popen(
            [sys.executable, "-m", "sofetch", *arguments],
            cwd=self.folder,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def crash(self, point: str, *, environ: Mapping[str, str] | None = None, most_runs: int = 40) -> None:
        """Run until a worker comes by the crash point and dies there.

        More than once, because the queue server may have given the messages to a poll of an earlier, dead worker, and
        then holds them back until their visibility timeout is over. That of this worker is short.
        """
        for _ in range(most_runs):
            ended = self.sofetch("run", "--drain", environ={**BRIEFLY, **(environ or {}), "SOFETCH_CRASH_AT": point})
            if ended.returncode == -signal.SIGKILL:
                return
            assert ended.returncode == 0, ended.stderr
        raise AssertionError(f"no worker came by {point}")

    def close(self) -> None:
        """End whatever the test left running, stopped processes too."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.sqs.close()

    def drain(self, *, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
        """``sofetch run --drain --json``; its summary. Fails the test if the command does."""
        done = self.sofetch("run", "--drain", "--json", environ=environ)
        assert done.returncode == 0, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def drain_until_empty(self, *, most_runs: int = 40) -> None:
        """Drain again and again until nothing is left, invisible messages of a killed worker included."""
        for _ in range(most_runs):
            self.drain()
            if self.left_in_queue() == 0:
                return
        raise AssertionError(f"{self.left_in_queue()} messages were never deleted")

    def left_in_queue(self) -> int:
        """Visible and invisible messages together."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["All"])
        counts = answer["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of a statement, as dictionaries."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), parameters or None).fetchall()

    def execute(self, sql: str) -> None:
        """Carry out a statement that has no rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.encode())

    def count(self, table: str) -> int:
        """Rows of a table of the test's own naming."""
        return int(self.query(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def make_world(*, folder: Path, dsn: str, endpoint: str) -> World:
    """A fresh queue, the logins preset, its schema applied."""
    sqs = boto3.client("sqs", endpoint_url=endpoint)
    queue = f"queue-{uuid.uuid4().hex[:12]}"
    created = sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    queue_url = created["QueueUrl"]
    (folder / "sofetch.toml").write_text(preset("logins"))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOFETCH_")},
        "SOFETCH_SINK_DSN": dsn,
        "SOFETCH_SOURCE_ENDPOINT": endpoint,
        "SOFETCH_SOURCE_QUEUE": queue,
        "SOFETCH_SOURCE_WAIT_SECONDS": "1",
        "SOFETCH_KEYRING": KEYRING,
        "PYTHONWARNINGS": "error",
    }
    world = World(folder, dsn, endpoint, queue, sqs, queue_url, environ)
    applied = world.sofetch("schema", "--apply")
    assert applied.returncode == 0, applied.stderr
    return world


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """Signal a started command and take what it printed."""
    process.send_signal(number)
    return process.communicate(timeout=60)


def made_up(number: int) -> bytes:
    """A login of its own: user, device and address of that number."""
    return json.dumps(
        {
            "user_id": f"user-{number}",
            "app_version": "1.2.3",
            "device_type": "ios",
            "ip": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            "locale": None,
            "device_id": f"device-{number}",
        }
    ).encode()


def users(world: World) -> list[str]:
    """The user ids in the table, sorted."""
    return sorted(row["user_id"] for row in world.query("SELECT user_id FROM user_logins"))


def assert_each_exactly_once(world: World, numbers: range) -> None:
    """Every made-up login is in the table once, and nothing is left in the queue."""
    assert users(world) == sorted(f"user-{number}" for number in numbers)
    assert world.left_in_queue() == 0
