"""What many JSON bodies hold, place by place: a tally for each path. Bounded in memory; values are not kept.

Owns the way through a body. A key that is itself personal, or one of very many, is data: it is written ``*`` and never
shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

import msgspec

from sofetch.detect.addresses import is_place
from sofetch.detect.catalogue import DETECTORS
from sofetch.detect.forms import form_of
from sofetch.detect.names import suggested
from sofetch.detect.tally import Tally
from sofetch.paths import format_path

Place = tuple[str | None, ...]
"""The keys that lead to a value; None is any position of an array, ANY_KEY any key of a map."""

ANY_KEY: Final = "*"
KEYS_OF_A_MAP: Final = 200
"""An object with more different keys than this is a map, and its keys are data."""

_MOST_PLACES = 2_000
_LONGEST_KEY = 100
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(slots=True)
class Survey:
    """All bodies together. ``unplaced`` counts values at places beyond the first 2,000: they are not looked at."""

    messages: int = 0
    unreadable: int = 0
    unplaced: int = 0
    places: dict[Place, Tally] = field(default_factory=dict)
    _keys: dict[Place, set[str]] = field(default_factory=dict, repr=False, kw_only=True)

    def look(self, body: bytes) -> None:
        """Look at one body; one that is no JSON is counted and left."""
        self.messages += 1
        try:
            document = _parse(body.removeprefix(_BYTE_ORDER_MARK))
        except (ValueError, ArithmeticError, RecursionError):
            self.unreadable += 1
            return
        pending: list[tuple[Place, object]] = [((), document)]
        while pending:
            pending += self._step(*pending.pop())

    def _step(self, place: Place, value: object) -> list[tuple[Place, object]]:
        match value:
            case list():
                if (pair := pair_of(value)) and is_place(pair):
                    self._count(place, pair)
                return [((*place, None), item) for item in value]
            case dict():
                return [((*place, self._key(place, key)), member) for key, member in value.items()]
            case bool():
                if suggested(name_of(place)) == "special":  # elsewhere a flag is not what it is a flag of
                    self._count(place, str(value))
            case None:
                self._count(place, "")  # its name alone may be a sign
            case str():
                self._count(place, value)
            case _:
                self._count(place, _number(value))
        return []

    def _key(self, place: Place, key: str) -> str:
        known = self._keys.setdefault(place, set()) if len(self._keys) < _MOST_PLACES else set()
        if key in known:
            return key
        if (found := form_of(key)) is not None and DETECTORS[found].personal:
            self._count((*place, ANY_KEY, None), key)  # the keys themselves are what is personal here
            return ANY_KEY
        if found == "uuid" or len(known) >= KEYS_OF_A_MAP or len(key) > _LONGEST_KEY or not key:
            return ANY_KEY
        known.add(key)
        return key

    def _count(self, place: Place, text: str) -> None:
        tally = self.places.get(place)
        if tally is None:
            if len(self.places) >= _MOST_PLACES:
                self.unplaced += 1
                return
            tally = self.places[place] = Tally(name_of(place))
        tally.look(text)


def pair_of(items: list[object]) -> str:
    """Two numbers as one text; the empty text for any other list. Longitude may come first, as in GeoJSON."""
    if len(items) != 2 or not all(isinstance(item, int | Decimal) and not isinstance(item, bool) for item in items):
        return ""
    first, second = map(_number, items)
    texts = f"{first},{second}", f"{second},{first}"
    return next(filter(is_place, texts), texts[0])


def survey(bodies: Iterable[bytes], *, places: Iterable[Place] = ()) -> Survey:
    """Look at every body. Keys that lead to ``places`` are told apart however many there are."""
    seen = Survey(_keys=_leading_to(places))
    for body in bodies:
        seen.look(body)
    return seen


def name_of(place: Place) -> str:
    """The place as the configuration writes a path, any array position as ``[]``."""
    if place[-2:] == (ANY_KEY, None):
        return f"{name_of(place[:-1])} (keys)"
    if not place:
        return "(body)"
    text = "" if place[0] is not None else "(body)"
    for step in place:
        text += "[]" if step is None else ("." if text else "") + (step if step == ANY_KEY else format_path((step,)))
    return text


def _leading_to(places: Iterable[Place]) -> dict[Place, set[str]]:
    keys: dict[Place, set[str]] = {}
    for place in places:
        for depth, step in enumerate(place):
            if step is not None:
                keys.setdefault(place[:depth], set()).add(step)
    return keys


def _parse(body: bytes) -> object:
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:  # stricter than most: lone surrogates, for one
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse)


def _refuse(_name: str) -> NoReturn:
    raise ValueError("NaN and the infinities are not JSON")


def _number(value: object) -> str:
    """Digits of an integer or decimal; one of absurd length is no number of a person."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**19 else ""
    text = str(value)
    return text if len(text) <= 40 else ""
