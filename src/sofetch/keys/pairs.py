"""The two files of a key pair: the public half for machines that load, the private half for those who may open.

Owns how they are made and guarded, whatever the pair is for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sofetch.errors import KeyringError, told_path
from sofetch.keys.files import create_keyring_file

MAX_PUBLIC_BYTES: Final = 65_536


def read_public_file(path: str, *, called: str, hint: str) -> bytes:
    """What the file of a public half holds. Raises KeyringError; ``called`` says what it is to people."""
    place = Path(path).expanduser()
    try:
        with place.open("rb") as stream:
            _refuse_writable(os.fstat(stream.fileno()), place, called)
            return stream.read(MAX_PUBLIC_BYTES)
    except OSError as error:
        raise KeyringError(f"{called} {told_path(place)} cannot be read ({error.strerror})", hint=hint) from None


def write_pair(private: Path, public: Path, *, pems: tuple[bytes, bytes], lost: str) -> None:
    """Two new files, the private one of mode 0600. Neither file may be there. Raises KeyringError.

    ``pems`` are the private and the public half; ``lost`` says what is lost with the private one.
    """
    for place in (private, public):
        if os.path.lexists(place):
            raise KeyringError(f"{place} exists already and is left as it is", hint=f"{lost}: choose another file")
    create_keyring_file(private, pems[0].decode())
    try:
        create_keyring_file(public, pems[1].decode())
        public.chmod(0o644)
    except (KeyringError, OSError):
        private.unlink(missing_ok=True)
        raise


def _refuse_writable(status: os.stat_result, place: Path, called: str) -> None:
    """Anybody may read it. Whoever could write it could have all values sealed for a key of theirs."""
    if status.st_mode & 0o022:
        raise KeyringError(f"{called} {place} can be written by others", hint=f"chmod 644 {place}")
