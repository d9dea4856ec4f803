"""The recovery key's two files: the public half for the loader, the private half for those who may recover.

Owns where they are. The private half belongs on no machine that loads.
"""

from __future__ import annotations

import os
from pathlib import Path

from sofetch.keys.files import read_keyring_file
from sofetch.keys.pairs import read_public_file, write_pair
from sofetch.mask.vaulting import (
    RecoveryKey,
    RecoveryPublicKey,
    new_recovery_keypair,
    parse_recovery_key,
    parse_recovery_public_key,
)
from sofetch.settings import VaultSettings


def load_recovery_public_key(vault: VaultSettings) -> RecoveryPublicKey | None:
    """The public half that [vault] names; None if it names none. Raises KeyringError."""
    if vault.recovery_public_key is None:
        return None
    called, hint = "recovery public key", "`sofetch keys recovery-new` makes a pair; the loader gets the public file"
    content = read_public_file(vault.recovery_public_key, called=called, hint=hint)
    return parse_recovery_public_key(content, where=f"{called} {Path(vault.recovery_public_key).expanduser()}")


def load_recovery_key(path: str | os.PathLike[str]) -> RecoveryKey:
    """The private half in a file of mode 0600 or stricter that this user or root owns. Raises KeyringError."""
    place = Path(path).expanduser()
    hint = "name the file of the recovery key's private half; who keeps it can say where it is"
    return parse_recovery_key(
        read_keyring_file(place, called="recovery key", hint=hint).encode(), where=f"recovery key {place}"
    )


def write_recovery_keypair(private: Path, public: Path) -> RecoveryPublicKey:
    """Make a pair: two new files, the private one of mode 0600. Neither file may be there. Raises KeyringError."""
    pems = new_recovery_keypair()
    write_pair(private, public, pems=pems, lost="values sealed for a lost recovery key are lost")
    return parse_recovery_public_key(pems[1])
