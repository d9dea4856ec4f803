"""Whole programs from queue to table: sofetch and its peers, measured in the same way.

Owns what a run is and what is made of it. Each run has a full queue and a fresh database of its own and ends when every
message is in the table and deleted; a run that left anything behind counts as failed and gives no figure.

CPU seconds are of the program from its first to its last moment, less what it took to start (imports, connecting),
which is told beside it: a worker starts once and runs for weeks. Wall time is from the first receive to the end of the
last delete: of peers as they say, of sofetch as its log says.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from meter import Measured, measure_program
from rig import QUEUE, Database, Place, Postgres, QueueServer, client_of
from spread import Spread, spread

QueueFactory = Callable[[int], AbstractContextManager[QueueServer]]
"""Gives a queue server with that many messages in its queue."""

TIMEOUT_SECONDS = 240.0


@dataclass(frozen=True)
class Program:
    """What is run. ``overrides`` are sofetch's settings, ``environ`` is for peers.

    ``dedupes``: a redelivered message is not loaded twice. ``isolates``: a bad message, or a row that the database
    refuses, does not hold up its neighbours.
    """

    name: str
    command: Sequence[str]
    dedupes: bool
    isolates: bool
    overrides: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    processes: int = 1


@dataclass(frozen=True)
class Whole:
    """Some runs of one program. Rates are messages a second; microseconds are CPU time for one message."""

    program: str
    queue: str
    latency_ms: int
    messages: int
    dedupes: bool
    isolates: bool
    note: str
    settings: dict[str, str]
    per_second: Spread
    per_cpu_second: Spread
    worker_us: Spread
    postgres_us: Spread
    queue_us: Spread
    cores: Spread
    start_cpu_seconds: Spread
    peak_mb: Spread
    wal_bytes: Spread
    calls_per_1000: float | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Missing:
    """A program that was not measured, and why."""

    program: str
    reason: str


@dataclass(frozen=True)
class _Run:
    measured: Measured
    told: dict[str, Any]
    start_cpu: float
    wal: int
    calls: int | None


def sofetch(name: str, *, processes: int = 1, **overrides: object) -> Program:
    """The real program, told by its environment."""
    several = ["--processes", str(processes)] if processes > 1 else []
    return Program(
        name=name,
        command=[sys.executable, "-m", "sofetch", "run", "--drain", "--json", *several],
        dedupes=True,
        isolates=True,
        overrides=overrides,
        processes=processes,
    )


def measure_whole(
    program: Program,
    home: Place,
    server: Postgres,
    queue: QueueFactory,
    *,
    queue_name: str,
    latency_ms: int,
    messages: int,
    runs: int,
    warm_up: bool = True,
) -> Whole:
    """Run the program again and again. The first run warms up and does not count."""
    start_cpu = None
    if not program.environ:
        start_cpu = _once(program, home, server, queue, messages=0, start_cpu=0.0).measured.cpu_seconds
    skipped = 1 if warm_up else 0
    done = [_once(program, home, server, queue, messages=messages, start_cpu=start_cpu) for _ in range(runs + skipped)][
        skipped:
    ]
    return _whole(program, done, queue_name=queue_name, latency_ms=latency_ms, messages=messages)


def one_run(program: Program, home: Place, server: Postgres, queue: QueueFactory, *, messages: int) -> Measured:
    """One run alone, for its memory."""
    return _once(program, home, server, queue, messages=messages, start_cpu=0.0).measured


def _once(
    program: Program,
    home: Place,
    server: Postgres,
    queue: QueueFactory,
    *,
    messages: int,
    start_cpu: float | None,
) -> _Run:
    with queue(messages) as full, server.fresh_database(home.settings()) as database:
        wal, calls = database.wal_bytes(), _calls(full)
        environ = home.environ(database, full, program.overrides)
        if program.environ:
            environ |= {**program.environ, **_told_to_peers(database, full, messages)}
        ends = ["--max-messages", str(messages)] if messages and program.processes == 1 and not program.environ else []
        measured = measure_program(
            [*program.command, *ends],
            cwd=home.folder,
            environ=environ,
            servers={"postgres": server.pid, "queue": full.pid},
            timeout_seconds=TIMEOUT_SECONDS,
        )
        wal, after = database.wal_bytes() - wal, _calls(full)
        _require_all(program, database.rows(), _left(full.endpoint), messages)
    told = json.loads(measured.stdout.strip().splitlines()[-1])
    if not program.environ:
        told["seconds"] = _seconds_of_work(measured.stderr)
    start = told["start_cpu_seconds"] if start_cpu is None else start_cpu
    return _Run(measured, told, start, wal, None if after is None or calls is None else after - calls)


def _told_to_peers(database: Database, queue: QueueServer, messages: int) -> dict[str, str]:
    """Where everything is, for those who do not read our settings."""
    there = conninfo_to_dict(database.dsn)
    return {
        "BENCH_ENDPOINT": queue.endpoint,
        "BENCH_QUEUE": QUEUE,
        "BENCH_MESSAGES": str(messages),
        "BENCH_DSN": database.dsn,
        "BENCH_PGHOST": str(there["host"]),
        "BENCH_PGUSER": str(there["user"]),
        "BENCH_PGDATABASE": str(there["dbname"]),
    }


def _seconds_of_work(log: str) -> float:
    """From the workers' own log: it says when receiving begins, and again when the last delete is answered."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    times = [(line["event"], datetime.fromisoformat(line["time"])) for line in lines]
    started = min(time for event, time in times if event == "worker_started")
    stopped = max(time for event, time in times if event == "stopped")
    return (stopped - started).total_seconds()


