"""What a person sees while workers run: the live panel of `sofetch run`, and `sofetch top`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping

import pytest

from world import World, end, made_up

pytestmark = pytest.mark.slow


class Terminal:
    """A command whose stderr, and if asked for its stdout too, is a terminal of 100 columns."""

    def __init__(
        self, world: World, *arguments: str, environ: Mapping[str, str] | None = None, with_stdout: bool = False
    ) -> None:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sofetch", *arguments],
            cwd=world.folder,
            env={**world.environ, "TERM": "xterm-256color", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=theirs if with_stdout else subprocess.PIPE,
            stderr=theirs,
            text=True,
        )
        world.started.append(self.process)
        os.close(theirs)
        self._ours = ours
        self._written = bytearray()
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, pattern: str) -> None:
        with self._more:
            assert self._more.wait_for(lambda: re.search(pattern, self.written), timeout=60), self.written[-2_000:]

    @property
    def written(self) -> str:
        return self._written.decode("utf-8", "replace")

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        self._reader.join()
        os.close(self._ours)
        return str(out or "")

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 65_536)
            except OSError:  # Linux says so where the other end is closed
                return
            with self._more:
                self._written += piece
                self._more.notify_all()


def test_a_run_in_a_terminal_shows_a_panel_with_the_log_above_it(world: World) -> None:
    world.send([made_up(number) for number in range(30)] + [b"not json"])
    terminal = Terminal(world, "run")
    terminal.wait_for(rf"{world.queue} → user_logins.*running")
    terminal.wait_for(r"loaded +30 ")
    terminal.wait_for(r"queue +.*about 0 waiting")
    terminal.wait_for(r"1 to quarantine: not_json")
    summary = terminal.end()
    assert "worker started" in terminal.written
    assert re.search(r"loaded +30 +rows in the table", summary)
    assert terminal.process.returncode == 0


def test_a_plain_run_in_a_terminal_writes_lines_alone(world: World) -> None:
    world.send([made_up(1)])
    terminal = Terminal(world, "run", "--plain", environ={"SOFETCH_LOG_LEVEL": "debug"})
    terminal.wait_for("batch done")
    terminal.end()
    assert "waiting" not in terminal.written
    assert not re.search(r"\x1b\[\d*[ABCDJK]", terminal.written)


def test_top_reads_running_workers_and_says_who_is_silent(world: World) -> None:
    running = world.start("run", "--json", environ={"SOFETCH_HTTP_LISTEN": "127.0.0.1:0", "SOFETCH_LOG_LEVEL": "debug"})
    assert running.stderr is not None
    address = next(event["address"] for line in running.stderr if (event := json.loads(line))["event"] == "listening")
    world.send([made_up(number) for number in range(5)])
    for line in running.stderr:
        if json.loads(line)["event"] == "batch_done":
            break
    seen = world.sofetch("top", address, "127.0.0.1:1", "--json", "--interval", "0.2")
    assert seen.returncode == 0, seen.stderr
    told = json.loads(seen.stdout)
    assert told["loaded"] >= 1
    assert told["silent"] == [{"address": "http://127.0.0.1:1/metrics", "trouble": "Connection refused"}]
    shown = world.sofetch("top", address, "--interval", "0.2")
    assert re.search(r"loaded +\d", shown.stdout), shown.stdout
    live = Terminal(world, "top", address, "--interval", "0.2", with_stdout=True)
    live.wait_for(r"(?s)loaded +5 .*Ctrl-C leaves.*loaded +5 .*Ctrl-C leaves")
    live.end(signal.SIGINT)
    assert live.process.returncode == 0, live.written[-2_000:]
    assert live.written.count("\x1b[?1049h") == live.written.count("\x1b[?1049l") == 1
    after = live.written.partition("\x1b[?1049l")[2]
    assert re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", after).strip() == ""  # as it was before, and nothing more
    assert live.written.rindex("\x1b[?25h") > live.written.rindex("\x1b[?25l")  # with its cursor
    end(running)
    gone = world.sofetch("top", address, "--once", "--interval", "0.2")
    assert (gone.returncode, gone.stdout) == (3, "")
    assert "no worker answers at" in gone.stderr
