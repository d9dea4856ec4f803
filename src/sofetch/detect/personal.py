"""Recognises what is likely personal, by a field's name and by a value's form, and says how to mask it.

Owns the advice that `sofetch init` and the lint of a configuration share, so that the one never writes what the other
warns of. Names and forms themselves are ``sofetch.detect``'s. A guess, not a promise: what it does not recognise may
still be personal. It must not keep or show a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sofetch.detect.catalogue import DetectorId
from sofetch.detect.forms import form_of
from sofetch.detect.names import is_part, suggested
from sofetch.settings import Kind, MaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """One sort of personal value: what it is, in words with an article, and the mask that fits it."""

    what: str
    mask: MaskName = "token"
    kind: Kind = "string"
    domain: str | None = None
    truncate_to: int | None = None
    sentinels: tuple[str, ...] = ()


IP = Personal(what="an IP address", kind="ip", domain="ip", sentinels=("0.0.0.0", "::"))  # noqa: S104 - not an address to bind
EMAIL = Personal(what="an e-mail address", kind="email", domain="email")
PHONE = Personal(what="a telephone number", kind="code", domain="phone")
IDENTITY = Personal(what="an identity number", kind="code", domain="identity")
DEVICE = Personal(what="an identifier of a person's device", domain="device_id")
CARD = Personal(what="a payment card's number", kind="code", domain="card")
ACCOUNT = Personal(what="a bank account's number", kind="code", domain="account")
SECRET = Personal(what="a secret", mask="redact")
BIRTH = Personal(what="a date of birth", mask="bucket", kind="date")
PLACE = Personal(what="a place on the map", mask="redact")
POSTCODE = Personal(what="a postcode", mask="truncate", truncate_to=3)
ADDRESS = Personal(what="an address", mask="redact")
PERSON = Personal(what="a person's name", mask="redact")
SPECIAL = Personal(what="a special category of personal data", mask="redact")
INCOME = Personal(what="what somebody earns or owns", mask="redact")
FREE_TEXT = Personal(what="free text with personal values in it", mask="redact")

_BY_DETECTOR: Mapping[DetectorId, Personal | None] = {
    "email": EMAIL,
    "ip": IP,
    "phone": PHONE,
    "card": CARD,
    "ssn": IDENTITY,
    "identity": IDENTITY,
    "iban": ACCOUNT,
    "mac": DEVICE,
    "device": DEVICE,
    "uuid": None,  # anybody's: only a name can say whose
    "coordinates": PLACE,
    "birth_date": BIRTH,
    "person_name": PERSON,
    "postcode": POSTCODE,
    "address": ADDRESS,
    "secret": SECRET,
    "special": SPECIAL,
    "income": INCOME,
    "free_text": FREE_TEXT,
}


def personal_by_name(name: str) -> Personal | None:
    """What a field of this name, or at this path, likely holds. Names in camel case and snake case read alike."""
    found = suggested(name)
    return None if found is None else _BY_DETECTOR[found]


def personal_by_form(text: str) -> Personal | None:
    """What a value likely is. A card's number is a weak sign by itself: one long number in fifty passes its check."""
    found = form_of(text)
    return None if found is None else _BY_DETECTOR[found]


def personal_by_part(name: str) -> Personal | None:
    """What a field likely holds that names somebody's part, as ``buyer``, where its values look like full names."""
    return PERSON if is_part(name) else None


def advice(detector: DetectorId) -> Personal | None:
    """How to mask what a detector found; None for what is not personal by itself."""
    return _BY_DETECTOR[detector]


def is_personal_key(key: str) -> bool:
    """Whether a JSON key is itself a personal value, as in an object that maps e-mail addresses to something."""
    return personal_by_form(key) is not None
