"""The soak runs, kills, counts, and leaves a report; a long one is `make soak`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sofetch.errors import ExitCode

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"


@pytest.mark.slow
def test_a_short_soak_with_kills_loses_and_doubles_nothing_and_leaves_a_report(tmp_path: Path) -> None:
    """Twenty seconds are too short to judge what grows: that is left to the long one."""
    options = (
        "--minutes",
        "0.33",
        "--rate",
        "200",
        "--kill-every-seconds",
        "5",
        "--seed",
        "3",
        "--into",
        str(tmp_path),
    )
    done = subprocess.run([sys.executable, SOAK, *options], capture_output=True, text=True, timeout=240, check=False)
    assert (tmp_path / "soak.json").exists(), done.stderr
    document = json.loads((tmp_path / "soak.json").read_text())
    counted = document["counted"]
    assert counted["sent"] > 1_000
    assert counted["rows"] == counted["distinct"] == counted["sent"]
    assert (counted["missing"], counted["quarantined"], counted["left_in_queue"]) == (0, 0, 0)
    assert document["kills"]
    # On a slow machine a worker is asked to stop while it starts: before it hears signals, or before it is open.
    ends = {"SIGKILL": {-9}, "SIGTERM": {0, -signal.SIGTERM, ExitCode.UNAVAILABLE}}
    for kill in document["kills"]:
        assert kill["exit_code"] in ends[kill["signal"]]
    assert "# Soak" in done.stdout
    ET.fromstring((tmp_path / "soak.svg").read_text())
