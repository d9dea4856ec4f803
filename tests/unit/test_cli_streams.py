"""Standard streams that are full or closed: what was to be done is done, and what went wrong is said."""

from __future__ import annotations

import subprocess
import sys

import pytest


def shell(redirection: str, *, command: str = "settings --json") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        f"exec {sys.executable} -m sofetch {command} {redirection}",
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
