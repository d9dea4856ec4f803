"""The keyring: a handle to master keys that gives derived keys and never shows, copies or pickles material.

Owns the meaning of a status, key derivation (``pii/v1``), and which of two keyrings is for what. It must not do I/O;
where the text comes from, and who unwraps a wrapped key, is ``sofetch.keys``. Error texts name the key by position or
kid, never what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from msgspec import Struct

from sofetch.errors import KeyringError
from sofetch.mask.keyring_text import (
    TEST_KID,
    TEST_MATERIAL,
    KeyEntry,
    Status,
    Wrapped,
    parse_entries,
    problem_of_material,
    problem_of_ring,
    render_entries,
)
from sofetch.mask.primitives import hkdf_sha256, random_key

PROTOCOL: Final = b"pii/v1"
FORM_HINT: Final = (
    'its form is {"keys": [{"kid": "k1", "material": "<base64 of 32 bytes>", "status": "primary"}]}; '
    "`sofetch keys new` makes one"
)

Unwrap = Callable[[str, Wrapped], bytes]
"""Given the kid and the wrapped key, gives the material, or raises KeyringError."""

__all__ = ["Key", "KeyFingerprint", "Keyring", "Keyrings", "Status", "Unwrap", "new_keyring_text", "parse_keyring"]


class KeyFingerprint(Struct, frozen=True):
    """Sixteen bytes that tell one derived key from another and say nothing of either.

    Stored beside the table, so that a wrong key cannot fork the tokens unseen.
    """

    scheme: str
    domain: str
    kid: str
    fingerprint: bytes


class _Handle:
    """What a secret's handle refuses: to show, to be copied, to be pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} redacted>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:  # copy, deepcopy and pickle all come here
        raise TypeError(f"{type(self).__name__} holds key material and is never pickled or copied")


class Key(_Handle):
    """One key of the ring. The material lives in a closure, out of reach of what walks attributes or prints locals."""

    __slots__ = ("_derive", "kid", "status")

    def __init__(self, entry: KeyEntry) -> None:
        self.kid = entry.kid
        self.status = entry.status
        self._derive = _derivation(entry.material) if entry.material is not None else None

    def derive(self, *, scheme: str, domain: str, length: int) -> bytes:
        """``K = HKDF(material, info = "pii/v1" 00 scheme 00 domain, length)``.

        The join domain is part of the key: one domain joins, different domains cannot. Raises KeyringError for a
        destroyed key.
        """
        if self._derive is None:
            raise KeyringError(f"key {self.kid} is destroyed and cannot be used")
        return self._derive(b"\0".join((PROTOCOL, _label(scheme), _label(domain))), length)

    def fingerprint(self, *, scheme: str, domain: str) -> KeyFingerprint:
        """Of the key for this scheme and domain; derived beside it, so that no key serves two purposes."""
        digest = self.derive(scheme="fingerprint\0" + scheme, domain=domain, length=16)
        return KeyFingerprint(scheme, domain, self.kid, digest)


