"""Recognises what is likely personal, by a field's name and by a value's form, and says how to mask it.

Owns the lists that `sofetch init` and the lint of a configuration share, so that the one never writes what the other
warns of. A guess, not a promise: what it does not recognise may still be personal. It must not keep or show a value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

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
PHONE = Personal(what="a telephone number", domain="phone")
IDENTITY = Personal(what="an identity number", domain="identity")
DEVICE = Personal(what="an identifier of a person's device", domain="device_id")
CARD = Personal(what="a payment card's number", domain="card")
ACCOUNT = Personal(what="a bank account's number", domain="account")
SECRET = Personal(what="a secret", mask="redact")
BIRTH = Personal(what="a date of birth", mask="bucket", kind="date")
PLACE = Personal(what="a place on the map", mask="redact")
POSTCODE = Personal(what="a postcode", mask="truncate", truncate_to=3)
ADDRESS = Personal(what="an address", mask="redact")
PERSON = Personal(what="a person's name", mask="redact")
FREE_TEXT = Personal(what="free text with personal values in it", mask="redact")

_ANYWHERE: Sequence[tuple[Personal, str]] = (
    (
        SECRET,
        "password, passwd, passphrase, pwd, secret, api key, apikey, access token, refresh token, auth token, "
        "id token, bearer, authorization, private key, cvv, cvc, otp, security answer",
    ),
    (
        EMAIL,
        "email, e mail, emailaddress, useremail, mail address, correo",
    ),
    (
        DEVICE,
        "device id, deviceid, device uuid, device serial, device token, push token, udid, idfa, idfv, gaid, "
        "adid, aaid, android id, advertising id, imei, imsi, iccid, meid, mac address, mac addr, macaddress, "
        "fingerprint, cookie",
    ),
    (
        IP,
        "ip, ipv, ipaddress, ipaddr, clientip, userip, remoteip, remote addr, remoteaddr, client addr, forwarded for",
    ),
    (
        PHONE,
        "phone, phonenumber, telephone, telefon, mobile number, mobilenumber, cellphone, cell number, msisdn, "
        "fax, whatsapp",
    ),
    (
        IDENTITY,
        "ssn, social security, national id, nationalid, national insurance, nino, tax id, taxid, tax number, "
        "passport, driver license, drivers license, driving licence, licence number, license number, identity "
        "number, id number, id card, personal number, cpf, aadhaar, pesel, bsn, dni, nif",
    ),
    (
        CARD,
        "card number, cardnumber, card no, creditcard, credit card, debit card, pan",
    ),
    (
        ACCOUNT,
        "iban, account number, accountnumber, bank account",
    ),
    (
        BIRTH,
        "dob, birth date, birthdate, date of birth, birthday, birth day, born on, geburtsdatum",
    ),
    (
        PLACE,
        "lat, latitude, lon, lng, longitude, coordinate, coordinates, coords, geo point, geopoint, gps, "
        "geohash, latlng, latlon",
    ),
    (
        POSTCODE,
        "postcode, post code, postal code, postalcode, zip, zipcode, plz",
    ),
    (
        ADDRESS,
        "street, address line, house number, home address, billing address, shipping address, postal address, "
        "anschrift",
    ),
    (
        PERSON,
        "first name, last name, full name, middle name, given name, family name, maiden name, nick name, user "
        "name, display name, customer name, contact name, person name, holder name, owner name, sender name, "
        "recipient name, patient name, employee name, guest name, member name, author name, customer full, "
        "firstname, lastname, fullname, surname, forename, nickname, username, cardholder, vorname, nachname, "
        "prenom, apellido, apellidos, nombre, fname, lname",
    ),
)

_AT_THE_END: Sequence[tuple[Personal, str]] = (
    (SECRET, "pin"),
    (EMAIL, "mail"),
    (PHONE, "mobile, tel, cell"),
    (CARD, "card"),
    (ADDRESS, "address, addresses, adresse"),
)

_HARMLESS_FIRST = frozenset({"is", "has", "had", "was", "can", "num"})
_HARMLESS_LAST = frozenset(
    {"at", "count", "counts", "country", "disabled", "enabled", "format", "length", "optin", "provider", "required"}
    | {"size", "status", "template", "type", "valid", "verified", "version"}
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")

_EMAIL = re.compile(r"[^\s@<>\"',;:()]{1,64}@[^\s@<>\"',;:()]{1,250}\.[^\W\d_]{2,63}")
_EMAIL_INSIDE = re.compile(r"(?<=[^\s@<>\"',;:()])@[^\s@<>\"',;:()]{1,250}\.[^\W\d_]{2,63}")  # linear in long texts
_PHONE = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,14}|\(?[0-9]{3}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}")
_SSN = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_PLACE = re.compile(r"[+-]?[0-9]{1,2}\.[0-9]{2,},\s*[+-]?[0-9]{1,3}\.[0-9]{2,}")
_IP_AND_MORE = re.compile(r"\[?(?P<ip>[0-9A-Fa-f:.]{2,45}?)(?:%[^/\]]*)?\]?(?:/[0-9]{1,3}|(?<=[\]0-9]):[0-9]{1,5})?")
_CARD = re.compile(r"[2-6][0-9]{3}(?:[ -]?[0-9]){8,15}")
_LONGEST_FORM = 400


def personal_by_name(name: str) -> Personal | None:
    """What a field of this name, or at this path, likely holds. Names in camel case and snake case read alike."""
    words = _words(name)
    if not words or words[-1] in _HARMLESS_LAST or words[0] in _HARMLESS_FIRST:
        return None
    text = f" {' '.join(words)} "
    for personal, phrases in _PHRASES:
        if any(phrase in text for phrase in phrases):
            return personal
    for personal, phrases in _ENDINGS:
        if text.endswith(phrases):
            return personal
    return PERSON if words == ["name"] else None


def personal_by_form(text: str) -> Personal | None:
    """What a value likely is. A card's number is a weak sign by itself: one long number in ten passes its check."""
    if len(text) > _LONGEST_FORM:
        return FREE_TEXT if _EMAIL_INSIDE.search(text) else None
    return _form(text.strip()) or (CARD if _is_card(text.strip()) else None)


