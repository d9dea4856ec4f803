"""Where the database is: the connection string, from the environment, a file, or the configuration.

Owns which of them wins. A connection string can hold a password: no error here shows any of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from sofetch.errors import ConfigError
from sofetch.settings import SinkSettings

VARIABLE = "SOFETCH_SINK_DSN"
FORM = "write it as postgresql://user@host:5432/database or as `host=… dbname=… user=…`"


def resolve_dsn(sink: SinkSettings, *, environ: Mapping[str, str]) -> str:
    """The connection string: SOFETCH_SINK_DSN, else [sink] dsn_file, else [sink] dsn. Raises ConfigError."""
    if environ.get(VARIABLE):
        return _checked(environ[VARIABLE], where=VARIABLE)
    if sink.dsn_file is not None:
        return _checked(_read_private(Path(sink.dsn_file)), where=f"[sink] dsn_file {sink.dsn_file}")
    if sink.dsn is not None:
        return _checked(sink.dsn, where="[sink] dsn")
    raise ConfigError(
        "no database is named", hint=f"set {VARIABLE}, or [sink] dsn (without a password), or [sink] dsn_file; {FORM}"
    )


def _checked(text: str, *, where: str) -> str:
    text = text.strip()
    try:
        parsed = conninfo_to_dict(text)
    except psycopg.Error:  # its text quotes the part it stumbled over, which may be the password
        raise ConfigError(f"{where} is not a connection string", hint=FORM) from None
    if not parsed:
        raise ConfigError(f"{where} is empty", hint=FORM)
    if where == "[sink] dsn" and parsed.get("password"):
        raise ConfigError(
            "[sink] dsn holds a password",
            hint=f"keep secrets out of the configuration: use {VARIABLE} or [sink] dsn_file",
        )
    return text


def _read_private(path: Path) -> str:
    """The file's text, if only its owner can read it, and the owner is us or root."""
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())  # of the opened file: the path may come to name another meanwhile
            _require_private(path, status)
            return file.read()
    except OSError as error:
        hint = "name a file that exists and that this user may read"
        raise ConfigError(f"[sink] dsn_file {path} cannot be read ({error.strerror})", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"[sink] dsn_file {path} is not text", hint=FORM) from None


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"[sink] dsn_file {path} is not a file", hint="name a file that holds the connection string")
    if status.st_mode & 0o077:
        raise ConfigError(f"[sink] dsn_file {path} can be read by others", hint=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigError(f"[sink] dsn_file {path} belongs to another user", hint="its owner must be you or root")
