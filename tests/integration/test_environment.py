"""Making the environment: what a newcomer is told when the machine lacks something. No package is installed here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make` needs of a fresh clone, in a folder with a space in its name."""
    folder = tmp_path / "my clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", ".ci", "requirements"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder


def _make(checkout: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={"PATH": path or "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def _fake_python(folder: Path, *, version: str, too_old: bool = False, bare: bool = False) -> Path:
    """A stand-in that answers the questions that .ci/venv asks of a Python."""
    folder.mkdir(exist_ok=True)
    program = folder / "python3"
    program.write_text(
        f'#!/bin/sh\ncase "$2" in\n*"%d"*) echo {version} ;;\n*"sys.exit"*) exit {int(too_old)} ;;\n'
        f"*ensurepip*) exit {int(bare)} ;;\nesac\n"
    )
    program.chmod(0o755)
    return program


def test_make_alone_shows_every_target(checkout: Path) -> None:
    shown = _make(checkout)
    assert shown.returncode == 0
    for target in ("demo", "test", "test-fast", "check", "lock", "clean"):
        assert f"  {target} " in shown.stdout


def test_a_missing_python_is_said_with_what_to_install(checkout: Path) -> None:
    done = _make(checkout, "demo", "PYTHON=/nowhere/python3")
    assert done.returncode != 0
    assert "sofetch needs Python 3.11 or newer. /nowhere/python3 was not found." in done.stderr
    assert "apt install python3 python3-venv" in done.stderr
    assert "make PYTHON=/path/to/python3" in done.stderr


def test_a_python_too_old_is_said_with_its_version(checkout: Path, tmp_path: Path) -> None:
    python = _fake_python(tmp_path / "an old one", version="3.8", too_old=True)
    done = _make(checkout, "demo", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"{python} is 3.8." in done.stderr


def test_a_python_without_venv_is_said_with_the_package_to_install(checkout: Path, tmp_path: Path) -> None:
    python = _fake_python(tmp_path / "bare", version="3.12", bare=True)
    done = _make(checkout, "demo", f"PYTHON={python}")
    assert done.returncode != 0
    assert "apt install python3.12-venv" in done.stderr


def test_a_folder_that_is_no_environment_is_not_overwritten(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "letter.txt").write_text("mine")
    done = _make(checkout, "demo")
    assert done.returncode != 0
    assert "is no virtual environment" in done.stderr
    assert (checkout / ".venv" / "letter.txt").exists()


def test_clean_removes_no_folder_that_is_no_environment(checkout: Path) -> None:
    (checkout / "kept").mkdir()
    (checkout / "src").mkdir()
    (checkout / "tests").mkdir()
    assert _make(checkout, "clean", "VENV=kept").returncode == 0
    assert (checkout / "kept").is_dir()


def test_every_locked_package_carries_hashes() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text().replace("\\\n", " ")
        packages = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
        assert packages
        assert all("--hash=sha256:" in line for line in packages), lock.name


def test_the_demo_s_versions_are_those_of_the_tests() -> None:
    def versions(name: str) -> set[str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}

    assert versions("demo.txt") <= versions("dev.txt")
