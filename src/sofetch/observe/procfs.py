"""What the operating system says of a process: memory, CPU time, open files, cores. From /proc, where there is one.

Owns reading it. Elsewhere, and of a process that is gone or somebody else's, nothing is known, and nothing is told.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

_PROC = Path("/proc")
_STAT_UTIME = 11  # fields after the name in parentheses, see proc(5): 14, 15, 22 and 24 there
_STAT_STIME = 12
_STAT_START = 19
_STAT_RSS = 21


class ProcessUse(Struct, frozen=True, kw_only=True):
    """One process. ``started_seconds`` is since the epoch; ``max_files`` is None where there is no limit."""

    resident_bytes: int
    cpu_seconds: float
    open_files: int
    max_files: int | None
    started_seconds: float


def process_use(pid: int, *, proc: Path = _PROC) -> ProcessUse | None:
    """What ``pid`` uses now; None if that cannot be known."""
    folder = proc / str(pid)
    try:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
        ticks = os.sysconf("SC_CLK_TCK")
        return ProcessUse(
            resident_bytes=int(stat[_STAT_RSS]) * os.sysconf("SC_PAGE_SIZE"),
            cpu_seconds=(int(stat[_STAT_UTIME]) + int(stat[_STAT_STIME])) / ticks,
            open_files=sum(1 for _ in (folder / "fd").iterdir()),
            max_files=_max_files((folder / "limits").read_text()),
            started_seconds=int(boot.split()[1]) + int(stat[_STAT_START]) / ticks,
        )
    except (OSError, ValueError, LookupError, StopIteration):
        return None


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the CPU quota of its control group (v2) where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or "max"
        return cores


def _max_files(limits: str) -> int | None:
    for line in limits.splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdecimal() else None
    return None
