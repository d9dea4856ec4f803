"""The report of a campaign."""

from __future__ import annotations

from pathlib import Path

from faults.run import Verdict


def write_report(verdict: Verdict, path: Path) -> None:
    """Write it."""
    raise NotImplementedError
