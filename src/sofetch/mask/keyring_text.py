"""The keyring's JSON form: reading it, saying exactly what is wrong with it, and writing it.

Owns the form alone. A key stands there as material, or wrapped: encrypted by a key of AWS KMS, and then only KMS opens
it. Problems are returned, not raised, so that no traceback keeps a frame that holds material; they name an entry by its
position and a known field, never by its content.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, Literal, cast, get_args

from msgspec import Struct

from sofetch.mask.primitives import KEY_BYTES

Status = Literal["primary", "active", "decrypt_only", "destroyed"]

STATUSES: Final = get_args(Status)
_KID: Final = re.compile(r"[a-z0-9]{1,8}")
_FIELDS: Final = ("kid", "material", "status", "wrapped", "kms_key")
_KMS_KEY: Final = re.compile(r"[A-Za-z0-9:/_.-]{1,2048}")
TEST_KID: Final = "test"
TEST_MATERIAL: Final = sha256(b"sofetch: the key of tests, which everybody knows").digest()
"""What `sofetch test` makes tokens with, so that they can be committed. No keyring may hold it."""
MAX_WRAPPED_BYTES: Final = 6_144
"""The longest ciphertext that KMS takes."""
Problem = str
"""Completes the sentence "the keyring …"."""


class Wrapped(Struct, frozen=True):
    """A key encrypted by the KMS key that ``kms_key`` names (id, ARN or alias)."""

    ciphertext: bytes
    kms_key: str


class KeyEntry(Struct, frozen=True):
    """One entry, checked. It has 32 bytes of material, or is wrapped, or, if it is destroyed, has neither."""

    kid: str
    status: Status
    material: bytes | None = None
    wrapped: Wrapped | None = None

    def __repr__(self) -> str:
        return "<KeyEntry redacted>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


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


def render_entries(entries: Sequence[KeyEntry]) -> str:
    """The JSON text of a ring. It holds material, unless all keys are wrapped: keep it as you would a password."""
    return json.dumps({"keys": [_rendered(entry) for entry in entries]}, indent=2) + "\n"


def problem_of_ring(entries: Sequence[KeyEntry]) -> Problem | None:
    """What is wrong with the entries together, though each is right. To be asked again when all are unwrapped."""
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


def problem_of_material(material: bytes) -> Problem | None:
    """Why these bytes are no key, if they are none."""
    if len(material) != KEY_BYTES:
        return f"its material is {len(material)} bytes long, not {KEY_BYTES}"
    if len(set(material)) == 1:
        return "its material is one byte repeated, a placeholder and no key"
    if material == TEST_MATERIAL:
        return "its material is that of the key of `sofetch test`, which everybody knows"
    return None


def _rendered(entry: KeyEntry) -> dict[str, str]:
    made = {"kid": entry.kid}
    if entry.material is not None:
        made["material"] = base64.b64encode(entry.material).decode()
    if entry.wrapped is not None:
        made["wrapped"] = base64.b64encode(entry.wrapped.ciphertext).decode()
        made["kms_key"] = entry.wrapped.kms_key
    return made | {"status": entry.status}


def _entries(raw_entries: list[object]) -> list[KeyEntry] | Problem:
    entries: list[KeyEntry] = []
    for position, raw in enumerate(raw_entries, start=1):
        entry = _entry(raw)
        if isinstance(entry, Problem):
            return f"has an unusable key at position {position}: {entry}"
        entries.append(entry)
    return problem_of_ring(entries) or entries


def _entry(raw: object) -> KeyEntry | Problem:
    if not isinstance(raw, dict):
        return "it is not an object"
    if not set(raw) <= set(_FIELDS):
        return f"it has a field that is none of {', '.join(_FIELDS)}"
    kid, status = raw.get("kid"), raw.get("status")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        return "its kid is not 1 to 8 of a-z and 0-9"
    if status not in STATUSES:
        return f"its status is none of {', '.join(STATUSES)}"
    secret = _secret(raw, destroyed=status == "destroyed")
    if isinstance(secret, Problem):
        return secret
    material, wrapped = (None, secret) if isinstance(secret, Wrapped) else (secret, None)
    return KeyEntry(kid, cast("Status", status), material, wrapped)


def _secret(raw: dict[str, object], *, destroyed: bool) -> bytes | Wrapped | Problem | None:
    """What of the key the entry holds: exactly one of the two forms, or neither in a destroyed one."""
    if destroyed:
        has_any = any(raw.get(field) is not None for field in ("material", "wrapped", "kms_key"))
        return "it is destroyed and must have no material" if has_any else None
    if "wrapped" not in raw and "kms_key" not in raw:
        return _material(raw.get("material"))
    return "it has both material and a wrapped key" if "material" in raw else _wrapped(raw)


def _material(raw: object) -> bytes | Problem:
    if not isinstance(raw, str):
        return f"its material is missing; wanted is the base64 of {KEY_BYTES} bytes"
    material = _from_base64(raw)
    if material is None:
        return "its material is not base64 (the standard alphabet, with padding)"
    return problem_of_material(material) or material


def _wrapped(raw: dict[str, object]) -> Wrapped | Problem:
    text, kms_key = raw.get("wrapped"), raw.get("kms_key")
    ciphertext = _from_base64(text) if isinstance(text, str) else None
    if not ciphertext or len(ciphertext) > MAX_WRAPPED_BYTES:
        return "its wrapped key is not the base64 of what KMS encrypted"
    if not isinstance(kms_key, str) or not _KMS_KEY.fullmatch(kms_key):
        return "its kms_key does not name a KMS key (an id, an ARN or an alias)"
    return Wrapped(ciphertext, kms_key)


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class _RepeatedKeyError(Exception):
    """A JSON object names a key twice: which one counts would be a guess."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedKeyError
    return made