def _calls(queue: QueueServer) -> int | None:
    calls = queue.calls()
    return None if calls is None else sum(calls.values())


def _left(endpoint: str) -> int:
    client = client_of(endpoint)
    url = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    client.close()
    return int(answer["ApproximateNumberOfMessages"]) + int(answer["ApproximateNumberOfMessagesNotVisible"])


def _require_all(program: Program, rows: int, left: int, messages: int) -> None:
    if rows != messages or left:
        raise RuntimeError(f"{program.name}: {rows} rows of {messages} messages, {left} left in the queue")


def _whole(program: Program, runs: Sequence[_Run], *, queue_name: str, latency_ms: int, messages: int) -> Whole:
    def of(value: Callable[[_Run], float]) -> Spread:
        return spread([value(run) for run in runs])

    def us(seconds: float) -> float:
        return seconds / messages * 1e6

    def worker(run: _Run) -> float:
        return max(run.measured.cpu_seconds - run.start_cpu, 0.001)

    calls = [run.calls for run in runs]
    return Whole(
        program=program.name,
        queue=queue_name,
        latency_ms=latency_ms,
        messages=messages,
        dedupes=program.dedupes,
        isolates=program.isolates,
        note=program.note,
        settings={name: str(value) for name, value in program.overrides.items()},
        per_second=of(lambda run: messages / run.told["seconds"]),
        per_cpu_second=of(lambda run: messages / worker(run)),
        worker_us=of(lambda run: us(worker(run))),
        postgres_us=of(lambda run: us(run.measured.servers_cpu_seconds["postgres"])),
        queue_us=of(lambda run: us(run.measured.servers_cpu_seconds["queue"])),
        cores=of(lambda run: worker(run) / run.told["seconds"]),
        start_cpu_seconds=of(lambda run: run.start_cpu),
        peak_mb=of(lambda run: run.measured.peak_mb),
        wal_bytes=of(lambda run: run.wal / messages),
        calls_per_1000=None if None in calls else round(sum(map(int, calls)) / len(runs) / messages * 1000, 1),  # type: ignore[arg-type]
        versions=runs[-1].told.get("versions", {}),
    )
