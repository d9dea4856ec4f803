"""The demo, as a newcomer runs it: it tells the whole story, and nothing is left of it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from patience import turns
from sofetch.presets.synthetic import example_logins, synthetic_logins
from visiting import Visitor, printed_link

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 60

# What getting-started.md does, with a key of one's own and a domain that the demo's table has too.
_TRIAL = f"""
    set -e; mkdir trial; cd trial; export SOFETCH_KEYRING_FILE=keyring.json
    sofetch() {{ {shlex.quote(sys.executable)} -m sofetch "$@"; }}
    {{ echo '{{"ip": "198.51.100.7", "device_id": "d-1"}}' > visits.jsonl
      sofetch init --from visits.jsonl --queue visits --table visits
      sofetch keys new -o keyring.json
      sofetch send visits.jsonl --create-queue
      sofetch schema --apply
      sofetch check
      sofetch run --drain; }} > told
    sofetch show --json --counts; cd ..; rm -r trial
"""

Story = tuple[subprocess.CompletedProcess[str], list[object]]
"""A demo that ended, and what is left of it: files and processes."""


@contextmanager
def _place() -> Iterator[Path]:
    """A home, working and temporary folder in one, with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    with _place() as folder:
        yield folder


@pytest.fixture(scope="module")
def story() -> Story:
    """The demo as it is by default."""
    with _place() as place:
        return _demo(place), [*place.iterdir(), *_processes_in(place)]


def _environ(place: Path, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {"HOME": str(place), "TMPDIR": str(place), "PYTHONDONTWRITEBYTECODE": "1"} | more


def _demo(place: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sofetch", "demo", *options],
        cwd=place,
        env=_environ(place, **environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_the_story_is_told_in_80_columns_and_shows_no_token_s_origin_but_the_example(
    story: Story,
) -> None:
    done, _ = story
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "\x1b" not in done.stdout
    for expected in (
        "100 messages",
        "99  rows in the table",
        "1  in quarantine",
        "0  left in the queue",
        "missing_field",
        "ana  recover  CASE-7",
        "its value was erased",
        "each as it was written",
    ):
        assert expected in done.stdout, expected
    shown = json.loads(example_logins()[0])
    others = [json.loads(body) for body in [*example_logins()[1:10], *synthetic_logins(89, seed=7)]]
    for login in others:
        for personal in ("ip", "device_id"):
            assert login[personal] == shown[personal] or login[personal] not in done.stdout
    assert "oops_wrong_msg_type" not in done.stdout


def test_nothing_is_left_of_it(story: Story) -> None:
    done, left = story
    assert (done.returncode, left) == (0, [])


def test_counts_are_exact_though_a_worker_was_killed(place: Path) -> None:
    done = _demo(place, "--json", "--messages", "50", "--seed", "3")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["sent"], told["loaded"], told["quarantined"], told["left_in_queue"]) == (50, 49, 1, 0)
    assert told["received_by_second_worker"] == 50
    assert 0 < told["committed_before_kill"] < 50
    logins = [json.loads(body) for body in [*example_logins()[:10], *synthetic_logins(39, seed=3)]]
    users = told["columns"].index("user_id")
    assert sorted(row[users] for row in told["rows"]) == sorted(login["user_id"] for login in logins)


def test_the_user_s_own_settings_are_not_touched(place: Path) -> None:
    done = _demo(
        place,
        "--messages",
        "20",
        SOFETCH_SINK_DSN="host=/nowhere",
        SOFETCH_SOURCE_ENDPOINT="http://127.0.0.1:1",
        SOFETCH_KEYRING="not a keyring",
        SOFETCH_CONFIG="/nowhere/sofetch.toml",
        AWS_PROFILE="nobody",
        PGSERVICE="nowhere",
        http_proxy="http://127.0.0.1:1",
    )
    assert done.returncode == 0, done.stderr


def test_keep_holds_the_servers_until_ctrl_c_and_the_lines_it_prints_work(place: Path) -> None:
    process = _started(place, "--keep")
    try:
        lines = _lines_until(process, "/own")
        psql = next(line for line in lines if "psql" in line)
        env, own = (line for line in lines if line.startswith(". "))
        assert _shell(place, f"{psql} -Atc 'SELECT count(*) FROM user_logins'") == "18\n"  # one was erased
        assert json.loads(_shell(place, f"{env}; {shlex.quote(sys.executable)} -m sofetch show --json --counts"))
        shown = json.loads(_shell(place, f"{env}; {own}; {_TRIAL}"))
        assert shown["counts"] == {"rows": 1, "quarantined": {}}
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert list(place.iterdir()) == []


def test_with_the_console_messages_keep_flowing_until_sigterm_and_nothing_is_left(place: Path) -> None:
    process = _started(place, "--console")
    try:
        visitor = Visitor(printed_link(_lines_until(process, "good once")))
        assert "This is the demo" in visitor.first_page
        looks = (visitor.live() for _ in turns())
        assert any(live["now"].get("loaded") and live["workers"][0]["well"] for live in looks)
    finally:
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    assert json.loads(out)["loaded"] == 19
    assert "Traceback" not in errors
    assert list(place.iterdir()) == []
    assert psutil.wait_procs(started, timeout=PATIENCE_SECONDS)[1] == []


def test_ctrl_c_in_the_middle_leaves_nothing(place: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "sofetch", "demo"],
        cwd=place,
        env=_environ(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while "Another worker takes over" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert list(place.iterdir()) == []
    assert _processes_in(place) == []


def _started(place: Path, option: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sofetch", "demo", option, "--json", "--messages", "20"],
        cwd=place,
        env=_environ(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    assert process.stderr is not None
    silence = threading.Timer(PATIENCE_SECONDS, process.kill)
    silence.start()
    lines: list[str] = []
    while not lines or last not in lines[-1]:
        line = process.stderr.readline()
        assert line, "the demo ended, or said nothing for too long"
        lines.append(line.strip())
    silence.cancel()
    return lines


def _shell(place: Path, line: str) -> str:
    answer = subprocess.run(
        ["sh", "-c", line], cwd=place, env=_environ(place), capture_output=True, text=True, check=True
    )
    return answer.stdout


def _processes_in(place: Path) -> list[str]:
    command_lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(parts) for parts in command_lines if any(str(place) in part for part in parts)]
