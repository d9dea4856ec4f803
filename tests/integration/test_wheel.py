"""What is built is what runs: the wheel, installed in an environment of its own, without a network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import sofetch

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

pytestmark = pytest.mark.slow


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder)
    return folder


def shipped() -> set[str]:
    """Every file of the package, code and data."""
    files = (path for path in (SOURCE / "sofetch").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(SOURCE).as_posix() for path in files}


def test_the_wheel_holds_the_whole_package_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped()
    assert {"sofetch/presets/logins.toml", "sofetch/load/sql/0001_tables.sql", "sofetch/py.typed"} <= names


def test_the_sdist_holds_the_source_and_its_papers_and_nothing_else(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    papers = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names == {f"src/{name}" for name in shipped()} | papers


def test_an_installed_wheel_runs_and_finds_its_data(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    python = tmp_path / "bin/python"
    run(
        sys.executable,
        "-m",
        "pip",
        "-q",
        "--python",
        python,
        "install",
        "--no-index",
        "--no-deps",
        "--no-compile",
        wheel,
    )
    installed = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # Its dependencies are those that run this test; a .pth read in there is not, so our own source stays out.
    (installed / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    where = "import sofetch, sofetch.config; print(sofetch.__file__); print(sofetch.config.preset('logins'))"
    told = run(python, "-I", "-c", where)
    assert told.startswith(str(installed))
    assert "[[column]]" in told
    assert run(tmp_path / "bin/sofetch", "--version").split()[-1] == sofetch.__version__
    assert "run" in run(tmp_path / "bin/sofetch", "--help")
