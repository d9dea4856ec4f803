"""Short commands of the program, each in a process forked from one that has imported everything already.

A new interpreter takes half a second of CPU to import the program, and the tests run some 700 commands. A forked child
is a process of its own, with its own folder, environment, streams and signal handlers. It must not stand in where the
start itself is in question: what is imported, ``--help``, the time or memory a start takes, other streams than pipes,
signals while it starts. Such tests run ``sys.executable``, and so does everything with ``TESTS_FRESH=1``.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from fork_server import MOST_BYTES, Command

FRESH = os.environ.get("TESTS_FRESH") == "1" or not hasattr(os, "pidfd_open")
"""Whether each command gets a new interpreter; without Linux' pidfds it does, too."""

_PROGRAM = Path(__file__).with_name("fork_server.py")
_START_SECONDS = 600
# Read when an interpreter or a library starts. Commands for which these differ have no server in common.
_READ_AT_START = ("PYTHON", "PSYCOPG_", "LC_", "LANG", "TZ", "LD_", "OPENSSL_", "MALLOC_")


def run(
    module: str,
    arguments: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    stdin: str = "",
    timeout_seconds: float = 90,
) -> subprocess.CompletedProcess[str]:
    """``python -m module`` to its end, with what it printed. Raises TimeoutExpired once it is killed and gone."""
    if FRESH:
        return subprocess.run(
            _line(module, arguments),
            cwd=folder,
            env=environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    command = Command(module, list(arguments), str(folder.resolve()), dict(environ))
    return _server_for(environ).run(command, stdin=stdin, timeout_seconds=timeout_seconds)


class Forking:
    """A server, started. It ends with this process, however that ends."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._starting = threading.Lock()
        self._is_ready = False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, _PROGRAM, str(theirs.fileno())],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def run(self, command: Command, *, stdin: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        self._await_ready()
        line = _line(command.module, command.arguments)
        (read_in, feed), (out, write_out), (err, write_err) = _pipe(), _pipe(), _pipe()
        report, theirs = socket.socketpair()
        with out, err, report, ThreadPoolExecutor(3) as pool:
            pool.submit(_feed, feed, stdin)
            with read_in, write_out, write_err, theirs:
                self._send(command, [file.fileno() for file in (read_in, write_out, write_err, theirs)])
            stdout, stderr = pool.submit(out.read), pool.submit(err.read)
            report.settimeout(timeout_seconds)
            try:
                code = _code(report)
            except TimeoutError:
                report.settimeout(None)
                report.shutdown(socket.SHUT_WR)  # the server kills it
                _code(report)
                raise subprocess.TimeoutExpired(line, timeout_seconds, stdout.result(), stderr.result()) from None
            return subprocess.CompletedProcess(line, code, stdout.result(), stderr.result())

    def _await_ready(self) -> None:
        """The server imports everything first. That is not part of a command's time: on a loaded machine it takes more
        than some commands have.
        """
        with self._starting:
            if self._is_ready:
                return
            self._control.settimeout(_START_SECONDS)
            told = self._control.recv(16)
            self._control.settimeout(None)
            if not told:
                raise RuntimeError("the fork server did not start; its standard error says why")
            self._is_ready = True

    def _send(self, command: Command, descriptors: list[int]) -> None:
        told = json.dumps(asdict(command)).encode()
        assert len(told) <= MOST_BYTES
        socket.send_fds(self._control, [told], descriptors)

    def stop(self) -> None:
        """End it and what it runs."""
        self._control.close()
        self._process.wait()


def _server_for(environ: Mapping[str, str]) -> Forking:
    read_at_start = {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}
    with _lock:
        kind = tuple(sorted(read_at_start.items()))
        if kind not in _servers:
            _servers[kind] = Forking(read_at_start)
            atexit.register(_servers[kind].stop)
        return _servers[kind]


_lock = threading.Lock()
_servers: dict[tuple[tuple[str, str], ...], Forking] = {}


def _line(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _pipe() -> tuple[IO[str], IO[str]]:
    reading, writing = os.pipe()
    return os.fdopen(reading), os.fdopen(writing, "w")


def _feed(file: IO[str], text: str) -> None:
    with suppress(BrokenPipeError), file:  # it need not read it all
        file.write(text)


def _code(report: socket.socket) -> int:
    told = report.recv(16)
    if not told:
        raise RuntimeError("the fork server is gone; its standard error says why")
    return int(told)
