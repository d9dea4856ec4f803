"""What governed commands ask of whoever runs them: who, why, on which ticket; and small files read with care.

Owns the options ``--actor``, ``--purpose`` and ``--ticket``. It must not log or keep what it reads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sofetch.clock import SystemClock
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.governance.request import Purpose

F = TypeVar("F", bound=Callable[..., Any])

PURPOSE_ENV = {"SOFETCH_ACTOR": "Who acts, where --actor is not given."}
STDIN = "-"
_MOST_CHARS = 500


def purpose_options(*, required: bool = True) -> Callable[[F], F]:
    """``--actor``, ``--purpose``, ``--ticket``. Not required where another step has said them already."""

    def add(function: F) -> F:
        ticket = click.option("--ticket", required=required, metavar="ID", help="Where it was decided.")
        purpose = click.option("--purpose", required=required, metavar="TEXT", help="What it is for.")
        actor = click.option(
            "--actor", required=required, metavar="NAME", envvar="SOFETCH_ACTOR", help="Who asks, for the audit."
        )
        return actor(purpose(ticket(function)))

    return add


def asked_by(*, actor: str | None, purpose: str | None, ticket: str | None) -> Purpose:
    """The three, each said and fit for the audit. Raises click's usage error."""
    from sofetch.governance.request import Purpose

    given = {"actor": actor, "purpose": purpose, "ticket": ticket}
    fit = {name: _fit(name, text) for name, text in given.items()}
    for name in ("purpose", "ticket"):  # who acts may be named by their address
        _refuse_personal(name, fit[name])
    return Purpose(**fit)


def read_file(path: str, *, most_bytes: int) -> str:
    """A text file, or standard input for ``-``. Raises ConfigError, which names the file and shows nothing of it."""
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(most_bytes + 1)
        else:
            with Path(path).expanduser().open("rb") as file:
                data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or "its name is not one"
        raise ConfigError(f"{path} cannot be read: {why}", hint="name a file, or - for standard input") from None
    if len(data) > most_bytes:
        raise ConfigError(f"{path} is larger than {most_bytes:,} bytes", hint="is it the right file?")
    try:
        return data.decode()
    except UnicodeDecodeError:
        del data
    raise ConfigError(f"{path} is not UTF-8 text", hint="is it the right file?")


def now() -> datetime:
    """The time of this machine."""
    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)


def _refuse_personal(name: str, text: str) -> None:
    """The audit keeps it for good, and who reads the audit may not be who may see the value."""
    from sofetch.detect.forms import holds_personal

    if holds_personal(f"{name}: {text}"):
        raise click.UsageError(
            f"--{name} holds what looks like personal data, and the audit would keep it: name a case instead"
        )


def _fit(name: str, text: str | None) -> str:
    text = (text or "").strip()
    if not text:
        raise click.UsageError(f"--{name} is needed: the audit says who acted, what for, and where it was decided")
    if len(text) > _MOST_CHARS or not text.isprintable():
        raise click.UsageError(f"--{name} is one line of at most {_MOST_CHARS} printable characters")
    return text
