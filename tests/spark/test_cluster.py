"""The job on a standalone master with two workers that are killed: nothing lost, doubled or shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from archived import DAMAGED, Archive, Job, make_job
from canaries import canaries_in
from keyrings import KEYRING
from loading import query
from spark.cluster import COMMAND, PATIENCE_SECONDS, Cluster, cluster, spark_environ, wait_for

BATCH = 100
FILES = 2


@pytest.fixture
def archive() -> Archive:
    return Archive(20_000)


@contextmanager
def submitted(job: Job, master: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The job under way, and the file that its standard error goes to. It is given no key and no database."""
    errors = job.folder / "driver.err"
    bare = {name: value for name, value in job.environ.items() if name not in SECRETS}
    arguments = ["--input", "input", "--input-format", "envelopes", "--connections", str(FILES), "--master", master]
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--json"],
            cwd=job.folder,
            env={**bare, **spark_environ(job.folder), "SOFETCH_BATCH_MAX_MESSAGES": str(BATCH)},
            stdout=subprocess.PIPE,
            stderr=stream,
        )
    try:
        yield process, errors
    finally:
        process.kill()
        process.communicate()


SECRETS = {"SOFETCH_SINK_DSN", "SOFETCH_KEYRING_FILE"}


def write_input(job: Job, archive: Archive) -> None:
    (job.folder / "input").mkdir()
    lines = archive.envelopes()
    half = len(lines) // FILES
    (job.folder / "input/a.jsonl").write_bytes(b"\n".join([*lines[:half], DAMAGED[0]]))
    (job.folder / "input/b.jsonl").write_bytes(b"\n".join(lines[half:]))


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


def finished(process: subprocess.Popen[bytes], errors: Path) -> dict[str, int]:
    """What it says at its end."""
    out, _ = process.communicate(timeout=PATIENCE_SECONDS * 2)
    assert process.returncode == 0, errors.read_text()[-4_000:]
    counts: dict[str, int] = json.loads(out)
    return counts


def assert_whole(job: Job, archive: Archive, made: Cluster) -> None:
    """I1 to I3: each message once in table or quarantine, and no personal value anywhere but sealed."""
    rows, refused = job.count("user_logins"), job.count("sofetch.quarantine")
    assert (rows, refused) == (archive.count - archive.refused, archive.refused + 1)
    assert job.count("sofetch.ledger") == rows + refused
    users = {json.loads(body)["user_id"] for body in archive.bodies if "user_id" in body}
    assert {row[0] for row in query(job.dsn, "SELECT user_id FROM user_logins")} == users
    printed = made.output()
    assert len(printed) > 10_000
    assert canaries_in(printed, archive.personal()) == []
    assert KEYRING.encode() not in printed


def test_killed_executors_and_workers_lose_and_double_nothing(archive: Archive, tmp_path: Path, database: str) -> None:
    job = make_job(tmp_path, database)
    write_input(job, archive)
    with cluster(tmp_path, job.environ) as made:
        doomed, other = made.start_worker(), made.start_worker()
        with submitted(job, made.url) as (process, errors):
            wait_for(lambda: job.count("user_logins") > 1_000 or process.poll() is not None, "rows are loaded")
            victims = [executor for worker in (doomed, other) for executor in made.executors(worker)]
            assert victims, errors.read_text()[-4_000:]
            for executor in victims:  # one alone may have ended its task, or not begun it
                kill(executor)
            before = job.count("user_logins")
            assert before < archive.count - archive.refused
            wait_for(lambda: job.count("user_logins") > before + 1_000 or process.poll() is not None, "it goes on")
            kill(doomed)
            counts = finished(process, errors)
        assert counts["duplicates"] > 0
        assert_whole(job, archive, made)


def test_killed_after_the_commit_and_before_the_result_of_a_task(
    archive: Archive, tmp_path: Path, database: str
) -> None:
    """One worker's tasks die after their last commit, whenever they are tried there; then its executor does."""
    job = make_job(tmp_path, database)
    write_input(job, archive)
    last = archive.count // FILES // BATCH
    with cluster(tmp_path, job.environ) as made:
        doomed = made.start_worker({"SOFETCH_CRASH_AT": f"after_commit:{last}"})
        made.start_worker()
        with submitted(job, made.url) as (process, errors):
            wait_for(lambda: _worker_died(errors) or process.poll() is not None, "a task dies after its last commit")
            assert _worker_died(errors), errors.read_text()[-4_000:]
            for executor in made.executors(doomed):
                kill(executor)
            kill(doomed)
            counts = finished(process, errors)
        assert counts["duplicates"] >= BATCH * last // 2
        assert_whole(job, archive, made)


def _worker_died(errors: Path) -> bool:
    return "Python worker exited unexpectedly" in errors.read_text() or "crashed" in errors.read_text()
