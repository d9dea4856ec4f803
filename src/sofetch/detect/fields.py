"""What a value is, its field's name taken into account: a name loosens what the value's form has to prove.

Bare digits are a telephone number in ``phone`` and nothing in ``order``; ``1.2.3.4`` is a version in ``app_version``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final

from sofetch.detect.catalogue import DetectorId
from sofetch.detect.forms import form_of, is_token
from sofetch.detect.names import is_part, suggested
from sofetch.detect.numbers import is_bare_ssn
from sofetch.detect.phones import is_any_phone

_VERSION_NAME = re.compile(r"version|(?<![a-z])(?:ver|build|release|revision|firmware)(?![a-z])", re.IGNORECASE)
_PERSON = re.compile(r"[^\W\d_](?:[^\W\d_]|['’.-](?=.))*\.?(?:,? [^\W\d_](?:[^\W\d_]|['’.-](?=.))*\.?){0,5}")
_DATE_FORMS: Final = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d", "%d %B %Y")
_OLDEST_YEARS = 130


def identify(text: str, *, name: str = "") -> DetectorId | None:
    """What the value of a field of this name, or at this path, likely is. Our own tokens are nothing any more."""
    if not (text := text.strip()) or is_token(text):
        return None
    by_form = form_of(text)
    if by_form == "ip" and _VERSION_NAME.search(name):
        by_form = None
    by_name = suggested(name)
    # A UUID is anybody's; the name says whose.
    if by_form in {None, "uuid"} and by_name is not None and _BEARS_OUT.get(by_name, _nothing)(text):
        return by_name
    if by_form is None and is_full_name(text) and is_part(name):
        return "person_name"
    return by_form


def is_full_name(text: str) -> bool:
    """Two to six capitalised words of letters, as people are named in full."""
    words = text.split(maxsplit=6)
    return len(words) > 1 and words[0][0].isupper() and words[-1][0].isupper() and _is_person(text.strip())


def _nothing(_text: str) -> bool:
    return False


def _is_birth_date(text: str) -> bool:
    """A day that a living person can have been born on. The year of now is not asked: no clock is read here."""
    for form in _DATE_FORMS:
        try:
            return 1900 <= datetime.strptime(text[:30], form).year < 1900 + 2 * _OLDEST_YEARS
        except ValueError:
            continue
    return _is_timestamp(text)


def _is_timestamp(text: str) -> bool:
    try:
        return date.fromisoformat(text[:10]).year >= 1900
    except ValueError:
        return False


def _is_person(text: str) -> bool:
    return len(text) <= 100 and _PERSON.fullmatch(text) is not None


def _is_degree(text: str) -> bool:
    try:
        return "." in text and abs(float(text)) <= 180
    except ValueError:
        return False


def _has_digit(text: str) -> bool:
    return any(char.isdecimal() for char in text)


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


_BEARS_OUT: Final[Mapping[DetectorId, Callable[[str], bool]]] = {
    "phone": is_any_phone,
    "ssn": is_bare_ssn,
    "coordinates": _is_degree,
    "birth_date": _is_birth_date,
    "person_name": _is_person,
    "identity": _has_digit,
    "postcode": _has_digit,
    "address": _has_letter,
    "device": bool,
    "secret": bool,
    "special": bool,
    "income": _has_digit,
}
