"""Real values replaced by made-up ones of the same kind and form, so that a message may become a committed test.

Owns what may stay, and fails closed: a value stays only if it is nothing (null, blank, a configured sentinel), true or
false, of a few forms that name no one (a version, a language, a platform), or if the configuration says
``personal = false`` of its column. What a masked column reads never stays. A field that no column reads is left out.

Made-up values are drawn from the system's randomness, never computed from the real one, or who knows the rule could
try values until one fits. One real value has one made-up value in all messages of one ``Replacer``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final
from unicodedata import category

import msgspec

from sofetch.detect import suggested
from sofetch.detect.addresses import is_email, is_uuid
from sofetch.paths import parse_path
from sofetch.record import Message
from sofetch.settings import ColumnSettings, Settings

_VERSION: Final = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){1,3}", re.ASCII)
_VERSION_NAME: Final = re.compile(r"version|release|build", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[A-Z]{2}|[a-z]{2}(?:[-_][A-Z]{2})?")
_LANGUAGE_NAME: Final = re.compile(r"locale|lang|country|currency|region", re.IGNORECASE)
_WORDS: Final = frozenset(
    word
    for line in (
        "android ios ipados web mobile desktop tablet windows linux macos chrome firefox safari edge opera",
        "true false yes no on off ok error success failure failed none null get post put",
        "login logout signup signin signout created updated deleted opened closed started stopped",
        "paid pending active inactive eur usd gbp chf jpy brl",
    )
    for word in line.split()
)
_FIELDS: Final = frozenset(
    word
    for line in (
        "id key name type kind status state code value values data meta items lines tags list count quantity size",
        "total amount price currency sku date time timestamp created updated locale lang language country city street",
        "address postcode zip lat lon email phone ip url version user customer device session order product event",
    )
    for word in line.split()
)
"""Keys of a document that name a field and no one. A key that holds more words may hold somebody's name."""
_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?P<t>[T ])\d\d:\d\d(?P<seconds>:\d\d(?P<fraction>[.,]\d{1,9})?)?"
    r"(?P<zone> ?(?:[Zz]|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
"""A day or a time and nothing more: of a text that only begins with one the rest may be anything."""
_SIGNS: Final = "PZ"
"""Unicode's categories of punctuation and of what separates."""
_CONTROLS: Final = frozenset("$+<=>^`|~\0\t\n\r")
"""What is left of ASCII's signs, and the controls that a body may hold or be refused for."""
_LOREM: Final = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et "
_BENCHMARKING: Final = int(IPv4Address("198.18.0.0"))
"""198.18.0.0/15 and 2001:db8::/32 are nobody's (RFC 2544, RFC 3849)."""
_DOCUMENTATION: Final = int(IPv6Address("2001:db8::"))
_ATTRIBUTE: Final = "attribute:"


@dataclass(slots=True)
class _Place:
    """A place in the body: the columns that read it whole, and the places below it that columns read."""

    columns: list[ColumnSettings] = field(default_factory=list)
    below: dict[str | int, _Place] = field(default_factory=dict)

    def at(self, step: str | int) -> _Place:
        """The place one step down; what reads the whole reads that too."""
        own = self.below.get(step)
        return _Place(self.columns) if own is None else _Place([*self.columns, *own.columns], own.below)


