"""What the pages tell people to run, run: getting started and then the tutorial in one shell, and the README's demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/getting-started.md"
TUTORIAL = ROOT / "docs/tutorial.md"
_BLOCK = re.compile(r"^```sh(?P<how>[^\n]*)\n(?P<script>.*?)^```$", re.MULTILINE | re.DOTALL)


def test_each_block_does_what_the_pages_say(tmp_path: Path, database: str, queue_endpoint: str) -> None:
    done = subprocess.run(
        ["sh", "-c", _script()],
        cwd=tmp_path,
        env=_environment(tmp_path, database, queue_endpoint),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # two dozen commands, each a process
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 errors, 1 warning: `sofetch run` would not work" in done.stdout
    assert "1 warning, no error: `sofetch run` would work" in done.stdout
    assert re.search(r"^loaded +3  rows in the table$", done.stdout, re.MULTILINE)
    assert re.search(r"^h1\.k1\.[0-9a-f]{40} +2$", done.stdout, re.MULTILINE), "Ada's two orders have one token"
    after_rotation = re.findall(r"^(h1\.k2\.[0-9a-f]{40}) +(\d)$", done.stdout, re.MULTILINE)
    assert [rows for _, rows in after_rotation] == ["4", "2"], "sent once more, Ada has four rows under one token"
    ada = re.escape(after_rotation[0][0])
    assert re.search(rf"^.*{ada}$", done.stdout, re.MULTILINE), "`sofetch token` prints the token of her rows"
    assert "wrong_type in order_id: 1 message" in done.stdout
    for value in ("ada@example.org", "Ada Example", "4111 ?1111"):  # four digits alone are in some token by chance
        assert not re.search(value, done.stdout + done.stderr), value


def test_what_the_page_shows_of_the_configuration_is_what_init_writes(tmp_path: Path) -> None:
    script = "".join(re.findall(r"^cat .*?^END\n|^sofetch init .*?\n", _script(), re.MULTILINE | re.DOTALL))
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=_environment(tmp_path, "", ""), check=True, timeout=60)
    shown = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    written = (tmp_path / "sofetch.toml").read_text(encoding="utf-8")
    assert all(block in written for block in shown)


def test_the_tour_in_the_readme_is_what_the_demo_prints(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sofetch", "demo"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    [tour] = re.findall(
        r"^```text\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    printed = {_without_chance(line) for line in done.stdout.splitlines()}
    assert [line for line in tour.splitlines() if _without_chance(line) not in printed] == []


def _without_chance(line: str) -> str:
    """A line without what differs each time: tokens and days."""
    return re.sub(r"h1\.k1\.[0-9a-f…]+", "token", re.sub(r"\d{4}-\d\d-\d\d", "day", line)).rstrip()


def _script() -> str:
    """The blocks of both pages that can be run, each ending the script unless it exits as it says."""
    blocks = [block for page in (PAGE, TUTORIAL) for block in _BLOCK.findall(page.read_text(encoding="utf-8"))]
    return "set -e\n" + "".join(_guarded(how.strip(), script) for how, script in blocks if "not-run" not in how)


def _guarded(how: str, script: str) -> str:
    if not how:
        return script
    expected = how.removeprefix("exit=")
    return f"set +e\n{script}code=$?\nset -e\ntest $code = {expected}\n"


def _environment(folder: Path, dsn: str, endpoint: str) -> dict[str, str]:
    programs = folder / "programs"
    programs.mkdir()
    (programs / "sofetch").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sofetch "$@"\n')
    (programs / "sofetch").chmod(0o700)
    given = {"SOFETCH_SINK_DSN": dsn, "SOFETCH_SOURCE_ENDPOINT": endpoint, "COLUMNS": "100"}
    return {**os.environ, **given, "PATH": f"{programs}:{os.environ['PATH']}"}