def is_personal_key(key: str) -> bool:
    """Whether a JSON key is itself a personal value, as in an object that maps e-mail addresses to something."""
    return personal_by_form(key) is not None


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return [_singular(word.lower()) for word in _WORD.findall(plain)]


def _singular(word: str) -> str:
    """The word without the ending of a plural, where that is a word of the lists."""
    return next((stem for stem in (word.removesuffix("s"), word.removesuffix("es")) if stem in _VOCABULARY), word)


def _form(text: str) -> Personal | None:
    if _EMAIL.fullmatch(text):
        return EMAIL
    if _is_ip(text):
        return IP
    for personal, form in ((IDENTITY, _SSN), (DEVICE, _MAC), (PLACE, _PLACE), (PHONE, _PHONE)):
        if form.fullmatch(text):
            return personal
    if _is_iban(text.replace(" ", "")):
        return ACCOUNT
    return FREE_TEXT if _EMAIL_INSIDE.search(text) or _SSN.search(text) else None


def _is_ip(text: str) -> bool:
    """An address, also with a zone, a port, brackets or a prefix length; an address is personal with all of these."""
    match = _IP_AND_MORE.fullmatch(text)
    if match is None:
        return False
    try:
        ip_address(match["ip"])
    except ValueError:
        return False
    return not _is_wide_network(text)


def _is_wide_network(text: str) -> bool:
    """A network that `truncate` might have made: what it leaves of an address is meant to be seen."""
    try:
        network = ip_network(text) if "/" in text else None
    except ValueError:
        return False
    return network is not None and network.prefixlen <= (24 if network.version == 4 else 48)


def _is_iban(text: str) -> bool:
    """ISO 13616: the first four characters moved to the end, letters as two digits, modulo 97 is 1."""
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """12 to 19 digits of an issuer's range that pass the Luhn check."""
    if not _CARD.fullmatch(text):
        return False
    digits = [int(char) for char in reversed(text) if char.isdecimal()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _padded(phrases: str) -> tuple[str, ...]:
    return tuple(f" {phrase.strip()} " for phrase in phrases.split(","))


_PHRASES = tuple((personal, _padded(phrases)) for personal, phrases in _ANYWHERE)
_ENDINGS = tuple((personal, _padded(phrases)) for personal, phrases in _AT_THE_END)
_VOCABULARY = frozenset(word for _, phrases in (*_PHRASES, *_ENDINGS) for phrase in phrases for word in phrase.split())