class Replacer:
    """Replaces values. It holds the real ones while it lives, in memory alone: drop it when the messages are done."""

    __slots__ = ("_attributes", "_known", "_random", "_root")

    def __init__(self, settings: Settings) -> None:
        self._random: random.Random = random.SystemRandom()
        self._known: dict[tuple[type, object], Any] = {}
        self._root = _places([one for one in settings.column if one.name != settings.drift.collect_into])
        self._attributes = {
            column.value.removeprefix(_ATTRIBUTE): column
            for column in settings.column
            if column.value is not None and column.value.startswith(_ATTRIBUTE)
        }

    def body(self, body: bytes) -> bytes | None:
        """The message's document with every value replaced that does not stay; None if it is no JSON object."""
        try:
            document = _READ.decode(body.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        return _WRITE.encode(self._value(document, self._root, ""))

    def attributes(self, message: Message) -> dict[str, str]:
        """Those message attributes that a column reads."""
        given = message.attributes
        return {
            name: self._text(given[name], name, [column]) for name, column in self._attributes.items() if name in given
        }

    def group(self, group_id: str | None) -> str | None:
        """The message's group."""
        return None if group_id is None else self._made_up(group_id, self._similar)

    def __repr__(self) -> str:
        return "<Replacer redacted>"

    def _value(self, value: object, place: _Place, name: str) -> object:
        match value:
            case dict():
                return self._object(value, place, name)
            case list():
                return self._list(value, place, name)
            case str():
                return self._text(value, name, place.columns)
            case bool() | None:
                return value
            case int() | Decimal():
                return value if _declared_harmless(place.columns) else self._made_up(value, self._number)
            case _:
                raise AssertionError(type(value))

    def _object(self, members: Mapping[str, object], place: _Place, name: str) -> dict[str, object]:
        """What columns read of it. Of a document that is loaded whole all members, under keys that name no one."""
        return {
            key if key in place.below else self._key(key): self._value(member, place.at(key), f"{name}.{key}")
            for key, member in members.items()
            if place.columns or key in place.below
        }

    def _list(self, items: list[object], place: _Place, name: str) -> list[object]:
        if place.columns:
            return [self._value(item, place.at(at), name) for at, item in enumerate(items)]
        last = max((at for at in place.below if isinstance(at, int)), default=-1)
        return [
            self._value(item, place.at(at), name) if at in place.below else None
            for at, item in enumerate(items[: last + 1])
        ]

    def _key(self, key: str) -> str:
        return key if key in _FIELDS else str(self._made_up(key, self._scrambled))

    def _text(self, text: str, name: str, columns: list[ColumnSettings]) -> str:
        if not text.strip() or any(text in column.sentinels for column in columns) or _stays(text, name, columns):
            return text
        return str(self._made_up(text, self._similar))

    def _made_up(self, value: Any, make: Callable[[Any], Any]) -> Any:
        known = (type(value), value)
        if known not in self._known:
            self._known[known] = make(value)
        return self._known[known]

    def _similar(self, text: str) -> str:
        """Text of the same kind, as far as a column's type, a mask's kind or a detector tells kinds apart."""
        stripped = text.strip()
        if (address := _address(stripped)) is not None:
            return self._address(address)
        if is_email(stripped):
            return f"{self._scrambled(stripped.rpartition('@')[0])}@example.com"
        if is_uuid(stripped):
            return "".join(self._like(char, hexadecimal=True) for char in stripped)
        if (found := _DATE.fullmatch(stripped)) is not None:
            return self._date(found)
        has_words = " " in stripped and any(map(str.isalpha, stripped))
        return self._sentence(text) if has_words else self._scrambled(text)

    def _scrambled(self, text: str) -> str:
        return "".join(map(self._like, text))

    def _like(self, char: str, *, hexadecimal: bool = False) -> str:
        """Another character of its sort. Only the signs that stand between words stay: what is neither letter nor digit
        (a vowel of Hindi, a numeral in a circle, an emoji) may be of a name as well, and becomes a letter.
        """
        if char.isdecimal():
            return self._random.choice("0123456789" if hexadecimal else "123456789")
        if category(char)[0] in _SIGNS or char in _CONTROLS:
            return char
        letters = "abcdef" if hexadecimal else "abcdefghijklmnopqrstuvwxyz" if char.isascii() else "äéîøñçš"
        return self._random.choice(letters.upper() if char.isupper() else letters)

    def _sentence(self, text: str) -> str:
        """Other words: even how long the words of a text are can tell whose it is."""
        start = self._random.randrange(len(_LOREM))
        return (_LOREM[start:] + _LOREM * (len(text) // len(_LOREM) + 1))[: len(text)].strip().ljust(len(text), "x")

    def _address(self, address: IPv4Address | IPv6Address) -> str:
        if address.version == 4:
            return str(IPv4Address(_BENCHMARKING + self._random.randrange(1, 2**17 - 1)))
        return str(IPv6Address(_DOCUMENTATION + self._random.randrange(1, 2**96)))

    def _date(self, found: re.Match[str]) -> str:
        day = date(1950, 1, 1) + timedelta(days=self._random.randrange(25_000))
        if found["t"] is None:
            return day.isoformat()
        clock = [f"{self._random.randrange(limit):02d}" for limit in (24, 60, 60)]
        seconds = clock if found["seconds"] is not None else clock[:2]
        fraction = self._scrambled(found["fraction"] or "")
        return f"{day.isoformat()}{found['t']}{':'.join(seconds)}{fraction}{found['zone'] or ''}"

    def _number(self, number: int | Decimal) -> int | Decimal:
        """As many digits, below twice the smallest such number, so that what fitted a type fits it still."""
        if isinstance(number, int):
            return self._digits(len(str(abs(number)))) * (-1 if number < 0 else 1)
        sign, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int):
            return number
        made = self._digits(len(digits))
        return Decimal((sign, tuple(map(int, str(made).zfill(len(digits)))), exponent))

    def _digits(self, count: int) -> int:
        return (
            self._random.randrange(10)
            if count == 1
            else self._random.randrange(10 ** (count - 1), 2 * 10 ** (count - 1))
        )


_READ: Final = msgspec.json.Decoder(float_hook=Decimal)
_WRITE: Final = msgspec.json.Encoder(decimal_format="number")


def _places(columns: list[ColumnSettings]) -> _Place:
    root = _Place()
    for column in columns:
        if column.value is None:
            place = root
            for step in parse_path(column.from_ or column.name):
                place = place.below.setdefault(step, _Place())
            place.columns.append(column)
    return root


def _stays(text: str, name: str, columns: list[ColumnSettings]) -> bool:
    if _declared_harmless(columns):
        return True
    if any(column.mask is not None for column in columns) or any(
        suggested(one) is not None for one in (name, *(column.name for column in columns))
    ):
        return False
    return (
        text.lower() in _WORDS
        or (_VERSION.fullmatch(text) is not None and _VERSION_NAME.search(name) is not None and not _address(text))
        or (_LANGUAGE.fullmatch(text) is not None and _LANGUAGE_NAME.search(name) is not None)
    )


def _declared_harmless(columns: list[ColumnSettings]) -> bool:
    return bool(columns) and all(column.mask is None and column.personal is False for column in columns)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
