"""The keyring's JSON form: reading it, and saying exactly what is wrong with it.

Owns the form alone. Problems are returned, not raised, so that no traceback keeps a frame that holds material; they
name an entry by its position and a known field, never by its content.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Final, Literal, cast, get_args

from msgspec import Struct

from sofetch.mask.primitives import KEY_BYTES

Status = Literal["primary", "active", "decrypt_only", "destroyed"]

STATUSES: Final = get_args(Status)
_KID: Final = re.compile(r"[a-z0-9]{1,8}")
_FIELDS: Final = {"kid", "material", "status"}
Problem = str
"""Completes the sentence "the keyring …"."""


class KeyEntry(Struct, frozen=True):
    """One entry, checked. ``material`` is 32 bytes, or None for a destroyed key."""

    kid: str
    status: Status
    material: bytes | None

    def __repr__(self) -> str:
        return "<KeyEntry redacted>"


def parse_entries(text: str) -> list[KeyEntry] | Problem:
    """The entries in order, or what is wrong with the first thing that is wrong."""
    if not text.strip():
        return "is empty"
    try:
        ring = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        return f"is not JSON (line {error.lineno}, column {error.colno})"
    except _RepeatedKeyError:
        return "has an object that names one key twice"
    except (RecursionError, ValueError):
        return "is not JSON of a sensible form"
    if not isinstance(ring, dict) or set(ring) != {"keys"} or not isinstance(ring["keys"], list):
        return 'is not an object with the one key "keys" and a list in it'
    return _entries(ring["keys"])


def _entries(raw_entries: list[object]) -> list[KeyEntry] | Problem:
    entries: list[KeyEntry] = []
    for position, raw in enumerate(raw_entries, start=1):
        entry = _entry(raw)
        if isinstance(entry, Problem):
            return f"has an unusable key at position {position}: {entry}"
        entries.append(entry)
    return _problem_of_ring(entries) or entries


def _problem_of_ring(entries: list[KeyEntry]) -> Problem | None:
    kids = [entry.kid for entry in entries]
    materials = [entry.material for entry in entries if entry.material is not None]
    primaries = sum(entry.status == "primary" for entry in entries)
    if not entries:
        return "holds no key"
    if len(set(kids)) < len(kids):
        return "gives one kid to two keys"
    if len(set(materials)) < len(materials):
        return "gives one material to two keys"
    if primaries != 1:
        return f"needs exactly one primary key and has {primaries}"
    return None


def _entry(raw: object) -> KeyEntry | Problem:
    if not isinstance(raw, dict):
        return "it is not an object"
    if not set(raw) <= _FIELDS:
        return "it has a field that is none of kid, material, status"
    kid, status = raw.get("kid"), raw.get("status")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        return "its kid is not 1 to 8 of a-z and 0-9"
    if status not in STATUSES:
        return f"its status is none of {', '.join(STATUSES)}"
    material = _material(raw.get("material"), destroyed=status == "destroyed")
    return material if isinstance(material, Problem) else KeyEntry(kid, cast("Status", status), material)


def _material(raw: object, *, destroyed: bool) -> bytes | Problem | None:
    if destroyed:
        return None if raw is None else "it is destroyed and must have no material"
    if not isinstance(raw, str):
        return f"its material is missing; wanted is the base64 of {KEY_BYTES} bytes"
    try:
        material = base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError):
        return "its material is not base64 (the standard alphabet, with padding)"
    if len(material) != KEY_BYTES:
        return f"its material is {len(material)} bytes long, not {KEY_BYTES}"
    if len(set(material)) == 1:
        return "its material is one byte repeated, a placeholder and no key"
    return material


class _RepeatedKeyError(Exception):
    """A JSON object names a key twice: which one counts would be a guess."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedKeyError
    return made
