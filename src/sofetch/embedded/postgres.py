"""The embedded Postgres: initdb, start, stop, in one folder, reachable through one Unix socket.

Owns the life of the cluster and its settings. It must not speak SQL: whoever uses it brings a client.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen

from sofetch.embedded import process
from sofetch.embedded.binaries import find_binaries, runnable_binaries
from sofetch.errors import EmbeddedError

_ROLE = _DATABASE = "sofetch"
_SPARE_DATABASE = "postgres"  # every cluster has it, and nothing is in it
_START_SECONDS = 60.0
_POLL_SECONDS = 0.01
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "dynamic_shared_memory_type": "mmap",  # its files stay in the folder, not in /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
}
# A throw-away cluster need not survive the machine. It does survive the death of its processes: commits reach the
# kernel as always, so tests of crashes of Postgres itself stay honest.
_THROW_AWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """One cluster below ``folder``: made if it is not there, run as ``user`` (None: as ourselves)."""

    def __init__(
        self,
        folder: Path,
        *,
        user: pwd.struct_passwd | None,
        throw_away: bool,
        version: int | None,
        settings: Mapping[str, str],
    ) -> None:
        installed = find_binaries(version)
        self._psql = installed / "psql"
        self._binaries = runnable_binaries(installed, user=user, folder=folder)
        self._home = folder / "postgres"
        self._data = self._home / "data"
        self._user = user
        self._settings = _SETTINGS | (_THROW_AWAY_SETTINGS if throw_away else {}) | dict(settings)
        self._server: Popen[bytes] | None = None
        self.log = self._home / "log"
        self.dsn = _conninfo(host=str(folder), user=_ROLE, dbname=_DATABASE)
        self.spare_dsn = _conninfo(host=str(folder), user=_ROLE, dbname=_SPARE_DATABASE)
        self._socket_folder = folder

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._make()
        settings = self._settings | {"unix_socket_directories": _as_list_item(self._socket_folder)}
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._server = process.spawn(
            command, folder=self._home, log=self.log, environ=self._environ, user=self._user, dies_by=signal.SIGQUIT
        )
        self._wait(self._server)

    def stop(self, *, immediate: bool = False) -> None:
        """End the server: connections are cut, what is committed is written. ``immediate``: as if power were lost."""
        if self._server is None:
            return
        first = () if immediate else (signal.SIGINT,)
        process.end(self._server, *first, signal.SIGQUIT, grace_seconds=5)
        self._server = None

    def write_psql(self, script: Path) -> str:
        """Write a script that opens psql on the cluster; the line that runs it. Its history stays in the folder."""
        program = self._psql if self._psql.exists() else Path("psql")
        script.write_text(
            "#!/bin/sh\n"
            f"PSQL_HISTORY={shlex.quote(str(script.with_name('psql_history')))} "
            f'exec {shlex.quote(str(program))} {shlex.quote(self.dsn)} "$@"\n'
        )
        script.chmod(0o700)
        return f"sh {shlex.quote(str(script))}"  # through sh: the folder may be on a file system mounted noexec

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @property
    def _environ(self) -> dict[str, str]:
        return {"HOME": str(self._home), "LC_ALL": "C", "TZ": "UTC"}

    def _make(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            os.chown(self._home, self._user.pw_uid, self._user.pw_gid)
        if (self._data / "PG_VERSION").exists():
            return
        self._initdb(
            "--auth=trust",  # whoever can reach the socket, in a folder of mode 0700, is us
            f"--username={_ROLE}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        self._create_database()

    def _initdb(self, *options: str) -> None:
        self._run_once([str(self._binaries / "initdb"), "-D", str(self._data), *options], statement=None)

    def _create_database(self) -> None:
        # Single-user mode: one statement on standard input, and no client is needed.
        options = ["-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap"]
        command = [str(self._binaries / "postgres"), "--single", "-D", str(self._data), *options, "postgres"]
        self._run_once(command, statement=f"CREATE DATABASE {_DATABASE} STRATEGY file_copy")

    def _run_once(self, command: list[str], *, statement: str | None) -> None:
        result = subprocess.run(
            command,
            cwd=self._home,
            env=process.environment(self._environ),
            input=(statement or "").encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=0o077,
            check=False,
            **process.as_user(self._user),
        )
        with self.log.open("ab") as log:
            log.write(result.stdout)
        if result.returncode != 0:
            raise self._failure("the embedded Postgres could not be set up")

    def _wait(self, server: Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise self._failure("the embedded Postgres did not start")
            if self._says_ready(server.pid):
                return
            time.sleep(_POLL_SECONDS)
        raise self._failure(f"the embedded Postgres was not ready within {_START_SECONDS:.0f} s")

    def _says_ready(self, pid: int) -> bool:
        # The eighth line of postmaster.pid is the server's own word on its state; the first is whose word it is. A
        # standby that takes connections says so.
        try:
            lines = self._pid_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() in {"ready", "standby"}

    def _failure(self, what: str) -> EmbeddedError:
        lines = process.last_lines(self.log)
        full = "No space left on device" in lines
        hint = "free some space there, or name another folder in TMPDIR" if full else "see the lines above"
        return EmbeddedError(f"{what} in {self._home}\n{lines}", hint=f"{hint}, or name your own in SOFETCH_SINK_DSN")


def _conninfo(**parameters: str) -> str:
    return " ".join(f"{name}={_quoted(value)}" for name, value in parameters.items())


def _quoted(value: str) -> str:
    if value and not any(character.isspace() or character in "'\\" for character in value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _as_list_item(folder: Path) -> str:
    return '"' + str(folder).replace('"', '""') + '"'
