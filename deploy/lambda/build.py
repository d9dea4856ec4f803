"""Builds the package of the function: ``dist/lambda/`` for a container image and ``dist/lambda.zip`` of the same.

    python deploy/lambda/build.py                                    # for this Python, x86_64 (``make lambda``)
    python deploy/lambda/build.py --python 3.13 --architecture arm64

Owns what is in the package, its size, and the proof that it can be imported with nothing else. The same inputs give the
same zip, byte for byte. Nothing is compiled: every dependency is a wheel, and each is held against its hash.
"""

from __future__ import annotations

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "requirements" / "lambda.txt"
PACKAGE: Final = ROOT / "src" / "sofetch"
HERE: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

MOST_ZIPPED_BYTES: Final = 50 * 1024**2
"""Lambda takes no larger zip by direct upload."""
MOST_UNZIPPED_BYTES: Final = 250 * 1024**2
"""Function and layers together."""

PLATFORMS: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_GLIBC_MINORS: Final = (17, 24, 26, 28, 31, 34)
_OF_AMAZON_LINUX_2: Final = 26
_OF_AMAZON_LINUX_2023: Final = 34
_DAY: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can name
_LEFT_OUT: Final = ("__pycache__", "*.pyc", "RECORD", "direct_url.json")
"""pip's own notes name folders of this machine; bytecode is made anew."""


def main(arguments: Sequence[str]) -> int:
    """Build, check, and say what came of it."""
    asked = _parse(arguments)
    folder, archive = asked.out / "lambda", asked.out / "lambda.zip"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install_dependencies(folder, python=asked.python, architecture=asked.architecture)
    shutil.copytree(PACKAGE, folder / "sofetch", ignore=shutil.ignore_patterns(*_LEFT_OUT))
    compiled = asked.python == HERE
    if compiled:
        compile_bytecode(folder)
    write_zip(folder, archive)
    zipped, unzipped = check_sizes(archive)
    _say(f"{archive}: {_megabytes(zipped)} of 50 MB zipped, {_megabytes(unzipped)} of 250 MB unzipped")
    if compiled:
        check_import(archive)
        _say("it imports with nothing else in its path")
    else:
        _say(f"not imported, and without bytecode: it is for Python {asked.python}, and this is {HERE}")
    return 0


def install_dependencies(folder: Path, *, python: str, architecture: str) -> None:
    """What the lock names, as wheels for Lambda's Linux, by hash."""
    platforms = [f"--platform={platform}" for platform in platforms_of(python, architecture)]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "install"]
    command += ["--target", str(folder), "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += [*platforms, "--python-version", python, "--implementation", "cp", "--requirement", str(LOCK)]
    subprocess.run(command, check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for note in [*folder.rglob("RECORD"), *folder.rglob("direct_url.json")]:
        note.unlink()


def platforms_of(python: str, architecture: str) -> list[str]:
    """The tags of wheels that run there, newest first: Python 3.11 is on Amazon Linux 2, later ones on 2023."""
    machine = PLATFORMS[architecture]
    newest = _OF_AMAZON_LINUX_2 if python == "3.11" else _OF_AMAZON_LINUX_2023
    tags = [f"manylinux_2_{minor}_{machine}" for minor in reversed(_GLIBC_MINORS) if minor <= newest]
    return [*tags, f"manylinux2014_{machine}"]


def compile_bytecode(folder: Path) -> None:
    """Lambda's folder cannot be written to: without this each cold start would compile every module again.

    Marked as never to be checked against the source, so that it does not depend on when a file was written.
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, invalidation_mode=mode, stripdir=str(folder)):
        raise SystemExit("a module cannot be compiled")


def write_zip(folder: Path, archive: Path) -> None:
    """Everything in the folder, in order, each file of the same day and readable by all."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in _files(folder):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, file.read_bytes())


def check_sizes(archive: Path) -> tuple[int, int]:
    """Bytes zipped and unzipped. SystemExit for more than Lambda takes."""
    with zipfile.ZipFile(archive) as packed:
        unzipped = sum(entry.file_size for entry in packed.infolist())
    zipped = archive.stat().st_size
    if zipped > MOST_ZIPPED_BYTES or unzipped > MOST_UNZIPPED_BYTES:
        raise SystemExit(
            f"too large for Lambda: {_megabytes(zipped)} of 50 MB zipped, {_megabytes(unzipped)} of 250 MB unzipped"
        )
    return zipped, unzipped


def check_import(archive: Path) -> None:
    """Import the handler from what is in the zip, with the standard library and nothing else beside it."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(place)
        code = f"import sys; sys.path.append({place!r}); import sofetch.lambda_handler as it; print(it.__file__)"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
        if done.returncode != 0 or not done.stdout.startswith(place):
            raise SystemExit(f"the package cannot be imported:\n{done.stderr}")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.1f}"


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the package for AWS Lambda.")
    parser.add_argument("--python", default=HERE, help="Lambda's Python, such as 3.13 (default: this one)")
    parser.add_argument("--architecture", choices=PLATFORMS, default="x86_64")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of lambda/ and lambda.zip")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
