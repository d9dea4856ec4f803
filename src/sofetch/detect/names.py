"""What a field's name says of what it holds. Owns the lists of words; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from sofetch.detect.catalogue import DetectorId
from sofetch.detect.letters import in_plain_letters
from sofetch.detect.special import INCOME_ANYWHERE, SPECIAL_ANYWHERE, SPECIAL_AT_THE_END, ends_in_special
from sofetch.detect.tongues import ANYWHERE as ELSEWHERE_ANYWHERE
from sofetch.detect.tongues import AT_THE_END as ELSEWHERE_AT_THE_END
from sofetch.detect.tongues import NAMES_ALONE, NUMBERED

_ANYWHERE: Sequence[tuple[DetectorId, str]] = (
    (
        "secret",
        "password, passwd, passphrase, pwd, secret, api key, apikey, access token, refresh token, auth token, "
        "id token, session token, jwt token, bearer, authorization, private key, cvv, cvc, otp, security answer",
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
        "number, id number, id card, personal number, cpf, aadhaar, pesel, bsn, dni, nif, licence "
        "plate, license plate, number plate, plate number, vin number, vin code, vehicle registration, mrn",
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
        "dob, birth date, birthdate, date of birth, birthday, birth day, born on, geburtsdatum, geburtstag",
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
        "anschrift, strasse, hausnummer, ship to line, bill to line, addr line, addr l, addr street, home addr, ship "
        "addr, bill addr, shipping addr, billing addr",
    ),
    (
        "person_name",
        "first name, last name, full name, middle name, given name, family name, maiden name, nick name, user name, "
        "display name, customer name, contact name, person name, holder name, owner name, sender name, recipient "
        "name, patient name, employee name, guest name, member name, author name, customer full, firstname, lastname, "
        "fullname, surname, forename, nickname, username, cardholder, vorname, nachname, prenom, apellido, apellidos, "
        "fname, lname, passenger name, driver name, student name, teacher name, pupil name, guardian name, "
        "gamertag, applicant name, attendee name, participant name, buyer name, payer name, payee name, beneficiary "
        "name, tenant name, visitor name, resident name, manager name, supervisor name, spouse name, mother name, "
        "father name, doctor name, nurse name, traveller name, traveler name, login name, cust name, emp name",
    ),
    ("special", SPECIAL_ANYWHERE),
    ("income", INCOME_ANYWHERE),
)

_AT_THE_END: Sequence[tuple[DetectorId, str]] = (
    ("secret", "pin, jwt"),
    ("email", "mail"),
    ("phone", "mobile, tel, cell"),
    ("card", "card"),
    ("identity", "vin"),
    (
        "person_name",
        "holder, user login, owner login, author login, sender login, actor login, account login, user handle, owner "
        "handle, author handle, sender handle, twitter handle, instagram handle, telegram handle, name first, name "
        "last, name given, name family, name middle",
    ),
    ("address", "address, addresses, adresse"),
    (
        "free_text",
        "note, comment, remark, memo, instruction, feedback, free text, freetext, comment text, comment body, "
        "note text, gift message, customer message, bio, biography, biographie, "
        "about me, kommentar, bemerkung, notiz, commentaire, comentario",
    ),
    ("special", SPECIAL_AT_THE_END),
)

_PARTS: Final = frozenset(
    {"applicant", "assignee", "attendee", "author", "beneficiary", "buyer", "by", "client", "contact", "customer"}
    | {"debtor", "doctor", "driver", "employee", "guest", "manager", "member", "owner", "participant", "passenger"}
    | {"patient", "payee", "payer", "person", "physician", "receiver", "recipient", "reporter", "resident", "sender"}
    | {"spouse", "student", "subscriber", "supervisor", "teacher", "tenant", "traveler", "traveller", "user", "visitor"}
    | {"absender", "empfaenger", "empfanger", "fahrer", "inhaber", "kaeufer", "kaufer", "kunde", "mitarbeiter"}
    | {"acheteur", "destinataire", "expediteur", "salarie"}
)
"""Last words of what names the part that somebody plays. Such a field may as well hold a number of theirs."""
_NAMED_PARTS: Final = _PARTS | {"actor", "cust", "emp", "friend", "seller"}
"""The words before `name` that a person is behind as likely as a program or a company."""
_NOBODYS: Final[Mapping[str, frozenset[str]]] = {
    "by": frozenset({"filter", "filtered", "group", "grouped", "order", "partition", "partitioned", "sort", "sorted"}),
    "client": frozenset({"api", "database", "db", "ftp", "grpc", "http", "https", "kafka", "mqtt", "redis", "smtp"}),
    "driver": frozenset(
        {"audio", "csi", "database", "db", "display", "gpu", "graphics", "jdbc", "network", "odbc", "printer", "sql"}
        | {"storage", "usb", "video", "volume", "web"}
    ),
    "manager": frozenset({"boot", "cluster", "download", "file", "key", "package", "tag", "window"}),
    "member": frozenset({"cluster", "raft", "replica"}),
}
"""Parts that a program plays, or a column, where one of these words is before it."""
_NAMES_ALONE: Final = NAMES_ALONE | {"name", "nick"}
_WRAPPERS: Final = frozenset({"after", "before", "body", "data", "detail", "details", "payload"})
"""First words of a path that say nothing of what is named: changes of a row, and what is wrapped."""

_HARMLESS_FIRST = frozenset({"is", "has", "had", "was", "can", "num"})
_HARMLESS_LAST = frozenset(
    {"at", "count", "counts", "country", "disabled", "enabled", "format", "length", "optin", "provider", "required"}
    | {"size", "status", "template", "type", "valid", "verified", "version"}
)
_HARMLESS_FIRST_OF: Mapping[DetectorId, frozenset[str]] = {"special": frozenset({"can", "num"})}
_HARMLESS_LAST_OF: Mapping[DetectorId, frozenset[str]] = {
    # Whether somebody is pregnant, or the type of a disability, is what must not be known.
    "special": _HARMLESS_LAST - {"disabled", "status", "template", "type", "valid", "verified"},
    "income": _HARMLESS_LAST | {"currency", "frequency", "interval", "period", "statement", "unit"},
}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


@lru_cache(maxsize=4096)
def suggested(name: str) -> DetectorId | None:
    """What a field of this name, or at this path, likely holds. Names in camel case and snake case read alike."""
    words = _words(name)
    found = _named(words)
    return None if found is None or _is_harmless(words, found) else found


def is_part(name: str) -> bool:
    """Whether a field of this name, or at this path, is of somebody in a part, as ``buyer`` or ``signed_by.name``."""
    words = _words(name)
    parts = _PARTS
    if len(words) > 1 and words[-1] in {*_NAMES_ALONE, "nm"}:  # as ISO 20022 writes it
        words.pop()
        parts = _NAMED_PARTS
    if not words or _is_nobodys(words):
        return False
    return words[-1] in parts or words[-1].removesuffix("s") in parts


def _named(words: list[str]) -> DetectorId | None:
    text = f" {' '.join(words)} "
    for detector, phrases in _PHRASES:
        if any(phrase in text for phrase in phrases):
            return detector
    if ends_in_special(words):
        return "special"
    for detector, phrases in _ENDINGS:
        if text.endswith(phrases):
            return detector
    while len(words) > 1 and words[0] in _WRAPPERS:
        words = words[1:]
    return "person_name" if len(words) == 1 and words[0] in _NAMES_ALONE else None


def _is_harmless(words: list[str], found: DetectorId) -> bool:
    """Whether the first or last word says that the field holds something about it, and not the thing itself."""
    if words[0] == "num" and NUMBERED.intersection(words):
        return False
    if found == "person_name" and words[-1] == "name" and _is_nobodys(words[:-1]):
        return True
    first, last = _HARMLESS_FIRST_OF.get(found, _HARMLESS_FIRST), _HARMLESS_LAST_OF.get(found, _HARMLESS_LAST)
    return words[0] in first or words[-1] in last


def _is_nobodys(words: list[str]) -> bool:
    """Whether the part that the last word names is played by no person."""
    return len(words) > 1 and words[-2] in _NOBODYS.get(words[-1], ())


def _words(name: str) -> list[str]:
    return [_singular(word.lower()) for word in _WORD.findall(in_plain_letters(name))]


def _singular(word: str) -> str:
    """The word without the ending of a plural, where that is a word of the lists."""
    return next((stem for stem in (word.removesuffix("s"), word.removesuffix("es")) if stem in _VOCABULARY), word)


def _padded(phrases: str) -> tuple[str, ...]:
    return tuple(f" {phrase.strip()} " for phrase in phrases.split(","))


_ORDER: Final = tuple(dict(_ANYWHERE))
_PHRASES = tuple(
    (detector, _padded(phrases))
    for detector, phrases in sorted((*_ANYWHERE, *ELSEWHERE_ANYWHERE), key=lambda one: _ORDER.index(one[0]))
)
_ENDINGS = tuple((detector, _padded(phrases)) for detector, phrases in (*_AT_THE_END, *ELSEWHERE_AT_THE_END))
_VOCABULARY = frozenset(word for _, phrases in (*_PHRASES, *_ENDINGS) for phrase in phrases for word in phrase.split())
