"""Tells a wheel and an sdist what they were built from: ``sofetch/_build.json`` with commit and date.

Owns that file and nothing else. It must depend on the commit alone, so that two builds of one commit are equal: the
date is SOURCE_DATE_EPOCH or the commit's, never the clock's. What is not known is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_INSIDE = {"wheel": "sofetch/_build.json", "sdist": "src/sofetch/_build.json"}


class BuildInformation(BuildHookInterface):  # type: ignore[type-arg] # hatchling's own loader wants it bare
    """Adds the file to what is built; an editable install has none, it is a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build. ``version`` is its word for the kind of build."""
        carried = Path(self.root, _INSIDE["sdist"])
        if version == "editable" or carried.exists():  # an unpacked sdist brings its own
            return
        handle, name = tempfile.mkstemp(suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(built_from(Path(self.root)), file, sort_keys=True)
        Path(name).chmod(0o644)
        build_data["force_include"][name] = _INSIDE[self.target_name]
        self._written = Path(name)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - hatchling's
        """Called by hatchling after each build."""
        written = getattr(self, "_written", None)
        if written is not None:
            written.unlink()


def built_from(root: Path) -> dict[str, Any]:
    """Commit, date and whether the checkout had changes; SOFETCH_BUILD_COMMIT names a commit where git is not there."""
    known: dict[str, Any] = {}
    if commit := os.environ.get("SOFETCH_BUILD_COMMIT"):
        known["commit"] = commit
    elif _git(root, "rev-parse", "--show-toplevel") == str(root.resolve()):
        known["commit"] = _git(root, "rev-parse", "HEAD")
        known["modified"] = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
        if seconds := _git(root, "log", "-1", "--format=%ct"):
            known["date"] = _day(seconds)
    if seconds := os.environ.get("SOURCE_DATE_EPOCH"):
        known["date"] = _day(seconds)
    return known


def _git(root: Path, *command: str) -> str:
    try:
        done = subprocess.run(["git", "-C", root, *command], capture_output=True, text=True, check=False)
    except OSError:  # no git: then it is not known
        return ""
    return done.stdout.strip()


def _day(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
