"""What is built is what runs: the wheel, installed in an environment of its own, without a network."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

import sofetch

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
EXTRAS = ("sofetch/console/", "sofetch/embedded/", "sofetch/spark/", "sofetch/observe/telemetry/")

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
    assert names == shipped() | {"sofetch/_build.json"}
    assert {"sofetch/presets/logins.toml", "sofetch/load/sql/0001_tables.sql", "sofetch/py.typed"} <= names


def test_the_sdist_holds_the_source_and_its_papers_and_nothing_else(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    papers = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "hatch_build.py", "PKG-INFO", ".gitignore"}
    assert names == {f"src/{name}" for name in shipped()} | papers | {"src/sofetch/_build.json"}


def test_two_builds_are_equal_byte_for_byte(dist: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-d", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in dist.iterdir()
    }


@pytest.fixture(scope="module")
def worker(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, what requirements/run.txt names beside it, and nothing else."""
    (wheel,) = dist.glob("*.whl")
    folder = tmp_path_factory.mktemp("worker")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    installing = ("install", "--no-index", "--no-deps", "--no-compile", wheel)
    run(sys.executable, "-m", "pip", "-q", "--python", python, *installing)
    installed = installed_in(folder)
    for distribution in locked():
        for name in {Path(file).parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            (installed / name).symlink_to(Path(str(distribution.locate_file(name))))
    return folder


def locked() -> list[Distribution]:
    """What run.txt names, as it is installed here: its versions are those of dev.txt."""
    found = []
    for name, marker in re.findall(r"^([\w.-]+)==\S+( ;)?", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE):
        try:
            found.append(Distribution.from_name(name))
        except PackageNotFoundError:
            assert marker, f"{name} is for every system and is not here"
    return found


def installed_in(folder: Path) -> Path:
    return Path(run(folder / "bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def test_an_installed_wheel_runs_and_finds_its_data(worker: Path) -> None:
    where = "import sofetch, sofetch.config; print(sofetch.__file__); print(sofetch.config.preset('logins'))"
    told = run(worker / "bin/python", "-I", "-c", where)
    assert told.startswith(str(installed_in(worker)))
    assert "[[column]]" in told
    version = run(worker / "bin/sofetch", "--version").strip()
    assert version.startswith(f"sofetch {sofetch.__version__} (")
    assert "checkout" not in version
    assert "run" in run(worker / "bin/sofetch", "--help")


def test_what_is_imported_outside_of_extras_is_there_with_nothing_but_what_a_worker_installs(worker: Path) -> None:
    files = [SOURCE / name for name in sorted(shipped()) if name.endswith(".py") and not name.startswith(EXTRAS)]
    modules = [".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for file in files]
    assert len(modules) > 250
    failing = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as error: print(name, error)\n"
    )
    late = {name for file in files for name in imported(ast.parse(file.read_text(encoding="utf-8")))}
    assert run(worker / "bin/python", "-I", "-c", failing, *modules, *sorted(late - {"__future__"})) == ""


def imported(node: ast.AST) -> Iterator[str]:
    """What it imports, in functions too: the outermost names. What is for type checkers alone is left out."""
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case ast.Import(names=names):
            yield from (name.name.partition(".")[0] for name in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module.partition(".")[0]
        case _:
            for child in ast.iter_child_nodes(node):
                yield from imported(child)
