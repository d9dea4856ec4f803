"""The workflows: they parse, hold no secret, pin what they use, and run what a developer runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def jobs(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert parsed["permissions"] == {"contents": "read"}
    found: dict[str, Any] = parsed["jobs"]
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_by_a_commit_and_tells_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert used
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_reads_a_stored_secret_or_puts_an_expression_into_a_script(path: Path) -> None:
    assert "secrets." not in path.read_text(encoding="utf-8")
    for job in jobs(path).values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "").replace("${{ matrix.python }}", "")


def test_what_is_tested_is_each_python_that_is_promised() -> None:
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert jobs(ROOT / ".github/workflows/ci.yml")["test"]["strategy"]["matrix"]["python"] == promised


def test_what_a_workflow_makes_is_a_target_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in WORKFLOWS:
        for line in re.findall(r"run: make (.*)", path.read_text(encoding="utf-8")):
            assert {word for word in line.split() if "=" not in word} <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_the_tests_cannot_get_from_pip_is_installed_before_they_run_and_skips_are_told(path: Path) -> None:
    [steps] = [job["steps"] for job in jobs(path).values() if "make test" in str(job["steps"])]
    runs = [step.get("run", "") for step in steps]
    tests = next(place for place, run in enumerate(runs) if run.startswith("make test"))
    assert any(re.search(r"apt-get install .*\bpgbouncer\b", run) for run in runs[:tests])
    assert re.search(r"addopts = .*-ra\b", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_nothing_is_published_that_was_not_built_and_tested_before() -> None:
    release = jobs(ROOT / ".github/workflows/release.yml")
    assert {name for name, job in release.items() if job.get("needs") != "build"} == {"build"}
    assert release["publish"]["permissions"] == {"id-token": "write"}
    steps = [step.get("run", step.get("uses", "")) for step in release["build"]["steps"]]
    order = [
        next(index for index, step in enumerate(steps) if word in step)
        for word in ("make test", "make wheel", "attest")
    ]
    assert order == sorted(order)
