"""The locks: whole, hashed, and of one mind."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"


def pinned(name: str) -> dict[str, str]:
    """Each package of a lock, with its version."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def named(*requirements: str) -> set[str]:
    return {re.split(r"[\[><=; ]", one)[0].lower() for one in requirements}


@pytest.mark.parametrize("lock", sorted(path.name for path in LOCKS.glob("*.txt")))
def test_every_package_is_pinned_with_a_hash_and_comes_from_no_address(lock: str) -> None:
    entries = re.split(
        r"^(?=\S)", re.sub(r"\s+#.*", "", (LOCKS / lock).read_text(encoding="utf-8")), flags=re.MULTILINE
    )
    for entry in filter(str.strip, entries):
        assert re.match(r"[\w.-]+==", entry), entry
        assert "--hash=sha256:" in entry, entry
        assert "://" not in entry, entry


@pytest.mark.parametrize("part", ["run", "demo"])
def test_what_runs_is_what_was_tested(part: str) -> None:
    assert pinned(part).items() <= pinned("dev").items()


def test_a_worker_installs_what_the_project_names_and_no_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run = pinned("run").keys()
    assert named(*project["dependencies"]) <= run
    for extra in project["optional-dependencies"].values():
        assert not named(*extra) & run
        assert named(*extra) <= pinned("dev").keys()
