"""Standard streams that are full or closed: what was to be done is done, and what went wrong is said."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest


def shell(redirection: str, *, command: str = "settings --json") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"exec {shlex.quote(sys.executable)} -m sofetch {command} {redirection}",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault(redirection: str) -> None:
    done = shell(redirection)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_told_as_such() -> None:
    done = shell("> /dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "fault of sofetch" not in done.stderr


def test_no_command_leaves_a_core_file() -> None:
    """It would hold what the command has in hand."""
    script = (
        "import resource, sofetch.cli, sofetch.cli.root as it\n"
        "limit = lambda: resource.getrlimit(resource.RLIMIT_CORE)\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (limit()[1], limit()[1]))\n"
        "it.root.main = lambda **_: print(limit()[0])\n"
        "sofetch.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout in {"0\n", "1\n"}  # see test_cores
