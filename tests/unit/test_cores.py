"""No core of a crash: neither in a file nor handed to the program that the kernel keeps for them."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sofetch.cores import leave_no_core

CRASH = "import os, sofetch.cores; sofetch.cores.leave_no_core(); os.abort()"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux hands cores to programs")
def test_linux_is_given_the_one_limit_at_which_it_hands_the_process_to_no_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 0 no file is written, and a core_pattern with a pipe gets everything all the same: core(5)."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    for hard in (resource.RLIM_INFINITY, 4096, 1, 0):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (hard, hard))
        leave_no_core()
    assert asked == [(1, resource.RLIM_INFINITY), (1, 4096), (1, 1), (0, 0)]


def test_a_crash_leaves_nothing_where_it_happened(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)

    def dumps() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    crashed = subprocess.run(
        [sys.executable, "-c", CRASH], cwd=tmp_path, preexec_fn=dumps, check=False, timeout=60
    )  # nothing else runs here
    assert crashed.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []
