"""What is said of the packages that sofetch consists of: the list of them, and which are asked about."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import sofetch

ROOT = Path(__file__).parents[2]
NEVER_SHIPPED = {"bench", "old-sqs"}
"""Peers of the benchmark, and a server of the tests that is old on purpose."""


def pins(lock: str) -> dict[tuple[str, str], set[str]]:
    """Names and versions of a lock, and the SHA-256 of their files."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"([\w.-]+)==([^\s;]+)", line):
            found[pinned[1], pinned[2]] = set()
        elif hashed := re.match(r" +--hash=sha256:([0-9a-f]{64})\b", line):
            list(found.values())[-1].add(hashed[1])
    return found


def has_audit_environment() -> bool:
    """Whether `make sbom` finds its environment as it wants it; where not it would install from an index."""
    venv = ROOT / ".venv-audit"
    if not ((venv / "bin/cyclonedx-py").exists() and (venv / ".audit.stamp").exists()):
        return False
    fingerprint = '{ echo "$(pwd) / .venv-audit"; cat requirements/audit.txt; } | cksum'  # as .ci/venv makes it
    wanted = subprocess.run(["sh", "-c", fingerprint], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return (venv / ".audit.stamp").read_text(encoding="utf-8") == wanted.stdout


@pytest.mark.slow
@pytest.mark.skipif(not has_audit_environment(), reason="no .venv-audit that is current: `make sbom` makes it")
def test_the_list_of_packages_is_the_lock_with_its_hashes_and_the_same_each_time(tmp_path: Path) -> None:
    once, again = tmp_path / "once.json", tmp_path / "again.json"
    for place in (once, again):
        subprocess.run(["make", "--silent", "sbom", f"SBOM={place}"], cwd=ROOT, check=True, timeout=120)
    listed: dict[str, Any] = json.loads(once.read_text())
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    described = listed["metadata"]["component"]
    assert (described["name"], described["version"]) == ("sofetch", sofetch.__version__)
    assert {(one["name"], one["version"]): hashes_of(one) for one in listed["components"]} == pins("run")
    named = {f"pkg:pypi/{name}@{version}" for name, version in pins("run")}
    assert {one["purl"] for one in listed["components"]} == named
    assert once.read_bytes() == again.read_bytes()


def hashes_of(component: dict[str, Any]) -> set[str]:
    hashes = [one for reference in component["externalReferences"] for one in reference["hashes"]]
    assert {one["alg"] for one in hashes} == {"SHA-256"}
    return {one["content"] for one in hashes}


def test_every_package_that_is_shipped_or_tests_what_is_shipped_is_asked_about() -> None:
    [asked] = re.findall(r"for lock in ([\w ]+);", (ROOT / "Makefile").read_text(encoding="utf-8"))
    known = {pin for lock in asked.split() for pin in pins(lock)}
    locks = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    assert {lock for lock in locks if not pins(lock).keys() <= known} == NEVER_SHIPPED
