"""``sofetch keys recovery-new`` and ``sofetch keys archive-new``: key pairs whose halves go different ways.

Owns what is said about them; the files are ``sofetch.keys``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sofetch.cli.frame import Frame, command

F = TypeVar("F", bound=Callable[..., Any])


def _pair_options(private: str, public: str) -> Callable[[F], F]:
    def option(*names: str, default: str, half: str) -> Callable[[F], F]:
        return click.option(
            *names,
            default=default,
            show_default=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help=f"The file to create for the {half} half.",
        )

    def add(function: F) -> F:
        of_public = option("--public", default=public, half="public")
        return option("-o", "--output", "private", default=private, half="private")(of_public(function))

    return add


@command(
    "recovery-new",
    example="sofetch keys recovery-new\nsofetch keys recovery-new -o /media/safe/recovery.pem",
    config=False,
)
@_pair_options("recovery.pem", "recovery.pub.pem")
def recovery_new(frame: Frame, *, private: Path, public: Path) -> None:
    """Create the pair of keys that the vault's values are sealed for and opened with.

    The public half goes to the machines that load, which can then keep values and never read one. The private half
    (mode 0600) belongs on none of them: keep it offline, with a copy elsewhere. Whoever loses it loses every value in
    the vault. An existing file is never overwritten.
    """
    from sofetch.keys.recovery import write_recovery_keypair

    key_id = write_recovery_keypair(private, public).id.hex()
    _say(
        frame,
        private,
        public,
        key=f"recovery key {key_id}",
        key_id=key_id,
        setting="[vault] recovery_public_key",
        without="no value of the vault can be read again",
    )


@command(
    "archive-new",
    example="sofetch keys archive-new\nsofetch keys archive-new -o /media/safe/archive.pem",
    config=False,
)
@_pair_options("archive.pem", "archive.pub.pem")
def archive_new(frame: Frame, *, private: Path, public: Path) -> None:
    """Create the pair of keys that the archive is sealed for and replayed with.

    The public half goes to the workers, which can then archive messages and never read one again. The private half
    (mode 0600) belongs on none of them: keep it offline, with a copy elsewhere, and bring it for a backfill. Whoever
    loses it loses the archive. An existing file is never overwritten.
    """
    from sofetch.keys.archive import write_archive_keypair

    key_id = write_archive_keypair(private, public).id.hex()
    _say(
        frame,
        private,
        public,
        key=f"archive key {key_id}",
        key_id=key_id,
        setting="[archive] public_key",
        without="nothing of the archive can be read again",
    )


def _say(frame: Frame, private: Path, public: Path, *, key: str, key_id: str, setting: str, without: str) -> None:
    if frame.json:
        frame.data({"private": str(private.resolve()), "public": str(public.resolve()), "id": key_id})
        return
    frame.say(f"created {private} (mode 0600, private) and {public} (public): {key}")
    frame.note(
        f'  → {setting} = "{public}" on the machines that load\n'
        f"  → take {private} away from here, and keep a copy: without it {without}"
    )