class Keyring(_Handle):
    """Keys in the order of the ring, exactly one of them primary.

    ``primary`` makes what is new. ``active`` keys listed before it are earlier steps of the token chain; those listed
    after it are staged and make nothing yet. ``decrypt_only`` keys only open what they closed. ``destroyed`` keys have
    no material: the entry keeps their kid from being used again.
    """

    __slots__ = ("_keys",)

    def __init__(self, entries: Sequence[KeyEntry]) -> None:
        self._keys = tuple(Key(entry) for entry in entries)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All of them, in the order of the ring."""
        return self._keys

    @property
    def primary(self) -> Key:
        """The key that makes what is new."""
        return next(key for key in self._keys if key.status == "primary")

    @property
    def oldest(self) -> Key:
        """The first key that is not destroyed: what must not change with a rotation is made with it."""
        return next(key for key in self._keys if key.status != "destroyed")

    @property
    def token_chain(self) -> tuple[Key, ...]:
        """The keys a token passes through, first to last: the active ones listed before the primary, then it."""
        before = self._keys[: self._keys.index(self.primary)]
        return (*(key for key in before if key.status == "active"), self.primary)

    def get(self, kid: str) -> Key:
        """The key named ``kid``. Raises KeyringError if the ring has none of that name."""
        return next((key for key in self._keys if key.kid == kid), None) or _no_such_key()


class Keyrings(_Handle):
    """The ring for what can be reversed (see ``schemes.ring_of_mask``; the quarantine) and the ring for the rest.

    They may be one and the same. Where they are two, who only makes or looks up tokens need not hold the key to
    anything that opens. No kid is in both, so that a kid alone says which ring to ask.
    """

    __slots__ = ("reversible", "tokens")

    def __init__(self, tokens: Keyring, reversible: Keyring | None = None) -> None:
        self.tokens = tokens
        self.reversible = reversible or tokens
        if reversible is not None and reversible is not tokens:
            _refuse_shared_keys(tokens, reversible)

    @property
    def separate(self) -> bool:
        """Whether there are two."""
        return self.tokens is not self.reversible

    def holding(self, kid: str) -> Keyring:
        """The ring that has a key of that name. Raises KeyringError if neither has."""
        rings = (self.reversible, self.tokens)
        return next((ring for ring in rings if kid in [key.kid for key in ring.keys]), None) or _no_such_key()


def parse_keyring(text: str, *, where: str = "the keyring", unwrap: Unwrap | None = None) -> Keyring:
    """The keyring that ``text`` describes; ``where`` names it in errors, ``unwrap`` opens wrapped keys.

    Raises KeyringError that says which entry is wrong and how. No frame of its traceback holds material.
    """
    parsed = parse_entries(text)
    del text
    if isinstance(parsed, str):
        raise KeyringError(f"{where} {parsed}", hint=FORM_HINT)
    return Keyring(unwrapped(parsed, where=where, unwrap=unwrap))


def unwrapped(entries: Sequence[KeyEntry], *, where: str, unwrap: Unwrap | None) -> list[KeyEntry]:
    """The same entries, none of them wrapped. Raises KeyringError, as for a ring that was never wrapped."""
    opened = [_unwrapped(entry, where=where, unwrap=unwrap) for entry in entries]
    if (problem := problem_of_ring(opened)) is not None:
        raise KeyringError(f"{where} {problem}", hint=FORM_HINT)
    return opened


def new_keyring_text(kid: str = "k1") -> str:
    """The JSON of a keyring with one new primary key. Keep it as you would a password."""
    text = render_entries([KeyEntry(kid, "primary", random_key())])
    parse_keyring(text)  # a kid that is not one is refused here, not at the next start
    return text


def keyring_of_tests() -> Keyring:
    """The ring that `sofetch test` masks with, the same everywhere and no secret: its tokens name the kid ``test``.

    Nothing else gets it: a keyring whose text holds this key is refused.
    """
    return Keyring([KeyEntry(TEST_KID, "primary", TEST_MATERIAL)])


def _unwrapped(entry: KeyEntry, *, where: str, unwrap: Unwrap | None) -> KeyEntry:
    if entry.wrapped is None:
        return entry
    if unwrap is None:
        raise KeyringError(
            f"{where} has a key that AWS KMS wrapped: {entry.kid}", hint="load it by way of `sofetch.keys`"
        )
    opened = KeyEntry(entry.kid, entry.status, unwrap(entry.kid, entry.wrapped))
    if (problem := problem_of_material(opened.material or b"")) is not None:
        raise KeyringError(f"{where} has an unusable key {entry.kid}: {problem}", hint="was it wrapped by sofetch?")
    return opened


def _refuse_shared_keys(tokens: Keyring, reversible: Keyring) -> None:
    shared = sorted({key.kid for key in tokens.keys} & {key.kid for key in reversible.keys})
    if shared:
        raise KeyringError(
            f"kid {', '.join(shared)} is in both keyrings: a kid alone must say which key is meant",
            hint="give the reversible keyring kids of its own, as in `sofetch keys new --kid r1 -o FILE`",
        )
    if not _identities(tokens).isdisjoint(_identities(reversible)):
        raise KeyringError(
            "one key is in both keyrings, so that who holds the one holds the other",
            hint="make the reversible keyring anew with `sofetch keys new`, if nothing was masked with it yet",
        )


def _identities(ring: Keyring) -> set[bytes]:
    usable = (key for key in ring.keys if key.status != "destroyed")
    return {key.fingerprint(scheme="keyring", domain="identity").fingerprint for key in usable}


def _no_such_key() -> NoReturn:
    raise KeyringError("the keyring has no key of the wanted kid", hint="use the keyring the data was made with")


def _derivation(material: bytes) -> Callable[[bytes, int], bytes]:
    def derive(info: bytes, length: int) -> bytes:
        return hkdf_sha256(material, info=info, length=length)

    return derive


def _label(text: str) -> bytes:
    return text.encode()
