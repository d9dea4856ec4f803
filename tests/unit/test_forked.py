"""Commands in forked children are what they are in new interpreters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

import forked

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(forked.FRESH, reason="each command gets a new interpreter here"),
]
# Another set of variables than the other tests', so that the server is this module's own.
ENVIRON = {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8:surrogateescape", "ONLY": "this", "ODD": "\udcff"}

TELL = """
import io, json, os, random, signal, sys, threading
def stream(file):
    return [file.encoding, file.errors, file.line_buffering, file.isatty(), file.fileno(), file.seekable()]
print(json.dumps({
    "arguments": sys.argv,
    "path": sys.path,
    "main": [sys.modules["__main__"].__name__, __name__, __file__, __spec__.name],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "streams": [stream(file) for file in (sys.stdin, sys.stdout, sys.stderr)],
    "first streams": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
    "open": sorted(os.listdir("/proc/self/fd"))[:-1],
    "signals": {number.name: str(signal.getsignal(number)) for number in signal.valid_signals()
                if isinstance(number, signal.Signals)},
    "group": os.getpgrp(),
    "threads": threading.active_count(),
    "given": sys.stdin.read(),
}, ensure_ascii=True, sort_keys=True))
print("grüße", file=sys.stderr)
"""


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left() -> Iterator[None]:
    """The server of these tests, ended after them."""
    yield
    server = forked._server_for(ENVIRON)
    process = psutil.Process(server._process.pid)
    assert process.children() == []
    server.stop()
    assert not process.is_running()


def python(
    folder: Path, program: str, *arguments: str, given: str = "", seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """A program run as ``python -m probe`` from the folder."""
    (folder / "probe.py").write_text(dedent(program))
    return forked.run("probe", arguments, folder=folder, environ=ENVIRON, stdin=given, timeout_seconds=seconds)


def test_a_child_is_what_a_new_interpreter_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = python(tmp_path, TELL, "one", "--two", given="üé\n")
    monkeypatch.setattr(forked, "FRESH", True)
    fresh = python(tmp_path, TELL, "one", "--two", given="üé\n")
    assert json.loads(child.stdout) == json.loads(fresh.stdout)
    assert json.loads(child.stdout)["environment"].items() >= ENVIRON.items()
    assert (child.args, child.returncode, child.stderr) == (fresh.args, fresh.returncode, fresh.stderr)


def test_each_child_is_a_process_with_random_numbers_of_its_own(tmp_path: Path) -> None:
    told = {python(tmp_path, "import os, random; print(os.getpid(), random.random())").stdout for _ in range(3)}
    pids, numbers = zip(*(line.split() for line in told), strict=True)
    assert len(set(pids)) == len(set(numbers)) == 3
    assert not {str(os.getpid())} & set(pids)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(7)", 7),
        ("raise ValueError", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import atexit, os; atexit.register(os._exit, 9)", 9),
    ],
)
def test_the_end_of_a_child_is_told_as_subprocess_does(tmp_path: Path, program: str, code: int) -> None:
    assert python(tmp_path, program).returncode == code


def test_more_than_a_pipe_holds_goes_in_and_out(tmp_path: Path) -> None:
    text = "x" * 300_000
    program = "import sys; print(sys.stdin.read(), end=''); print('y' * 300_000, file=sys.stderr)"
    done = python(tmp_path, program, given=text)
    assert (done.stdout, len(done.stderr)) == (text, 300_001)
    assert python(tmp_path, "pass", given=text).returncode == 0


def test_a_child_that_takes_too_long_is_killed_and_gone(tmp_path: Path) -> None:
    python(tmp_path, "pass")  # the server, once it has imported everything, forks at once
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired) as late:
        python(tmp_path, program, seconds=5)
    assert not psutil.pid_exists(int(late.value.output))
    assert python(tmp_path, "print(1)").stdout == "1\n"


def test_the_server_and_its_children_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "told")
    (tmp_path / "probe.py").write_text("import time\nheld = open('told', 'w')\ntime.sleep(600)")
    asking = f"""
        import sys; sys.path[:0] = [{str(Path(forked.__file__).parent)!r}]
        from pathlib import Path; import forked
        forked.run("probe", [], folder=Path({str(tmp_path)!r}), environ={{}})
    """
    with subprocess.Popen([sys.executable, "-c", dedent(asking)], stderr=subprocess.PIPE) as parent:
        with (tmp_path / "told").open() as told:  # opened by the child, too, which then waits
            parent.kill()
            assert told.read() == ""
        assert parent.stderr is not None
        assert parent.stderr.read() == b""  # the server has it, and is gone
