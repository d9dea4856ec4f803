"""Running a program and measuring it: wall time, CPU time of each process that takes part, memory.

Owns the reading of the kernel's counters. CPU seconds of the program itself come from wait4, exactly; those of servers
from /proc, in hundredths of a second. Memory is sampled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import psutil

SAMPLE_SECONDS = 0.05


class ProgramFailed(Exception):
    """A measured program ended badly, or not at all. Holds the end of what it wrote to standard error."""


@dataclass(frozen=True)
class Measured:
    """One run of a program. ``cpu_seconds`` are of the program and its children, ``servers_cpu_seconds`` by name."""

    stdout: str
    stderr: str
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    memory_mb: tuple[tuple[float, float], ...]
    servers_cpu_seconds: Mapping[str, float]


def measure_program(
    command: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    servers: Mapping[str, int],
    timeout_seconds: float,
) -> Measured:
    """Run the program to its end. ``servers`` are processes by name whose CPU time is told beside it."""
    with TemporaryFile() as out, TemporaryFile() as err:
        before = {name: tree_cpu_seconds(pid) for name, pid in servers.items()}
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out, stderr=err, process_group=0
        )
        sampler = _Sampler(process.pid)
        status, cpu_seconds = _wait(process, timeout_seconds)
        wall_seconds = time.monotonic() - started
        sampler.stop()
        after = {name: tree_cpu_seconds(pid) for name, pid in servers.items()}
        out.seek(0)
        err.seek(0)
        if status != 0:
            raise ProgramFailed(f"ended with {status}: {err.read()[-2_000:].decode(errors='replace')}")
        return Measured(
            stdout=out.read().decode(),
            stderr=err.read().decode(errors="replace"),
            wall_seconds=wall_seconds,
            cpu_seconds=cpu_seconds,
            peak_mb=sampler.peak_mb,
            memory_mb=tuple(sampler.samples),
            servers_cpu_seconds={name: after[name] - before[name] for name in servers},
        )


def tree_cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, its living children, and those that it has buried."""
    total = 0.0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(one.cpu_times()[:4])  # user, system, and the same of buried children
    return total


def tree_memory_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total / 1_048_576


class _Sampler:
    """Looks at a process's memory again and again, from a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = time.monotonic()
        self._over = threading.Event()
        self.samples: list[tuple[float, float]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    @property
    def peak_mb(self) -> float:
        return max((megabytes for _, megabytes in self.samples), default=0.0)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            megabytes = tree_memory_mb(self._pid)
            if megabytes:
                self.samples.append((round(time.monotonic() - self._started, 2), round(megabytes, 1)))


def _wait(process: subprocess.Popen[bytes], timeout_seconds: float) -> tuple[int, float]:
    """Exit code and CPU seconds. A program that does not end is killed, with everything that it started."""
    kill = threading.Timer(timeout_seconds, _kill_group, [process.pid])
    kill.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        _kill_group(process.pid)
        process.wait()
        raise
    finally:
        kill.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
