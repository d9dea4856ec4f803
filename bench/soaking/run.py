"""One soak from start to end: servers and workers up, load and kills, drained, counted, judged.

Owns the order of things and that nothing is left running.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from machine import describe_machine
from soaking.load import Load, QueueClient
from soaking.report import Result, Settings
from soaking.samples import Sample, Sampler
from soaking.verdict import Counted, count_checks, growth_checks
from soaking.workers import Killer, Worker
from sofetch.config import preset
from sofetch.embedded import start_embedded
from sofetch.mask import new_keyring_text

_BENCH = Path(__file__).parents[1]
_COUNTING = (Path(__file__).parent / "counting.sql").read_text()
_QUEUE = "soak"
_VISIBILITY_SECONDS = 10
_DRAIN_SECONDS = 180.0
_LOOK_SECONDS = 0.1

Tell = Callable[[str], None]


def soak(settings: Settings, *, tell: Tell) -> Result:
    """Run it; what came of it. ``tell`` hears of the progress now and then."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="sofetch-soak-")))
        postgres = stack.enter_context(start_embedded(queue=False))
        endpoint = stack.enter_context(_queue_server(settings))
        environ = _configure(folder, dsn=postgres.dsn, endpoint=endpoint)
        workers = [_worker(stack, folder, environ, name) for name in ("steady", "killed")]
        database = stack.enter_context(psycopg.connect(postgres.dsn, autocommit=True))
        queue = QueueClient(endpoint)
        stack.callback(queue.close)
        load = Load(endpoint, queue=_QUEUE, rate=settings.rate, body_bytes=settings.body_bytes)
        sampler = Sampler(workers, database=database, queue=queue, name=_QUEUE)
        killer = Killer(workers[1], settings.kill_every_seconds, random.Random(settings.seed))  # noqa: S311
        samples = _under_load(settings, load, sampler, killer, tell)
        drained_seconds = _drain(queue, workers)
        counted = _count(database, sent=load.sent, left=queue.left(_QUEUE))
    growth = growth_checks(samples, warm_up_seconds=settings.warm_up_seconds, rate=settings.rate)
    checks = [*growth, *count_checks(counted)]
    machine = describe_machine("psycopg", "boto3", "msgspec")
    return Result(machine, settings, samples, killer.kills, counted, drained_seconds, checks)


@contextmanager
def _queue_server(settings: Settings) -> Iterator[str]:
    """The queue server of the benchmarks; its endpoint."""
    options = ["--queue", _QUEUE, "--visibility-seconds", str(_VISIBILITY_SECONDS), "--seed", str(settings.seed)]
    faults = ["--duplicates", str(settings.duplicates), "--lost-deletes", str(settings.lost_deletes)]
    command = [sys.executable, str(_BENCH / "queue_server.py"), *options, *faults]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101  # it was asked for
        try:
            yield str(json.loads(server.stdout.readline())["endpoint"])
        finally:
            server.terminate()


def _configure(folder: Path, *, dsn: str, endpoint: str) -> dict[str, str]:
    """The logins preset in a folder, its tables made; the environment of the workers."""
    (folder / "sofetch.toml").write_text(preset("logins"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SOFETCH_", "AWS_", "PG"))}
    environ |= {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "SOFETCH_SINK_DSN": dsn,
        "SOFETCH_SOURCE_ENDPOINT": endpoint,
        "SOFETCH_SOURCE_QUEUE": _QUEUE,
        "SOFETCH_KEYRING": new_keyring_text(),
    }
    subprocess.run(
        [sys.executable, "-m", "sofetch", "schema", "--apply"], cwd=folder, env=environ, check=True, capture_output=True
    )
    return environ


def _worker(stack: ExitStack, folder: Path, environ: dict[str, str], name: str) -> Worker:
    worker = Worker(folder, environ, name=name)
    stack.callback(worker.kill)
    return worker


def _under_load(settings: Settings, load: Load, sampler: Sampler, killer: Killer, tell: Tell) -> list[Sample]:
    samples: list[Sample] = []
    load.start()
    try:
        began = killer.began = time.monotonic()
        while (now := time.monotonic() - began) < settings.minutes * 60:
            killer.tick()
            if now >= len(samples):
                samples.append(sampler.take(now, load))
                if len(samples) % 30 == 0:
                    tell(_progress(samples[-1], len(killer.kills)))
            time.sleep(_LOOK_SECONDS)
    finally:
        load.stop()
    killer.finish()
    return samples


def _progress(sample: Sample, kills: int) -> str:
    queue, steady = f"{sample.queue_depth:,} in the queue", f"{sample.steady.rss_mib:.0f} MiB"
    return f"{sample.at_seconds:,.0f} s: {sample.sent:,} sent, {queue}, {steady}, {kills} kills"


def _drain(queue: QueueClient, workers: Sequence[Worker]) -> float:
    """Wait until the queue is empty, and end the workers; how long it took."""
    began = time.monotonic()
    while queue.left(_QUEUE) and time.monotonic() < began + _DRAIN_SECONDS:
        time.sleep(_LOOK_SECONDS)
    took = time.monotonic() - began
    for worker in workers:
        code = worker.end()
        if code not in (0, -signal.SIGTERM):  # the latter: it had hardly begun to start
            raise RuntimeError(f"the {worker.name} worker ended with exit code {code}")
    return took


def _count(database: psycopg.Connection, *, sent: int, left: int) -> Counted:
    row = database.execute(_COUNTING.encode(), {"sent": sent}).fetchone()
    if row is None:
        raise RuntimeError("the count has no answer")
    rows, distinct, missing, quarantined = (int(value) for value in row)
    return Counted(sent, rows, distinct, missing, quarantined, left)
