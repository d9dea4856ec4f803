"""Child processes of the guard: start one as a given user, see that it dies with the guard, end it, read its log.

Owns nothing but the process handle. Knows neither Postgres nor SQS.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
# The servers need a place to find programs and libraries, and nothing else of the user's environment: no AWS
# credentials, no PG* or MINISTACK_* setting that would change what they do.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT")


def spawn(
    command: Sequence[str],
    *,
    folder: Path,
    log: Path,
    environ: Mapping[str, str],
    user: pwd.struct_passwd | None,
    dies_by: signal.Signals,
) -> subprocess.Popen[bytes]:
    """Start a server in ``folder``, its output in ``log``, as ``user`` (None: as ourselves).

    ``dies_by`` is what the kernel sends it should the guard itself be killed (Linux; elsewhere it then stays).
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(environ),
            start_new_session=True,
            umask=0o077,
            preexec_fn=_tied_to_parent(dies_by),  # noqa: PLW1509  the guard has one thread
            **as_user(user),
        )


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The small environment that a server is given."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | dict(extra)


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments of subprocess that make the child another user, with no group but that user's own."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def end(process: subprocess.Popen[bytes], *signals: signal.Signals, grace_seconds: float) -> None:
    """Send the signals one after the other, each with its grace, until the process is gone; SIGKILL comes last."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            continue


def last_lines(log: Path, *, count: int = 5) -> str:
    """The end of a server's own log, for an error at start-up: nothing has travelled through it by then."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.strip() for line in lines[-count:])


def _tied_to_parent(number: signal.Signals) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    guard = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != guard:  # it died before we asked to be told
            os._exit(1)

    return tie
