"""The values behind tokens, sealed for the vault so that whoever seals them cannot open them again.

Owns the bytes of what the vault holds, and opening it. Whom a value is about is ``mask.subjects``; what of a batch goes
into the vault is ``mask.vaulter``. The loader has the recovery key's public half only. For every batch it makes a batch
key, for every subject in it a data key, and forgets both. Deleting a subject's wrapped keys makes its values
unreadable, for the holder of the recovery key too.

======= =============================================================================================================
wrapped 01 ‖ recovery key id (8) ‖ the batch key under HPKE (80) ‖ the data key under the batch key (60): 149 bytes
HPKE    RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, info ``sofetch-vault/v1 00 batch``,
        no associated data: ephemeral public key (32) ‖ ciphertext (32) ‖ tag (16)
data    AES-256-GCM: nonce (12) ‖ ciphertext (32) ‖ tag (16), associated data ``sofetch-vault/v1 00 data`` and the
key     key id (16 bytes) and the subject, each after its length in four bytes
sealed  AES-256-GCM under the data key: nonce (12) ‖ ciphertext ‖ tag (16), associated data ``sofetch-vault/v1 00
        value`` and key id, subject, domain, origin, each after its length; the plaintext is the value's UTF-8 ‖ 80 ‖
        00… to a multiple of 32, so that its length tells little
key id  of the recovery key: the first 8 bytes of SHA-256 of ``sofetch-vault/v1 00 recovery`` ‖ the public key (32)
======= =============================================================================================================

Lengths are big-endian. One HPKE operation a batch and not one a subject: it takes about a hundred times what the rest
does, and gives nothing more, since the batch key alone opens no value whose wrapped data key is gone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NoReturn

from sofetch.errors import KeyringError
from sofetch.mask.primitives import (
    hpke_opener,
    hpke_sealer,
    new_exchange_keys,
    open_bytes,
    random_bytes,
    random_key,
    seal_bytes,
)
from sofetch.record import StoredValue, VaultEntry, VaultKey

PROTOCOL: Final = b"sofetch-vault/v1"
KEY_ID_BYTES: Final = 16
RECOVERY_ID_BYTES: Final = 8


class _Handle:
    """One half of a recovery key pair: neither shown nor copied nor pickled."""

    __slots__ = ("id",)

    def __init__(self, public: bytes) -> None:
        self.id: Final = sha256(PROTOCOL + b"\0recovery" + public).digest()[:RECOVERY_ID_BYTES]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id.hex()}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is never pickled or copied")


class RecoveryPublicKey(_Handle):
    """What the loader has. ``id`` tells recovery keys apart (8 bytes, public)."""

    __slots__ = ("_wrap",)

    def __init__(self, public: bytes, wrap: Callable[[bytes], bytes]) -> None:
        super().__init__(public)
        self._wrap = wrap

    def new_batch(self) -> BatchSeal:
        """A fresh batch key, wrapped; made once for each batch."""
        batch_key = random_key()
        return BatchSeal(batch_key, header=_VERSION + self.id + self._wrap(batch_key))


class RecoveryKey(_Handle):
    """What only those who may recover have."""

    __slots__ = ("_unwrap",)

    def __init__(self, public: bytes, unwrap: Callable[[bytes], bytes | None]) -> None:
        super().__init__(public)
        self._unwrap = unwrap

    def open_data_key(self, stored: StoredValue) -> bytes | None:
        """The key that a value is sealed under; None if it is not wrapped to this key, or altered."""
        if stored.wrapped[:1] != _VERSION or recovery_key_id(stored) != self.id:
            return None
        batch_key = self._unwrap(stored.wrapped[_HPKE])
        if batch_key is None:
            return None
        associated = _data_key_context(stored.key_id, stored.subject)
        return open_bytes(batch_key, sealed=stored.wrapped[_DATA_KEY], associated=associated)


class BatchSeal:
    """Makes and wraps data keys under one batch key, and hands out sealers. Forgotten with its batch."""

    __slots__ = ("_batch_key", "_header", "_ids", "_made")

    def __init__(self, batch_key: bytes, *, header: bytes) -> None:
        self._batch_key = batch_key
        self._header = header
        # Ids of one batch stand side by side in the index; batches meet with a chance of 2⁻⁹⁶ each.
        self._ids = random_bytes(KEY_ID_BYTES - 4)
        self._made = 0

    def new_key(self, subject: str) -> tuple[VaultKey, SubjectSeal]:
        """A data key for a subject: wrapped for the vault, and as what seals with it."""
        key_id = self._ids + self._made.to_bytes(4, "big")
        self._made += 1
        data_key = random_key()
        associated = _data_key_context(key_id, subject)
        wrapped = self._header + seal_bytes(self._batch_key, plaintext=data_key, associated=associated)
        return VaultKey(key_id, subject, wrapped), SubjectSeal(data_key, key_id=key_id, subject=subject)


class SubjectSeal:
    """Seals the values of one subject in one batch."""

    __slots__ = ("_data_key", "_key_id", "_subject")

    def __init__(self, data_key: bytes, *, key_id: bytes, subject: str) -> None:
        self._data_key = data_key
        self._key_id = key_id
        self._subject = subject

    def seal(self, value: str, *, domain: str, token: str, origin: str) -> VaultEntry:
        """The value for the vault. Raises UnicodeEncodeError, which carries it, for a lone surrogate."""
        context = _value_context(self._key_id, subject=self._subject, domain=domain, origin=origin)
        return VaultEntry(
            subject=self._subject,
            domain=domain,
            token=token,
            origin=origin,
            key_id=self._key_id,
            sealed=seal_bytes(self._data_key, plaintext=_padded(value.encode()), associated=context),
        )


def new_recovery_keypair() -> tuple[bytes, bytes]:
    """A new recovery key: its private half and its public half, as PEM."""
    return new_exchange_keys()


def parse_recovery_public_key(text: bytes, *, where: str = "the recovery public key") -> RecoveryPublicKey:
    """The public half, from PEM. Raises KeyringError; ``where`` names it."""
    if b"PRIVATE" in text:
        raise KeyringError(f"{where} holds the private half", hint="the loader gets the public file only: take it away")
    found = hpke_sealer(text, info=_BATCH)
    if found is None:
        raise KeyringError(f"{where} is not an X25519 public key in PEM", hint=_MAKE)
    return RecoveryPublicKey(*found)


def parse_recovery_key(text: bytes, *, where: str = "the recovery key") -> RecoveryKey:
    """The private half, from PEM. Raises KeyringError; ``where`` names it."""
    found = hpke_opener(text, info=_BATCH)
    del text
    if found is None:
        raise KeyringError(f"{where} is not an X25519 private key in PEM, without a passphrase", hint=_MAKE)
    return RecoveryKey(*found)


def open_value(stored: StoredValue, key: RecoveryKey) -> str | None:
    """The value in the clear, for governed use only; None if it was wrapped to another key, moved or altered.

    It is bound to key id, subject, domain and origin. It is not bound to ``token``, which a rotation renews, and
    whoever has the public half can seal: whether it is the token's value is ``governance.binding``'s to tell.
    """
    data_key = key.open_data_key(stored)
    if data_key is None:
        return None
    context = _value_context(stored.key_id, subject=stored.subject, domain=stored.domain, origin=stored.origin)
    plaintext = open_bytes(data_key, sealed=stored.sealed, associated=context)
    return None if plaintext is None else _text(plaintext)


def recovery_key_id(stored: StoredValue) -> bytes:
    """Which recovery key opens it: its ``id``."""
    return stored.wrapped[_RECOVERY_ID]


_MAKE: Final = "`sofetch keys recovery-new` makes a pair"
_VERSION: Final = b"\x01"
_BATCH: Final = PROTOCOL + b"\0batch"
_RECOVERY_ID: Final = slice(1, 1 + RECOVERY_ID_BYTES)
_HPKE: Final = slice(_RECOVERY_ID.stop, _RECOVERY_ID.stop + 80)
_DATA_KEY: Final = slice(_HPKE.stop, None)
_PAD_BYTES: Final = 32


def _padded(value: bytes) -> bytes:
    return value + b"\x80" + bytes(-(len(value) + 1) % _PAD_BYTES)


def _text(padded: bytes) -> str | None:
    """Whoever can write the vault can seal what is no text."""
    try:
        return padded.rstrip(b"\0")[:-1].decode()
    except UnicodeDecodeError:  # it carries the value
        return None


def _data_key_context(key_id: bytes, subject: str) -> bytes:
    return PROTOCOL + b"\0data" + _joined(key_id, subject.encode())


def _value_context(key_id: bytes, *, subject: str, domain: str, origin: str) -> bytes:
    return PROTOCOL + b"\0value" + _joined(key_id, subject.encode(), domain.encode(), origin.encode())


def _joined(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
