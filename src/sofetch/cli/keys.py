"""``sofetch keys``: making a keyring. Owns what is said about it; the file and its content are ``sofetch.keys``'s."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import Frame, command, group

if TYPE_CHECKING:
    from sofetch.mask.keyring import Keyring

_DEFAULT_FILE = "keyring.json"


@group("keys", example="sofetch keys new -o keyring.json", config=False)
def keys() -> None:
    """Make the keys that the tokens are made with."""


def _checked_kid(_ctx: click.Context, _parameter: click.Parameter, kid: str) -> str:
    if not re.fullmatch(r"[a-z0-9]{1,8}", kid):
        raise click.BadParameter("use 1 to 8 characters of a-z and 0-9")
    return kid


@command("new", example="sofetch keys new -o keyring.json\nexport SOFETCH_KEYRING_FILE=$PWD/keyring.json", config=False)
@click.option(
    "-o",
    "--output",
    "path",
    default=_DEFAULT_FILE,
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to create.",
)
@click.option(
    "--kid",
    default="k1",
    show_default=True,
    metavar="ID",
    callback=_checked_kid,
    help="Name of the key: 1 to 8 of a-z and 0-9.",
)
def new(frame: Frame, *, path: Path, kid: str) -> None:
    """Create a keyring with one new random key.

    The file can be read by you alone (mode 0600), and the key is not shown. Back the file up where the database's
    backups do not go: who holds both can test guesses against the tokens, and who loses it cannot make the same tokens
    again. An existing file is never overwritten.
    """
    from sofetch.keys import load_keyring_file, write_new_keyring

    write_new_keyring(path, kid=kid)
    fingerprint = keyring_fingerprint(load_keyring_file(path))
    resolved = path.resolve()
    if frame.json:
        frame.data({"file": str(resolved), "kid": kid, "fingerprint": fingerprint})
        return
    frame.say(f"created {path} (mode 0600): key {kid}, fingerprint {fingerprint}")
    frame.note(
        f"  → export SOFETCH_KEYRING_FILE={shlex.quote(str(resolved))}\n"
        "  → back it up apart from the database: without it the same value cannot become the same token again"
    )


def keyring_fingerprint(keyring: Keyring) -> str:
    """Of the primary key: the same on two machines if their keys are. Says nothing of the key."""
    return keyring.primary.fingerprint(scheme="keyring", domain="primary").fingerprint[:8].hex()


keys.add_command(new)
