"""Changes of a keyring: a new primary, a key retired, a key destroyed. Each takes entries and gives new ones.

Owns which change is sound. It must not know where the ring is kept nor what is stored in tables; a wrapped key stays
wrapped, since no change here needs the material of a key that is there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from sofetch.errors import ConfigError, KeyringError
from sofetch.mask.keyring_text import KeyEntry, Wrapped, parse_entries
from sofetch.mask.primitives import random_key

Entries = Sequence[KeyEntry]

_NUMBERED: Final = re.compile(r"([a-z0-9]*?)([0-9]+)")
_KID_CHARS: Final = 8


def entries_of(text: str, *, where: str) -> list[KeyEntry]:
    """The entries of a ring's text, wrapped ones as they stand. Raises KeyringError."""
    parsed = parse_entries(text)
    del text
    if isinstance(parsed, str):
        raise KeyringError(f"{where} {parsed}", hint="it must be a sound keyring before it can be changed")
    return parsed


def new_entry(kid: str) -> KeyEntry:
    """A primary key of 32 random bytes."""
    return KeyEntry(kid, "primary", random_key())


def rotated(entries: Entries, new: KeyEntry) -> list[KeyEntry]:
    """The ring with ``new`` as its primary, right after the old one, which becomes active.

    So the old key is the step of the token chain before the new one. Raises ConfigError if the kid was ever used.
    """
    if new.kid in [entry.kid for entry in entries]:
        raise ConfigError(f"the keyring has a key {new.kid} already", hint="a kid is never used again: choose another")
    changed: list[KeyEntry] = []
    for entry in entries:
        changed += [replace(entry, status="active"), new] if entry.status == "primary" else [entry]
    return changed


def retired(entries: Entries, kid: str) -> list[KeyEntry]:
    """The ring with an active key made decrypt_only. Raises ConfigError for a key of another status."""
    entry = _named(entries, kid)
    if entry.status != "active":
        hints = {"primary": "`sofetch keys rotate` makes another key the primary first"}
        hint = hints.get(entry.status, "only an active key can be retired")
        raise ConfigError(f"key {kid} is {entry.status}, not active", hint=hint)
    return _with(entries, replace(entry, status="decrypt_only"))


def destroyed(entries: Entries, kid: str) -> list[KeyEntry]:
    """The ring with the key's material removed; its entry stays, so that the kid is never used again.

    Raises ConfigError for the primary, and for a key that is destroyed already.
    """
    entry = _named(entries, kid)
    if entry.status == "primary":
        raise ConfigError(f"key {kid} is the primary key", hint="`sofetch keys rotate` makes another the primary first")
    if entry.status == "destroyed":
        raise ConfigError(f"key {kid} is destroyed already", hint="there is nothing left to remove")
    return _with(entries, KeyEntry(kid, "destroyed"))


def wrapped_as(entry: KeyEntry, wrapped: Wrapped) -> KeyEntry:
    """The same key, wrapped: no token changes."""
    return KeyEntry(entry.kid, entry.status, None, wrapped)


def is_chain_step(entries: Entries, kid: str) -> bool:
    """Whether new tokens pass through this key: it is active and stands before the primary."""
    kids = [entry.kid for entry in entries]
    primary = next(position for position, entry in enumerate(entries) if entry.status == "primary")
    return _named(entries, kid).status == "active" and kids.index(kid) < primary


def is_oldest(entries: Entries, kid: str) -> bool:
    """Whether this is the key that the ledger's keys of content are made with."""
    return next(entry.kid for entry in entries if entry.status != "destroyed") == kid


def next_kid(entries: Entries) -> str:
    """A kid that the ring never had: the primary's with its number raised."""
    taken = {entry.kid for entry in entries}
    primary = next(entry.kid for entry in entries if entry.status == "primary")
    matched = _NUMBERED.fullmatch(primary)
    stem, number = (matched[1], int(matched[2])) if matched else (primary, 1)
    while (kid := stem[: _KID_CHARS - len(str(number))] + str(number)) in taken:
        number += 1
    return kid


def _named(entries: Entries, kid: str) -> KeyEntry:
    found = next((entry for entry in entries if entry.kid == kid), None)
    if found is None:
        raise ConfigError("the keyring has no key of that name", hint=f"it has {', '.join(e.kid for e in entries)}")
    return found


def _with(entries: Entries, changed: KeyEntry) -> list[KeyEntry]:
    return [changed if entry.kid == changed.kid else entry for entry in entries]
