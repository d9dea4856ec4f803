"""What sample bodies show of each field: which sorts of values, how long, how big, whether they look personal.

Owns looking; judging what to make of it is ``judge``. Values are looked at one by one and never kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from sofetch.detect.bodies import pair_of
from sofetch.detect.fields import is_full_name
from sofetch.detect.personal import Personal, is_personal_key, personal_by_form, personal_by_name
from sofetch.settings import ColumnType, Kind

if TYPE_CHECKING:
    from sofetch.mask.canonical import Canonical

Sort = Literal["bool", "int", "number", "text", "list", "object"]

MAX_DEPTH: Final = 8
"""Objects below this depth are documents, not columns."""

MAX_MEMBERS: Final = 200
"""An object below the body itself with more different keys than this is a map, and its keys are data."""

_TEXT_TYPES: Final[dict[ColumnType, Any]] = {
    "timestamp": Annotated[datetime, Meta(tz=True)],
    "date": date,
    "uuid": UUID,
}
_UUID_CHARS = 36
_NUMBER_AS_TEXT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,6})?", re.ASCII)
_WORDS_FOR_NOTHING = (
    "- -- --- ? ??? n/a n.a. na nan nil none null undefined unknown unspecified anonymous "
    "unbekannt keine entfallt entfällt inconnu inconnue aucun aucune desconocido ninguno sconosciuto onbekend"
)
_MOST_SPELLINGS: Final = 20
_PLACEHOLDERS: Final = frozenset(_WORDS_FOR_NOTHING.split()) | {
    "not available",
    "not set",
    "not provided",
    "k. a.",
    "k.a.",
}
_LOOKED_AT: Final[tuple[Kind, ...]] = ("ip", "email", "code", "date")
"""Kinds that inferred masks have, and a value can fail to be of."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Field:
    """One place in the bodies. ``present`` counts values that are not null, ``counts`` them by sort; ``forms`` what
    texts look like; ``full_names`` texts that would be a person's name if the field's name bore it out;
    ``placeholders`` texts that say that there is no value; ``values`` the scalars that are one, and ``strangers`` those
    of them that are not of a kind; ``key_sets`` which keys came together in one object.
    """

    present: int = 0
    counts: Counter[Sort] = field(default_factory=Counter)
    text_types: set[ColumnType] = field(default_factory=lambda: {*_TEXT_TYPES, "inet", "numeric"})
    forms: Counter[Personal] = field(default_factory=Counter)
    full_names: int = 0
    placeholders: set[str] = field(default_factory=set)
    values: int = 0
    strangers: Counter[Kind] = field(default_factory=Counter)
    scalars: int = 0
    longest_chars: int = 0
    largest: int = 0
    personal_keys: bool = False
    key_sets: set[int] = field(default_factory=set)
    members: dict[str, Field] = field(default_factory=dict)

    @property
    def sorts(self) -> frozenset[Sort]:
        """The sorts of values that were seen."""
        return frozenset(self.counts)


@dataclass(slots=True)
class Samples:
    """All bodies together: the fields of the objects, and how many bodies were read and were not."""

    messages: int
    unreadable: int
    root: Field


def observe(bodies: Iterable[bytes]) -> Samples:
    """Look at every body."""
    samples = Samples(messages=0, unreadable=0, root=Field())
    for body in bodies:
        document = parse(body)
        if isinstance(document, dict):
            samples.messages += 1
            look(document, samples.root, depth=0)
        else:
            samples.unreadable += 1
    return samples


def parse(body: bytes) -> object:
    """The body's document; None for what cannot be read."""
    try:
        return _DECODER.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        return None


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


def look(value: object, seen: Field, *, depth: int) -> None:
    """Take one parsed value into account; ``depth`` is how far below the body it stands."""
    if value is None:
        return
    seen.present += 1
    match value:
        case bool():
            seen.counts["bool"] += 1
        case int():
            seen.counts["int"] += 1
            seen.largest = max(seen.largest, abs(value))
            _look_at_kind(value, seen)
            _look_for_form(_digits(value), seen)
        case str():
            _look_at_text(value, seen)
        case list():
            seen.counts["list"] += 1
            _look_inside(value, seen)
        case dict():
            seen.counts["object"] += 1
            _look_at_object(value, seen, depth=depth)
        case _:
            seen.counts["number"] += 1
            _look_at_kind(value, seen)


def _look_at_text(text: str, seen: Field) -> None:
    seen.counts["text"] += 1
    seen.longest_chars = max(seen.longest_chars, len(text))
    seen.text_types = {kind for kind in seen.text_types if _reads_as(text, kind)}
    word = text.strip()
    if word.casefold() in _PLACEHOLDERS:
        if len(seen.placeholders) < _MOST_SPELLINGS:
            seen.placeholders.add(word)
    elif word:
        _look_at_kind(text, seen)
    _look_for_form(text, seen)


def _look_at_kind(value: object, seen: Field) -> None:
    seen.values += 1
    seen.strangers.update(kind for kind, canonical in _canonical_forms().items() if not _is_of_kind(value, canonical))


@cache
def _canonical_forms() -> Mapping[Kind, Canonical]:
    from sofetch.mask.canonical import canonical_of  # here: its package brings cryptography

    return {kind: canonical_of(kind) for kind in _LOOKED_AT}


def _is_of_kind(value: object, canonical: Canonical) -> bool:
    try:
        return isinstance(value, str | int | Decimal) and canonical(value) is not None
    except UnicodeEncodeError:
        return False


def _look_for_form(text: str, seen: Field) -> None:
    seen.scalars += 1
    if (personal := personal_by_form(text)) is not None:
        seen.forms[personal] += 1
    seen.full_names += is_full_name(text)


def _look_at_object(members: dict[str, object], seen: Field, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        _look_inside(members, seen)
        return
    seen.key_sets.add(hash(frozenset(members)))
    for key, value in members.items():
        if is_personal_key(key):
            seen.personal_keys = True
        else:
            look(value, seen.members.setdefault(key, Field()), depth=depth + 1)


def _look_inside(document: object, seen: Field) -> None:
    """Look for anything personal in a document that could only be loaded whole."""
    pending = [document]
    while pending:
        match pending.pop():
            case str(text):
                _look_for_form(text, seen)
            case list(items):
                if pair := pair_of(items):
                    _look_for_form(pair, seen)
                pending += items
            case dict(members):
                seen.personal_keys |= any(is_personal_key(key) for key in members)
                seen.forms.update(personal for key in members if (personal := personal_by_name(key)) is not None)
                pending += members.values()
            case _:
                pass


def _reads_as(text: str, kind: ColumnType) -> bool:
    if kind == "inet":
        return _is_inet(text)
    if kind == "numeric":
        return _NUMBER_AS_TEXT.fullmatch(text) is not None
    if kind == "uuid" and len(text) != _UUID_CHARS:  # 32 hex digits are as likely a hash
        return False
    try:
        msgspec.convert(text, _TEXT_TYPES[kind])
    except msgspec.ValidationError:
        return False
    return True


def _is_inet(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return False
    return "%" not in text and text.isascii()


def _digits(number: int) -> str:
    return str(number) if abs(number) < 10**19 else ""
