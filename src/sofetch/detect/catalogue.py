"""The detectors by id: what each finds, what it asks of a value, and from which share of a field's values it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

DetectorId = Literal[
    "email", "ip", "phone", "card", "ssn", "iban", "mac", "uuid", "coordinates", "birth_date", "person_name",
    "free_text", "identity", "device", "postcode", "address", "secret", "special", "income",
]  # fmt: skip


class Detector(Struct, frozen=True, kw_only=True):
    """``finds`` in words, with an article; ``asks`` what a value must be; ``least_share`` of a field's values from
    which the field counts as holding it; ``personal`` is False for what identifies no one by itself.
    """

    id: DetectorId
    finds: str
    asks: str
    least_share: float = 0.0
    personal: bool = True


_ALL: Final = (
    Detector(
        id="email",
        finds="an e-mail address",
        asks="one @, a local part of at most 64 characters, a domain whose last label is a word and no file's ending",
    ),
    Detector(
        id="ip",
        finds="an IP address",
        asks="IPv4 or IPv6 as inet_pton reads it, also with a port, a zone or a prefix length; no loopback, no wide "
        "network, no field named for a version",
    ),
    Detector(
        id="phone",
        finds="a telephone number",
        asks="+ and a country's calling code with as many digits as it allows, or a national form with separators; "
        "bare digits only in a field named for it",
        least_share=0.05,
    ),
    Detector(
        id="card",
        finds="a payment card's number",
        asks="an issuer's range, a length that it uses, and the Luhn check",
        least_share=0.05,  # one in fifty random numbers of 16 digits passes all of it
    ),
    Detector(
        id="ssn",
        finds="a US social security number",
        asks="3-2-4 digits with a valid area, group and serial; bare digits only in a field named for it",
        least_share=0.01,
    ),
    Detector(
        id="iban",
        finds="a bank account's number",
        asks="a country's length for an IBAN, and 1 as the remainder modulo 97 (ISO 13616)",
    ),
    Detector(id="mac", finds="a network card's address", asks="six pairs of hexadecimal digits, not all alike"),
    Detector(
        id="uuid",
        finds="a UUID, as users and devices have",
        asks="8-4-4-4-12 hexadecimal digits, not all alike",
        least_share=0.5,
        personal=False,
    ),
    Detector(
        id="coordinates",
        finds="a place on the map",
        asks="a pair in range with three decimals or more, a geo: URI or a WKT point; one number only in a field named "
        "for it",
        least_share=0.05,
    ),
    Detector(
        id="birth_date", finds="a date of birth", asks="a field named for it, and a date of the last 130 years in it"
    ),
    Detector(
        id="person_name",
        finds="a person's name",
        asks="a field named for it, and one to six words of letters in it; or a field named for somebody's "
        "part, as buyer or signed_by, and two capitalised words or more",
    ),
    Detector(
        id="free_text",
        finds="text that holds a personal value",
        asks="an e-mail address, IP address, telephone, card or social security number, or IBAN among other words; "
        "JSON written as text with a personal field in it; or a field named for people's own words, as a note or a "
        "comment",
        least_share=0.01,
    ),
    Detector(id="identity", finds="an identity number", asks="a field named for it, and a digit in it"),
    Detector(id="device", finds="an identifier of a person's device", asks="a field named for it"),
    Detector(id="postcode", finds="a postcode", asks="a field named for it, and a digit in it"),
    Detector(id="address", finds="a postal address", asks="a field named for it, and a letter in it"),
    Detector(id="secret", finds="a secret", asks="a field named for it"),
    Detector(
        id="special", finds="a special category of personal data", asks="a field named for it; a yes or no is enough"
    ),
    Detector(id="income", finds="what somebody earns or owns", asks="a field named for it, and a digit in it"),
)

DETECTORS: Final[Mapping[DetectorId, Detector]] = {detector.id: detector for detector in _ALL}
