"""The locks: whole, hashed, and of one mind."""

from __future__ import annotations

import re
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
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


@pytest.mark.parametrize("part", ["spark", "spark35"])
def test_spark_runs_with_what_a_worker_was_tested_with(part: str) -> None:
    assert pinned("run").items() <= pinned(part).items()


@pytest.mark.parametrize("part", ["run", "demo"])
def test_what_runs_is_what_was_tested(part: str) -> None:
    assert pinned(part).items() <= pinned("dev").items()


def test_a_worker_installs_what_the_project_names_and_no_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run = pinned("run").keys()
    assert named(*project["dependencies"]) <= run
    for extra in project["optional-dependencies"].values():
        assert not named(*extra) & run
        assert named(*extra) <= pinned("dev").keys() | pinned("spark").keys()


@pytest.mark.skipif(sys.platform != "linux", reason="wheels of other systems have other sizes")
def test_a_worker_takes_less_than_60_megabytes() -> None:
    """The files of every locked package that a worker installs here, and ours; without what Python compiles itself."""
    size = sum(path.stat().st_size for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc")
    for name in pinned("run").keys() - {"tzdata"}:  # Windows alone
        with suppress(PackageNotFoundError):  # typing-extensions from Python 3.13 on
            listed = distribution(name).files or []
            size += sum(file.size or 0 for file in listed if file.suffix != ".pyc")
    assert 20e6 < size < 60e6
