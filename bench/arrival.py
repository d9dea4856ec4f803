"""How soon: from sent to committed in low traffic, from started to the first receive, and how soon `--help` is there.

Owns what counts as the two ends of each. Sent is when the call to send began; committed is Postgres' own commit
timestamp of the row's transaction (``track_commit_timestamp``, on for this alone), on the same machine's clock.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from rig import QUEUE, TABLE, Database, Place, QueueServer, client_of
from spread import Spread, spread
from whole import Program, QueueFactory

_PATIENCE_SECONDS = 30.0
_PROGRAM = (sys.executable, "-m", "sofetch")


@dataclass(frozen=True)
class Latency:
    """Milliseconds from sent to committed, of that many messages at that rate."""

    program: str
    per_second: float
    messages: int
    p50_ms: float
    p99_ms: float
    most_ms: float


@dataclass(frozen=True)
class Starting:
    """Seconds of wall time. ``first_receive`` is from the start of the process to the row of a message that waited
    being committed: its receive came before.
    """

    program: str
    first_receive: Spread
    help: Spread


def measure_latency(
    program: Program, home: Place, database: Database, queue: QueueServer, *, messages: int, per_second: float
) -> Latency:
    """Send at a steady rate to a worker that waits, and look afterwards when each row was committed."""
    sent: dict[str, float] = {}
    with _running(program, home, database, queue), psycopg.connect(database.dsn, autocommit=True) as connection:
        client = client_of(queue.endpoint)
        url = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody=_body("warm-up"))
        _wait_for_rows(connection, 1)
        began = time.monotonic()
        for number in range(messages):
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
            sent[str(number)] = time.time()
            client.send_message(QueueUrl=url, MessageBody=_body(str(number)))
        _wait_for_rows(connection, messages + 1)
        client.close()
        query = f"SELECT user_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM {TABLE}"  # noqa: S608
        committed: dict[str, float] = dict(connection.execute(query.encode()).fetchall())
    waits = sorted((committed[name] - at) * 1000 for name, at in sent.items())
    return Latency(
        program=program.name,
        per_second=per_second,
        messages=messages,
        p50_ms=round(statistics.median(waits), 1),
        p99_ms=round(waits[max(0, -(-len(waits) * 99 // 100) - 1)], 1),
        most_ms=round(waits[-1], 1),
    )


def measure_starting(program: Program, home: Place, queue: QueueFactory, database: Database, *, runs: int) -> Starting:
    """Start it on a queue with one message, and look how soon that is a row."""
    firsts = []
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for _ in range(runs):
            with queue(1) as full:
                rows = _rows(connection)
                began = time.monotonic()
                with _running(program, home, database, full):
                    _wait_for_rows(connection, rows + 1)
                    firsts.append(time.monotonic() - began)
    return Starting(program.name, spread(firsts), spread([_help(home.folder) for _ in range(runs + 1)][1:]))


def _help(folder: Path) -> float:
    began = time.monotonic()
    subprocess.run([*_PROGRAM, "--help"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


@contextmanager
def _running(program: Program, home: Place, database: Database, queue: QueueServer) -> Iterator[None]:
    """A worker that runs until the context ends."""
    process = subprocess.Popen(
        [*_PROGRAM, "run", "--quiet"],
        cwd=home.folder,
        env=home.environ(database, queue, {**program.overrides, "SOURCE_WAIT_SECONDS": 20}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield
    finally:
        process.terminate()
        _, words = process.communicate(timeout=_PATIENCE_SECONDS)
        if process.returncode != 0:
            sys.stderr.write(words.decode(errors="replace"))


def _wait_for_rows(connection: psycopg.Connection[tuple[object, ...]], rows: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _rows(connection) < rows:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{_rows(connection)} rows of {rows} after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.005)


def _rows(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute(f"SELECT count(*) FROM {TABLE}".encode()).fetchone()  # noqa: S608  a name of ours
    return int(str(row[0])) if row else 0


def _body(user: str) -> str:
    return json.dumps({"user_id": user, "ip": "198.51.100.7", "device_id": f"device-{user}"})
