"""The package for Lambda: the same bytes each time, within Lambda's limits, and whole."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

import build
from build import ROOT, check_import, check_sizes, platforms_of, write_zip


def packed(folder: Path, files: dict[str, str], *, name: str = "lambda.zip") -> Path:
    place = folder / f"{name}.d"
    for path, text in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    write_zip(place, folder / name)
    return folder / name


def test_a_zip_is_the_same_whenever_it_is_made_and_readable_by_all(tmp_path: Path) -> None:
    one = packed(tmp_path, {"b.py": "x", "a/c.py": "y"}, name="one")
    other = packed(tmp_path, {"a/c.py": "y", "b.py": "x"}, name="other")
    assert one.read_bytes() == other.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.namelist() == ["a/c.py", "b.py"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_more_than_lambda_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = packed(tmp_path, {"a": "x" * 1_000})
    zipped, unzipped = check_sizes(archive)
    assert (zipped, unzipped) == (archive.stat().st_size, 1_000)
    monkeypatch.setattr(build, "MOST_UNZIPPED_BYTES", 999)
    with pytest.raises(SystemExit, match="too large for Lambda"):
        check_sizes(archive)


def test_a_package_that_cannot_be_imported_alone_is_refused(tmp_path: Path) -> None:
    whole = {"sofetch/__init__.py": "", "sofetch/lambda_handler.py": "import needed", "needed.py": ""}
    check_import(packed(tmp_path, whole, name="whole"))
    del whole["needed.py"]
    with pytest.raises(SystemExit, match="No module named 'needed'"):
        check_import(packed(tmp_path, whole, name="part"))


def test_wheels_are_those_that_run_on_the_linux_of_that_python() -> None:
    assert platforms_of("3.11", "x86_64")[0] == "manylinux_2_26_x86_64"
    assert platforms_of("3.13", "arm64")[0] == "manylinux_2_34_aarch64"
    assert platforms_of("3.13", "x86_64")[-1] == "manylinux2014_x86_64"


def test_what_the_function_needs_is_of_what_the_program_needs_and_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["dependency-groups"]["lambda"]
    assert set(needed) < set(project["project"]["dependencies"])
    locked = {line.split("==")[0]: line for line in build.LOCK.read_text().splitlines() if "==" in line}
    of_developers = (ROOT / "requirements/dev.txt").read_text()
    assert {"botocore", "cryptography", "msgspec", "psycopg", "psycopg-binary"} <= locked.keys()
    assert [line for line in locked.values() if line.split(" ")[0] not in of_developers] == []
