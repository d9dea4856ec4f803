"""Sealing archive files for a key whose private half the writer does not hold.

Owns the archive key's two halves, the data key of a file, and what a frame is bound to. What is in a frame is
``archive.frames``'s. The bytes are described in docs/archive.md.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, NoReturn

from sofetch.errors import KeyringError
from sofetch.mask.primitives import hpke_opener, hpke_sealer, new_exchange_keys, open_bytes, random_key, seal_bytes

PROTOCOL: Final = b"sofetch-archive/v1"
KEY_ID_BYTES: Final = 8
WRAPPED_BYTES: Final = 80
"""Ephemeral public key (32) ‖ the sealed data key (32) ‖ tag (16)."""


class _Handle:
    """One half of an archive key: neither shown nor copied nor pickled. ``id`` tells keys apart and is public."""

    __slots__ = ("id",)

    def __init__(self, public: bytes) -> None:
        self.id: Final = sha256(PROTOCOL + b"\0key" + public).digest()[:KEY_ID_BYTES]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is never pickled or copied")


class ArchivePublicKey(_Handle):
    """What the worker has."""

    __slots__ = ("_wrap",)

    def __init__(self, public: bytes, wrap: Callable[[bytes], bytes]) -> None:
        super().__init__(public)
        self._wrap = wrap

    def new_data_key(self) -> tuple[bytes, bytes]:
        """A fresh data key for one file, and the same wrapped."""
        data_key = random_key()
        return data_key, self._wrap(data_key)


class ArchiveKey(_Handle):
    """What only those who may replay have."""

    __slots__ = ("_unwrap",)

    def __init__(self, public: bytes, unwrap: Callable[[bytes], bytes | None]) -> None:
        super().__init__(public)
        self._unwrap = unwrap

    def unwrap(self, wrapped: bytes) -> bytes | None:
        """The data key of a file; None if it was wrapped to another key, or altered."""
        return self._unwrap(wrapped)


class FrameSeal:
    """Seals and opens the frames of one file, each bound to the file, its place in it, its kind and its clear part."""

    __slots__ = ("_context", "_data_key")

    def __init__(self, data_key: bytes, *, header: bytes) -> None:
        self._data_key = data_key
        self._context = PROTOCOL + b"\0frame" + sha256(header).digest()

    def seal(self, plaintext: bytes, *, number: int, kind: bytes, clear: bytes) -> bytes:
        """The sealed part of the frame of this number."""
        associated = self._associated(number, kind, clear)
        return seal_bytes(self._data_key, plaintext=plaintext, associated=associated)

    def open(self, sealed: bytes, *, number: int, kind: bytes, clear: bytes) -> bytes | None:
        """Its plaintext; None if it was altered or does not belong there."""
        return open_bytes(self._data_key, sealed=sealed, associated=self._associated(number, kind, clear))

    def _associated(self, number: int, kind: bytes, clear: bytes) -> bytes:
        return self._context + number.to_bytes(8, "big") + kind + clear


def new_archive_keypair() -> tuple[bytes, bytes]:
    """A new archive key: its private half and its public half, as PEM."""
    return new_exchange_keys()


def parse_archive_public_key(text: bytes, *, where: str = "the archive public key") -> ArchivePublicKey:
    """The public half, from PEM. Raises KeyringError; ``where`` names it."""
    if b"PRIVATE" in text:
        raise KeyringError(f"{where} holds the private half", hint="a worker gets the public file only: take it away")
    found = hpke_sealer(text, info=_FILE)
    if found is None:
        raise KeyringError(f"{where} is not an X25519 public key in PEM", hint=_MAKE)
    return ArchivePublicKey(*found)


def parse_archive_key(text: bytes, *, where: str = "the archive key") -> ArchiveKey:
    """The private half, from PEM. Raises KeyringError; ``where`` names it."""
    found = hpke_opener(text, info=_FILE)
    del text
    if found is None:
        raise KeyringError(f"{where} is not an X25519 private key in PEM, without a passphrase", hint=_MAKE)
    return ArchiveKey(*found)


_MAKE: Final = "`sofetch keys archive-new` makes a pair"
_FILE: Final = PROTOCOL + b"\0file"
