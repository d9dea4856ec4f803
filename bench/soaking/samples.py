"""What is measured each second: the workers' memory, files and threads, the database's connections, the queue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import psutil
import psycopg

from soaking.load import Load, QueueClient
from soaking.workers import Worker

_NAN = math.nan
MIB = 1 << 20


class Usage(NamedTuple):
    """A process's; not numbers while it does not run."""

    rss_mib: float = _NAN
    descriptors: float = _NAN
    threads: float = _NAN
    cpu_seconds: float = _NAN


class Sample(NamedTuple):
    """One second."""

    at_seconds: float
    steady: Usage
    killed: Usage
    connections: int
    queue_depth: int
    sent: int


class Sampler:
    """Takes samples. ``database`` is a connection of its own, which is not counted."""

    def __init__(
        self, workers: Sequence[Worker], *, database: psycopg.Connection, queue: QueueClient, name: str
    ) -> None:
        self._workers = workers
        self._database = database
        self._queue, self._name = queue, name
        self._seen: dict[int, psutil.Process] = {}

    def take(self, at_seconds: float, load: Load) -> Sample:
        """One sample."""
        steady, killed = (self._usage(worker) for worker in self._workers)
        row = self._database.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
        connections = int(row[0]) if row else 0
        return Sample(round(at_seconds, 2), steady, killed, connections, self._queue.left(self._name), load.sent)

    def _usage(self, worker: Worker) -> Usage:
        try:
            process = self._seen.get(worker.pid) or psutil.Process(worker.pid)
            self._seen[worker.pid] = process
            with process.oneshot():
                times = process.cpu_times()
                return Usage(
                    round(process.memory_info().rss / MIB, 2),
                    process.num_fds(),
                    process.num_threads(),
                    round(times.user + times.system, 2),
                )
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            return Usage()
