"""What a value is by its form alone, as a whole or inside a longer text. Pure; time is linear in the text's length."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sofetch.detect.addresses import is_email, is_ip, is_mac, is_place, is_uuid
from sofetch.detect.catalogue import DetectorId
from sofetch.detect.numbers import is_card, is_iban, is_ssn
from sofetch.detect.phones import is_phone
from sofetch.detect.written import document_in, holds_personal_fields

LONGEST_SEARCHED: Final = 100_000
"""Characters of a text that are looked through. The rest of a longer one is not."""

_LONGEST_FORM = 320
_TOKEN = re.compile(r"(?:h1|r1|v1|u1)\.[a-z0-9]{1,8}\.[A-Za-z0-9_-]{16,}")

_FORMS: Final[tuple[tuple[DetectorId, Callable[[str], bool]], ...]] = (
    ("uuid", is_uuid),
    ("email", is_email),
    ("ip", is_ip),
    ("mac", is_mac),
    ("ssn", is_ssn),
    ("iban", is_iban),
    ("card", is_card),
    ("coordinates", is_place),
    ("phone", is_phone),
)

# Each finds candidates among other words; the form's own check then decides.
_EMAIL_INSIDE = re.compile(r"[\w.!#$%&*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?!:\S)(?![\w@])")
_IP_INSIDE = re.compile(
    r"(?:(?<=//)|(?<=[(=:,;\[])|(?<![\w./:-]))(?:\d{1,3}\.){3}\d{1,3}"
    r"(?![\w-]|\.\d|/(?:1?\d|2[0-4])(?!\d))",
    re.ASCII,
)
_IPV6_INSIDE = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{1,4}(?::{1,2}[0-9A-Fa-f]{1,4}){3,7}(?![\w:])", re.ASCII)
_SSN_INSIDE = re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])(?!\.\d)", re.ASCII)
_CARD_INSIDE = re.compile(
    r"(?<![\w.-])(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}|\d{4}[ -]\d{6}[ -]\d{5}|\d{15,16})(?![\w-])(?!\.\d)", re.ASCII
)
_PHONE_INSIDE = re.compile(
    r"(?<![\w.+-])(?:\+\d[\d ()/.-]{6,22}\d|\([2-9]\d\d\) ?\d{3}-\d{4}|[2-9]\d\d([.-])[2-9]\d\d\1\d{4})(?![\w-])",
    re.ASCII,
)
_IBAN_INSIDE = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", re.ASCII)

_INSIDE: Final[tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]] = (
    (_IP_INSIDE, is_ip),
    (_IPV6_INSIDE, is_ip),
    (_SSN_INSIDE, is_ssn),
    (_PHONE_INSIDE, is_phone),
    (_CARD_INSIDE, is_card),
    (_IBAN_INSIDE, is_iban),
)


def form_of(text: str) -> DetectorId | None:
    """What the value is, or ``free_text`` if it holds something personal among other words."""
    text = text.strip()
    if len(text) <= _LONGEST_FORM:
        for detector, has_form in _FORMS:
            if has_form(text):
                return detector
    return "free_text" if holds_personal(text) else None


def is_token(text: str) -> bool:
    """One of our own tokens, which is what a personal value should have become."""
    return _TOKEN.fullmatch(text) is not None


def holds_personal(text: str) -> bool:
    """Whether something personal stands among other words or signs."""
    if (document := document_in(text)) is not None and holds_personal_fields(document, is_personal=_is_personal):
        return True
    searched = text[:LONGEST_SEARCHED]
    if "@" in searched and any(is_email(found.group().rstrip(".")) for found in _EMAIL_INSIDE.finditer(searched)):
        return True
    if len(searched) < 8 or is_token(searched) or not any(char.isdecimal() for char in searched):
        return False
    return any(_has(inside, has_form, searched) for inside, has_form in _INSIDE)


def _is_personal(text: str) -> bool:
    return form_of(text) not in {None, "uuid"}


def _has(inside: re.Pattern[str], has_form: Callable[[str], bool], text: str) -> bool:
    return any(found.group() != text and has_form(found.group()) for found in inside.finditer(text))
