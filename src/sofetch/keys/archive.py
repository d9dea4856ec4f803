"""The archive key's two files: the public half for the workers, the private half for those who may replay.

Owns where they are. The private half belongs on no machine that loads all the time.
"""

from __future__ import annotations

import os
from pathlib import Path

from sofetch.archive.sealing import (
    ArchiveKey,
    ArchivePublicKey,
    new_archive_keypair,
    parse_archive_key,
    parse_archive_public_key,
)
from sofetch.errors import KeyringError
from sofetch.keys.files import read_keyring_file
from sofetch.keys.pairs import read_public_file, write_pair
from sofetch.settings import ArchiveSettings


def load_archive_public_key(archive: ArchiveSettings) -> ArchivePublicKey:
    """The public half that [archive] names. Raises KeyringError, also where it names none."""
    hint = "`sofetch keys archive-new` makes a pair; a worker gets the public file, as [archive] public_key"
    if archive.public_key is None:
        raise KeyringError("there is no key to seal the archive for", hint=hint)
    called = "archive public key"
    content = read_public_file(archive.public_key, called=called, hint=hint)
    return parse_archive_public_key(content, where=f"{called} {Path(archive.public_key).expanduser()}")


def load_archive_key(path: str | os.PathLike[str]) -> ArchiveKey:
    """The private half in a file of mode 0600 or stricter that this user or root owns. Raises KeyringError."""
    place = Path(path).expanduser()
    hint = "name the file of the archive key's private half; who keeps it can say where it is"
    return parse_archive_key(
        read_keyring_file(place, called="archive key", hint=hint).encode(), where=f"archive key {place}"
    )


def write_archive_keypair(private: Path, public: Path) -> ArchivePublicKey:
    """Make a pair: two new files, the private one of mode 0600. Neither file may be there. Raises KeyringError."""
    pems = new_archive_keypair()
    write_pair(private, public, pems=pems, lost="an archive sealed for a lost key is lost")
    return parse_archive_public_key(pems[1])
