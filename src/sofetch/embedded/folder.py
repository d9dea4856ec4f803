"""The one folder that everything embedded lives in: where it is, who owns it, how it goes away.

Owns the choice of place and of the unprivileged user. Starts no server.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from sofetch.embedded.process import as_user
from sofetch.errors import EmbeddedError

_MARK = ".sofetch-embedded"
_SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 on macOS and the BSDs, the closing NUL included.
_MAX_SOCKET_PATH_BYTES = 103


def unprivileged_user() -> pwd.struct_passwd | None:
    """Whom Postgres runs as: None for ourselves, or, as it refuses root, a user without privileges."""
    if os.geteuid() != 0:
        _insist_on_a_name()
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise EmbeddedError(
        "Postgres does not run as root, and there is neither a user `postgres` nor `nobody` to run it as",
        hint="add one (useradd --system postgres), or run this as an ordinary user",
    )


def throw_away_folder(user: pwd.struct_passwd | None) -> Path:
    """A new folder of mode 0700 that ``user`` can reach and whose path is short enough for a socket."""
    refused: list[str] = []
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108  only their folders are shared
        try:
            folder = Path(tempfile.mkdtemp(prefix="sofetch-", dir=parent)).resolve()
        except OSError as error:
            refused.append(f"{parent}: {error.strerror}")
            continue
        trouble = _trouble(folder, user)
        if not trouble:
            return folder
        remove(folder)
        refused.append(f"{parent}: {trouble}")
    raise EmbeddedError(
        "no place for the embedded servers: " + "; ".join(refused),
        hint="name a folder with a short path and some free space in TMPDIR",
    )


def lasting_folder(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """``folder``, made if it is missing. It must be empty or ours: its mode and owner are about to change."""
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = not (folder / _MARK).exists() and any(folder.iterdir())
    except OSError as error:
        raise EmbeddedError(
            f"the folder {folder} cannot be used: {error.strerror}", hint="name one that can be written to"
        ) from None
    if foreign:
        raise EmbeddedError(f"the folder {folder} holds other things", hint="name an empty folder or a new one")
    (folder / _MARK).touch()
    trouble = _trouble(folder, user)
    if trouble:
        raise EmbeddedError(f"the folder {folder} cannot be used: {trouble}", hint="name another one, as below /tmp")
    return folder


def remove(folder: Path) -> None:
    """Remove the folder and everything in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _insist_on_a_name() -> None:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedError(
            f"this process runs as user id {os.geteuid()}, which has no name, and initdb insists on one",
            hint="run as a user that /etc/passwd knows, or name your own database in SOFETCH_SINK_DSN",
        ) from None


def _trouble(folder: Path, user: pwd.struct_passwd | None) -> str:
    if len(os.fsencode(folder / _SOCKET_NAME)) > _MAX_SOCKET_PATH_BYTES:
        return "its path is too long for a Unix socket"
    if "," in str(folder):
        return "its path holds a comma, which libpq takes for a list of hosts"
    folder.chmod(0o700)
    if user is None:
        return ""
    os.chown(folder, user.pw_uid, user.pw_gid)
    # The kernel's own answer, asked as that user: a folder further up may be closed to it.
    probe = subprocess.run(["/bin/sh", "-c", 'test -w "$0"', folder], cwd="/", check=False, **as_user(user))
    return "" if probe.returncode == 0 else f"user {user.pw_name}, whom Postgres runs as, cannot reach it"
