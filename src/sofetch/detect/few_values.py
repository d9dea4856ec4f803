"""Recognises by its name a field that has few different values, so that no token can hide them.

Owns the list of words. A token hides a value as one of many: of a boolean's two tokens, or a country's two hundred,
how often each comes tells which is which, with no key and no guess at a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WHAT: Final[Mapping[str, str]] = {
    "a yes or no": "flag, bool, boolean, enabled, disabled, verified, confirmed, subscribed, consent, opt in, opt out",
    "a gender": "gender, sex, pronouns, salutation",
    "a country": "country, nation, nationality, citizenship, continent",
    "a language": "locale, language, lang",
    "a time zone": "timezone, time zone, tz",
    "a currency": "currency",
    "an age": "age, age group, age range, age band",
    "a marital status": "marital status, civil status",
    "a religion": "religion",
    "an ethnicity": "ethnicity, race",
    "a blood group": "blood group, blood type",
    "a sort of device": "device type, os, operating system, platform, browser",
}
_PHRASES: Final = {f" {phrase}": what for what, phrases in _WHAT.items() for phrase in phrases.split(", ")}
_QUESTION: Final = frozenset({"is", "has", "had", "was", "can", "may", "did", "wants", "accepts"})
_TRAILING: Final = frozenset({"code", "id", "iso", "name", "alpha"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def few_values(path: str) -> str | None:
    """What a field of this name, or at the end of this path, likely holds if that has few values; in words."""
    words = [word.lower() for word in _WORD.findall(path.rpartition(".")[2])]
    if len(words) > 1 and words[0] in _QUESTION:
        return "a yes or no"
    while len(words) > 1 and words[-1] in _TRAILING:
        words.pop()
    name = f" {' '.join(words)}"
    return next((what for phrase, what in _PHRASES.items() if name.endswith(phrase)), None)
