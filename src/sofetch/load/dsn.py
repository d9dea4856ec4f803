"""Where the databases are: connection strings, from the environment, a file, or the configuration.

Owns which of them wins, and that the vault is in another database unless it is said that it may not be. A connection
string can hold a password: no error here shows any of it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from sofetch.errors import ConfigError, told_path
from sofetch.settings import Settings, SinkSettings

VARIABLE = "SOFETCH_SINK_DSN"
CONSOLE_VARIABLE: Final = "SOFETCH_CONSOLE_DSN"
CONSOLE_WRITE_VARIABLE: Final = "SOFETCH_CONSOLE_WRITE_DSN"
VAULT_VARIABLE: Final = "SOFETCH_VAULT_DSN"
FORM = "write it as postgresql://user@host:5432/database or as `host=… dbname=… user=…`"

_URI: Final = re.compile(r"postgres(?:ql)?://(?:[^@/]*@)?(?P<places>(?:\[[^\]]*\]|[^?])*)")
_PORTS: Final = re.compile(r"[0-9,\s]*")
"""One for each host. libpq takes blanks round a number."""


def resolve_dsn(sink: SinkSettings, *, environ: Mapping[str, str]) -> str:
    """The connection string: SOFETCH_SINK_DSN, else [sink] dsn_file, else [sink] dsn. Raises ConfigError."""
    return _required(_Places("sink", VARIABLE, dsn=sink.dsn, dsn_file=sink.dsn_file), environ)


def resolve_vault_dsn(settings: Settings, *, environ: Mapping[str, str]) -> str:
    """The vault's: SOFETCH_VAULT_DSN, else [vault] dsn_file, else [vault] dsn; the sink's with same_database.

    Raises ConfigError, also where it names the sink's database and ``same_database`` does not say that it may.
    """
    vault = settings.vault
    places = _Places("vault", VAULT_VARIABLE, dsn=vault.dsn, dsn_file=vault.dsn_file)
    if vault.same_database:
        return _found(places, environ) or resolve_dsn(settings.sink, environ=environ)
    dsn = _required(places, environ)
    beside = _found(_Places("sink", VARIABLE, dsn=settings.sink.dsn, dsn_file=settings.sink.dsn_file), environ)
    if beside is not None and _target(dsn) == _target(beside):
        raise ConfigError(
            "the vault is in the sink's own database",
            hint="give it one of its own, with other backups and other people; or say [vault] same_database = true",
        )
    return dsn


def resolve_console_dsns(settings: Settings, *, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """The console's two: one to read with (the sink's where it has none), one to ask with (None: it may not ask)."""
    reads, asks = (
        _checked(environ[name], where=name) if environ.get(name) else None
        for name in (CONSOLE_VARIABLE, CONSOLE_WRITE_VARIABLE)
    )
    return reads or resolve_dsn(settings.sink, environ=environ), asks


def same_database(one: SinkSettings, other: SinkSettings, *, environ: Mapping[str, str]) -> bool:
    """Whether both load into one database, as far as their connection strings tell; False where one cannot be had."""
    if environ.get(VARIABLE) or (one.dsn, one.dsn_file) == (other.dsn, other.dsn_file):
        return True
    try:
        return _target(resolve_dsn(one, environ=environ)) == _target(resolve_dsn(other, environ=environ))
    except ConfigError:
        return False


class _Places(Struct, frozen=True):
    """Where one connection string can be."""

    section: str
    variable: str
    dsn: str | None
    dsn_file: str | None

    def __repr__(self) -> str:
        return f"<_Places of {self.section}>"  # a connection string can hold a password

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("section", self.section)]


def _required(places: _Places, environ: Mapping[str, str]) -> str:
    dsn = _found(places, environ)
    if dsn is None:
        section = places.section
        what = "no database is named" if section == "sink" else f"no database is named for the {section}"
        hint = f"set {places.variable}, or [{section}] dsn (without a password), or [{section}] dsn_file; {FORM}"
        raise ConfigError(what, hint=hint)
    return dsn


def _found(places: _Places, environ: Mapping[str, str]) -> str | None:
    section = f"[{places.section}]"
    if environ.get(places.variable):
        return _checked(environ[places.variable], where=places.variable)
    if places.dsn_file is not None:
        where = f"{section} dsn_file {told_path(places.dsn_file)}"
        return _checked(_read_private(Path(places.dsn_file), where=where), where=where)
    if places.dsn is None:
        return None
    _refuse_password(_parsed(places.dsn, where=f"{section} dsn"), places)
    return _checked(places.dsn, where=f"{section} dsn")


def _checked(text: str, *, where: str) -> str:
    text = text.strip()
    parts = _parsed(text, where=where)
    if not parts:
        raise ConfigError(f"{where} is empty", hint=FORM)
    if _is_torn(text) or not _PORTS.fullmatch(str(parts.get("port") or "")):
        hint = "write / as %2F, @ as %40, : as %3A, ? as %3F, # as %23, % as %25 in a user, a password or a database"
        raise ConfigError(f"{where} does not fall into a user, a password, a host, a port and a database", hint=hint)
    return text


def _is_torn(text: str) -> bool:
    """Whether a URI has an @ behind what libpq takes for user and password. Of a password with an @ or / in it, a part
    then counts as host, port or database, which are looked up and told.
    """
    found = _URI.match(text)
    return found is not None and "@" in found["places"]


def _parsed(text: str, *, where: str) -> dict[str, object]:
    try:
        return dict(conninfo_to_dict(text.strip()))
    except (psycopg.Error, UnicodeDecodeError):  # it quotes what it stumbled over, which may be of the password
        raise ConfigError(f"{where} is not a connection string", hint=FORM) from None


def _refuse_password(conninfo: Mapping[str, object], places: _Places) -> None:
    if conninfo.get("password"):
        raise ConfigError(
            f"[{places.section}] dsn holds a password",
            hint=f"keep secrets out of the configuration: use {places.variable} or [{places.section}] dsn_file",
        )


def _target(dsn: str) -> tuple[object, ...]:
    """Which database it names, as far as the string tells: a host can have two names."""
    given = conninfo_to_dict(dsn)
    host = given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or ""
    port = given.get("port") or os.environ.get("PGPORT") or "5432"
    user = given.get("user") or os.environ.get("PGUSER")
    return host, str(port), given.get("dbname") or os.environ.get("PGDATABASE") or user


def _read_private(path: Path, *, where: str) -> str:
    """The file's text, if only its owner can read it, and the owner is us or root."""
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())  # of the opened file: the path may come to name another meanwhile
            _require_private(path, status, where=where)
            return file.read()
    except OSError as error:
        hint = "name a file that exists and that this user may read"
        raise ConfigError(f"{where} cannot be read ({error.strerror})", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not text", hint=FORM) from None


def _require_private(path: Path, status: os.stat_result, *, where: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{where} is not a file", hint="name a file that holds the connection string")
    if status.st_mode & 0o077:
        raise ConfigError(f"{where} can be read by others", hint=f"chmod 600 {path}")
    if status.st_uid not in {0, os.geteuid()}:
        raise ConfigError(f"{where} belongs to another user", hint="its owner must be you or root")
