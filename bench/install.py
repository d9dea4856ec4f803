"""How large a worker's installation is, and how long it takes.

Usage: python bench/install.py [--write]

Builds the wheel, then installs requirements/run.txt and the wheel into empty environments: by pip as it is, by pip
without compiling, and by uv where `uv` is found. Packages are fetched once before the clock starts, so that it measures
installing and not a network. Sizes count files, without pip's own and without what an environment brings.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import describe_machine

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
LOCK = ROOT / "requirements/run.txt"
LIMIT_MB, LIMIT_S = 60, 10


def main() -> None:
    """Measure, and print or write what was found."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--write", action="store_true", help="write bench/results/install.md and .json")
    write = arguments.parse_args().write
    with tempfile.TemporaryDirectory() as folder:
        found = {"machine": describe_machine(), "ways": measure(Path(folder))}
    page = as_page(found)
    if write:
        (RESULTS / "install.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "install.md").write_text(page, encoding="utf-8")
    print(page)  # noqa: T201 - what it is for


def measure(folder: Path) -> list[dict[str, Any]]:
    """Each way of installing: seconds, and MB of code and of compiled code."""
    wheels = folder / "wheels"
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    _run(*pip, "download", "--require-hashes", "-r", LOCK, "-d", wheels)
    local = ["--no-index", "--find-links", wheels]
    ways: dict[str, list[str | Path]] = {
        "pip": [*pip, "--python", "PYTHON", "install", *local],
        "pip --no-compile": [*pip, "--python", "PYTHON", "install", *local, "--no-compile"],
    }
    if uv := shutil.which("uv"):
        ways["uv pip"] = [uv, "pip", "install", "-q", "--no-cache", "--python", "PYTHON", *local]
    return [_install(folder / name.replace(" ", "-"), name, command, wheels) for name, command in ways.items()]


def _install(environment: Path, name: str, command: list[str | Path], wheels: Path) -> dict[str, Any]:
    _run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    filled = [python if word == "PYTHON" else word for word in command]
    (wheel,) = wheels.glob("sofetch-*.whl")
    began, processor = time.monotonic(), _children()
    _run(*filled, "--require-hashes", "-r", LOCK)
    _run(*filled, "--no-deps", wheel)
    seconds, processor = time.monotonic() - began, _children() - processor
    files = [path for path in environment.glob("lib/*/site-packages/**/*") if path.is_file()]
    compiled = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    size = sum(path.stat().st_size for path in files) - compiled
    return {
        "way": name,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(processor, 1),
        "mb": round(size / 1e6, 1),
        "compiled_mb": round(compiled / 1e6, 1),
    }


def as_page(found: dict[str, Any]) -> str:
    """The result as a page."""
    about = "\n".join(f"* {key}: {value}" for key, value in found["machine"].items())
    rows = "\n".join(
        f"| {way['way']} | {way['mb']} | {way['compiled_mb']} | {way['seconds']} | {way['cpu_seconds']} |"
        for way in found["ways"]
    )
    return (
        "# Installing a worker: how large, how long\n\n"
        f"By `bench/install.py`; the target is below {LIMIT_MB} MB and {LIMIT_S} s. Packages were fetched before the "
        f"clock started.\n\n{about}\n\n"
        "| way | installed, MB | compiled by it, MB | seconds | CPU seconds |\n| --- | --- | --- | --- | --- |\n"
        f"{rows}\n"
        "\nSeconds grow with whatever else the machine does; CPU seconds hardly do. A way whose CPU seconds are above\n"
        "the target misses it on any machine like this one.\n"
    )


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _run(*command: str | Path) -> None:
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
