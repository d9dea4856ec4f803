"""What a field's name says of what it holds. Owns the lists of words; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from sofetch.detect.catalogue import DetectorId

_ANYWHERE: Sequence[tuple[DetectorId, str]] = (
    (
        "secret",
        "password, passwd, passphrase, pwd, secret, api key, apikey, access token, refresh token, auth token, "
        "id token, bearer, authorization, private key, cvv, cvc, otp, security answer",
    ),
    (
        "email",
        "email, e mail, emailaddress, useremail, mail address, correo",
    ),
    (
        "device",
        "device id, deviceid, device uuid, device serial, device token, push token, udid, idfa, idfv, gaid, "
        "adid, aaid, android id, advertising id, imei, imsi, iccid, meid, mac address, mac addr, macaddress, "
        "fingerprint, cookie",
    ),
    (
        "ip",
        "ip, ipv, ipaddress, ipaddr, clientip, userip, remoteip, remote addr, remoteaddr, client addr, forwarded for",
    ),
    (
        "phone",
        "phone, phonenumber, telephone, telefon, mobile number, mobilenumber, cellphone, cell number, msisdn, "
        "fax, whatsapp",
    ),
    (
        "ssn",
        "ssn, social security",
    ),
    (
        "identity",
        "national id, nationalid, national insurance, nino, tax id, taxid, tax number, "
        "passport, driver license, drivers license, driving licence, licence number, license number, identity "
        "number, id number, id card, personal number, cpf, aadhaar, pesel, bsn, dni, nif",
    ),
    (
        "card",
        "card number, cardnumber, card no, creditcard, credit card, debit card, pan",
    ),
    (
        "iban",
        "iban, account number, accountnumber, bank account",
    ),
    (
        "birth_date",
        "dob, birth date, birthdate, date of birth, birthday, birth day, born on, geburtsdatum",
    ),
    (
        "coordinates",
        "lat, latitude, lon, lng, longitude, coordinate, coordinates, coords, geo point, geopoint, gps, "
        "geohash, latlng, latlon",
    ),
    (
        "postcode",
        "postcode, post code, postal code, postalcode, zip, zipcode, plz",
    ),
    (
        "address",
        "street, address line, house number, home address, billing address, shipping address, postal address, "
        "anschrift",
    ),
    (
        "person_name",
        "first name, last name, full name, middle name, given name, family name, maiden name, nick name, user "
        "name, display name, customer name, contact name, person name, holder name, owner name, sender name, "
        "recipient name, patient name, employee name, guest name, member name, author name, customer full, "
        "firstname, lastname, fullname, surname, forename, nickname, username, cardholder, vorname, nachname, "
        "prenom, apellido, apellidos, nombre, fname, lname",
    ),
)

_AT_THE_END: Sequence[tuple[DetectorId, str]] = (
    ("secret", "pin"),
    ("email", "mail"),
    ("phone", "mobile, tel, cell"),
    ("card", "card"),
    ("address", "address, addresses, adresse"),
)

_HARMLESS_FIRST = frozenset({"is", "has", "had", "was", "can", "num"})
_HARMLESS_LAST = frozenset(
    {"at", "count", "counts", "country", "disabled", "enabled", "format", "length", "optin", "provider", "required"}
    | {"size", "status", "template", "type", "valid", "verified", "version"}
)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


@lru_cache(maxsize=4096)
def suggested(name: str) -> DetectorId | None:
    """What a field of this name, or at this path, likely holds. Names in camel case and snake case read alike."""
    words = _words(name)
    if not words or words[-1] in _HARMLESS_LAST or words[0] in _HARMLESS_FIRST:
        return None
    text = f" {' '.join(words)} "
    for detector, phrases in _PHRASES:
        if any(phrase in text for phrase in phrases):
            return detector
    for detector, phrases in _ENDINGS:
        if text.endswith(phrases):
            return detector
    return "person_name" if words == ["name"] else None


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return [_singular(word.lower()) for word in _WORD.findall(plain)]


def _singular(word: str) -> str:
    """The word without the ending of a plural, where that is a word of the lists."""
    return next((stem for stem in (word.removesuffix("s"), word.removesuffix("es")) if stem in _VOCABULARY), word)


def _padded(phrases: str) -> tuple[str, ...]:
    return tuple(f" {phrase.strip()} " for phrase in phrases.split(","))


_PHRASES = tuple((detector, _padded(phrases)) for detector, phrases in _ANYWHERE)
_ENDINGS = tuple((detector, _padded(phrases)) for detector, phrases in _AT_THE_END)
_VOCABULARY = frozenset(word for _, phrases in (*_PHRASES, *_ENDINGS) for phrase in phrases for word in phrase.split())
