"""Spark for the tests: the job as a user starts it, and a standalone master with workers that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyspark

from archived import Job

HOME = Path(pyspark.__file__).parent
PATIENCE_SECONDS = 600
COMMAND = [sys.executable, "-c", "from sofetch.spark.command import main; main()"]


def spark_environ(folder: Path) -> dict[str, str]:
    """What Spark itself needs: one address, this Python, folders that end with the test, an event log."""
    conf = folder / "conf"
    conf.mkdir(exist_ok=True)
    (folder / "events").mkdir(exist_ok=True)
    (conf / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir file://{folder / 'events'}\nspark.eventLog.compress false\n"
        f"spark.local.dir {folder / 'local'}\nspark.ui.enabled false\nspark.driver.memory 600m\n"
        "spark.executor.memory 512m\nspark.sql.warehouse.dir " + str(folder / "warehouse") + "\n"
        "spark.sql.shuffle.partitions 2\nspark.hadoop.fs.defaultFS file:///\n"
        # On a cluster both workers are there before the first task: what a kill meets is then known.
        "spark.cores.max 2\nspark.scheduler.minRegisteredResourcesRatio 1.0\n"
        f"spark.scheduler.maxRegisteredResourcesWaitingTime {PATIENCE_SECONDS}s\n"
    )
    return {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONF_DIR": str(conf),
        "SPARK_HOME": str(HOME),
        "PYSPARK_PYTHON": sys.executable,
    }


def run_job(job: Job, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The job to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=job.folder,
        env={**job.environ, **spark_environ(job.folder), **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS * 2,
    )


class Cluster:
    """A master, and workers of one core each. Their environment is what executors get."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {**environ, **spark_environ(folder)}
        self._started: list[psutil.Popen] = []
        port = _free_port()
        self.url = f"spark://127.0.0.1:{port}"
        self._start("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port))
        wait_for(lambda: _answers(port), "the master answers")

    def start_worker(self, environ: Mapping[str, str] | None = None) -> psutil.Popen:
        """Another worker."""
        place = str(self._folder / f"work-{len(self._started)}")
        arguments = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--work-dir", place, self.url]
        return self._start("org.apache.spark.deploy.worker.Worker", *arguments, environ=environ)

    @staticmethod
    def executors(worker: psutil.Popen) -> list[psutil.Process]:
        """A worker's executors, processes of Java."""
        return [child for child in worker.children() if "CoarseGrainedExecutorBackend" in _words(child)]

    def output(self) -> bytes:
        """Everything that masters, workers and executors printed or kept."""
        files = [path for path in self._folder.rglob("*") if path.is_file() and path.suffix not in {".json", ".toml"}]
        kept = [path for path in files if not {"input", "blockmgr"} & set(path.parts)]
        return b"".join(path.read_bytes() for path in kept)

    def close(self) -> None:
        """End them all, and what they started."""
        for one in self._started:
            if one.is_running():
                for child in one.children(recursive=True):
                    _kill(child)
            _kill(one)
            one.wait(timeout=20)

    def _start(self, main: str, *arguments: str, environ: Mapping[str, str] | None = None) -> psutil.Popen:
        with (self._folder / f"daemon-{len(self._started)}.log").open("wb") as log:
            process = psutil.Popen(
                [str(HOME / "bin" / "spark-class"), main, "--webui-port", "0", *arguments],
                env={**self._environ, "SPARK_DAEMON_MEMORY": "300m", **(environ or {})},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process


@contextmanager
def cluster(folder: Path, environ: Mapping[str, str]) -> Iterator[Cluster]:
    """A cluster that ends with the test."""
    made = Cluster(folder, environ)
    try:
        yield made
    finally:
        made.close()


def wait_for(true: Callable[[], bool], what: str) -> None:
    """Look again and again until it is so."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < give_up, f"in vain: {what}"
        time.sleep(0.02)


def _kill(process: psutil.Process) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
