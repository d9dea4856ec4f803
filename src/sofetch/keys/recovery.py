"""The recovery key's two files: the public half for the loader, the private half for those who may recover.

Owns where they are and how they are guarded. The private half belongs on no machine that loads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sofetch.errors import KeyringError
from sofetch.keys.files import create_keyring_file, read_keyring_file
from sofetch.mask.vaulting import (
    RecoveryKey,
    RecoveryPublicKey,
    new_recovery_keypair,
    parse_recovery_key,
    parse_recovery_public_key,
)
from sofetch.settings import VaultSettings

MAX_PUBLIC_BYTES: Final = 65_536


def load_recovery_public_key(vault: VaultSettings) -> RecoveryPublicKey | None:
    """The public half that [vault] names; None if it names none. Raises KeyringError."""
    if vault.recovery_public_key is None:
        return None
    place = Path(vault.recovery_public_key).expanduser()
    try:
        with place.open("rb") as stream:
            _refuse_writable(os.fstat(stream.fileno()), place)
            content = stream.read(MAX_PUBLIC_BYTES)
    except OSError as error:
        raise KeyringError(
            f"recovery public key {place} cannot be read ({error.strerror})",
            hint="`sofetch keys recovery-new` makes a pair; the loader gets the public file",
        ) from None
    return parse_recovery_public_key(content, where=f"recovery public key {place}")


def _refuse_writable(status: os.stat_result, place: Path) -> None:
    """Anybody may read it. Whoever could write it could have all values sealed for a key of theirs."""
    if status.st_mode & 0o022:
        raise KeyringError(f"recovery public key {place} can be written by others", hint=f"chmod 644 {place}")


def load_recovery_key(path: str | os.PathLike[str]) -> RecoveryKey:
    """The private half in a file of mode 0600 or stricter that this user or root owns. Raises KeyringError."""
    place = Path(path).expanduser()
    hint = "name the file of the recovery key's private half; who keeps it can say where it is"
    return parse_recovery_key(
        read_keyring_file(place, called="recovery key", hint=hint).encode(), where=f"recovery key {place}"
    )


def write_recovery_keypair(private: Path, public: Path) -> RecoveryPublicKey:
    """Make a pair: two new files, the private one of mode 0600. Neither file may be there. Raises KeyringError."""
    for place in (private, public):
        if os.path.lexists(place):
            hint = "values sealed for a lost recovery key are lost: choose another file"
            raise KeyringError(f"{place} exists already and is left as it is", hint=hint)
    private_pem, public_pem = new_recovery_keypair()
    create_keyring_file(private, private_pem.decode())
    try:
        create_keyring_file(public, public_pem.decode())
        public.chmod(0o644)
    except (KeyringError, OSError):
        private.unlink(missing_ok=True)
        raise
    return parse_recovery_public_key(public_pem)
