"""``sofetch keys``: making a keyring and looking at it. Owns what is said about it; changes are ``key_changes``'s.

A key is shown by ``list --reveal`` alone, and only to a terminal: never into a file, a pipe or a log.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, Frame, command, group
from sofetch.cli.key_changes import destroy, retire, rotate, wrap
from sofetch.cli.key_place import Chosen, choose, place_options
from sofetch.cli.recovery_key import archive_new, recovery_new
from sofetch.cli.text import table

if TYPE_CHECKING:
    from sofetch.mask.keyring import KeyFingerprint, Keyring
    from sofetch.mask.keyring_text import KeyEntry

_DEFAULT_FILE = "keyring.json"


@group("keys", example="sofetch keys new -o keyring.json", config=False)
def keys() -> None:
    """Make and look after the keys that the tokens are made with."""


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


@command("list", example="sofetch keys list\nsofetch keys list -f keyring.json", environment=(KEY_ENV,))
@place_options
@click.option("--reveal", is_flag=True, help="Show the keys themselves. Only a terminal is shown them.")
def list_(frame: Frame, *, path: Path | None, reversible: bool, reveal: bool) -> None:
    """List the keys of a keyring: name, status, and where it comes from.

    primary makes what is new. active keys before it are earlier steps of the tokens' chain. decrypt_only keys open what
    they closed. destroyed keys are gone, and their names are not used again.
    """
    if reveal and (frame.json or not sys.stdout.isatty()):
        raise click.UsageError("--reveal shows keys to a terminal only: not with --json, not into a file or a pipe")
    chosen = choose(frame, path=path, reversible=reversible)
    entries = chosen.entries()
    if frame.json:
        frame.data({"source": str(chosen.place), "keys": [_as_json(entry) for entry in entries]})
        return
    frame.say(str(chosen.place))
    for line in table(["kid", "status", "kept"], [[entry.kid, entry.status, _kept(entry)] for entry in entries]):
        frame.say(line)
    if reveal:
        frame.warn("whoever sees what follows can make and, where it is reversible, open the tokens")
        _reveal(frame, chosen)


def _reveal(frame: Frame, chosen: Chosen) -> None:
    import base64
    import os

    from sofetch.keys.loading import unwrap_with
    from sofetch.mask.keyring import unwrapped

    where, unwrap = str(chosen.place), unwrap_with(chosen.keys)
    for entry in unwrapped(chosen.entries(), where=where, unwrap=unwrap):
        if entry.material is not None and os.isatty(sys.stdout.fileno()):
            frame.say(f"{entry.kid} {base64.b64encode(entry.material).decode()}")


def _as_json(entry: KeyEntry) -> dict[str, str]:
    wrapped = {"kms_key": entry.wrapped.kms_key} if entry.wrapped else {}
    return {"kid": entry.kid, "status": entry.status} | wrapped


def _kept(entry: KeyEntry) -> str:
    if entry.wrapped is not None:
        return f"wrapped by KMS key {entry.wrapped.kms_key}"
    return "as material" if entry.material is not None else "no longer"


@command(
    "show-fingerprint",
    example="sofetch keys show-fingerprint\nsofetch keys show-fingerprint -f keyring.json",
    environment=(KEY_ENV,),
)
@place_options
def show_fingerprint(frame: Frame, *, path: Path | None, reversible: bool) -> None:
    """Show fingerprints: the same on two machines if their keys are, and nothing of the key is in them.

    One for each key, and, where there is a configuration, one for each scheme and join domain, as the database has them
    stored.
    """
    chosen = choose(frame, path=path, reversible=reversible)
    prints = _fingerprints(chosen)
    if frame.json:
        listed = [_print_as_json(one) for one in prints]
        frame.data({"source": str(chosen.place), "fingerprints": listed})
        return
    frame.say(str(chosen.place))
    rows = [[one.kid, one.scheme, one.domain, one.fingerprint[:8].hex()] for one in prints]
    for line in table(["kid", "scheme", "domain", "fingerprint"], rows):
        frame.say(line)


def _fingerprints(chosen: Chosen) -> list[KeyFingerprint]:
    from sofetch.mask import compile_masker

    ring = chosen.keyring()
    usable = [key for key in ring.keys if key.status != "destroyed"]
    prints = [key.fingerprint(scheme="keyring", domain="primary") for key in usable]
    if chosen.settings is None:
        return prints
    kids_of_schemes = compile_masker(chosen.settings, ring, loads=False).fingerprints()
    return prints + [one for one in kids_of_schemes if _serves(chosen, one.scheme)]


def _serves(chosen: Chosen, scheme: str) -> bool:
    """Whether the chosen ring is the one that makes this scheme's keys."""
    role = "tokens" if scheme in {"h1", "ledger"} else "reversible"
    return role in chosen.serves


def _print_as_json(one: KeyFingerprint) -> dict[str, str]:
    return {"kid": one.kid, "scheme": one.scheme, "domain": one.domain, "fingerprint": one.fingerprint.hex()}


def keyring_fingerprint(keyring: Keyring) -> str:
    """Of the primary key: the same on two machines if their keys are. Says nothing of the key."""
    return keyring.primary.fingerprint(scheme="keyring", domain="primary").fingerprint[:8].hex()


for _command in (new, recovery_new, archive_new, list_, show_fingerprint, rotate, retire, destroy, wrap):
    keys.add_command(_command)
