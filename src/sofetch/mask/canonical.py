"""Canonical forms: one type byte and then bytes, so that one identity has one token.

Owns the bytes that tokens are made of. They are a contract for as long as tokens are kept: a change here forks every
token there is. Pure; it must not know keys or columns. A form is None for what is not of its kind; a text that has no
UTF-8 (a lone surrogate) raises UnicodeEncodeError, which carries the text: callers answer it where they call.

========= ==== ==========================================================================================
kind      byte after it
========= ==== ==========================================================================================
string    53   UTF-8 of NFC, stripped, case kept
ip        04   4 bytes; ``::ffff:a.b.c.d`` is IPv4
ip        06   16 bytes
email     45   NFC, stripped, lower, the domain as IDNA A-labels, ``+tag`` kept (see ``canonical_email``)
uuid      55   lower, hyphens
int       49   decimal, no leading zeros, ``-`` if negative
code      43   ASCII letters and digits, capitals; what stands between them is dropped (see ``canonical_code``)
date      44   ``YYYY-MM-DD`` as written
number    4E   decimal digits, with a point only if there is a fraction, as short as the number allows
========= ==== ==========================================================================================

Blank is what ``str.strip`` leaves empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, assert_never
from unicodedata import normalize

from sofetch.mask.email import domain_to_ascii
from sofetch.record import Value
from sofetch.settings import Kind

STRING: Final = b"S"
IPV4: Final = b"\x04"
IPV6: Final = b"\x06"
EMAIL: Final = b"E"
UUID: Final = b"U"
INT: Final = b"I"
CODE: Final = b"C"
DATE: Final = b"D"
NUMBER: Final = b"N"

BLANK: Final = STRING
"""The string form of an empty or blank text."""

Canonical = Callable[[Value], bytes | None]


def canonical_of(kind: Kind) -> Canonical:  # noqa: PLR0911  # one case a kind
    """The function that gives a kind's canonical form."""
    match kind:
        case "string":
            return canonical_string
        case "ip":
            return canonical_ip
        case "email":
            return canonical_email
        case "uuid":
            return canonical_uuid
        case "int":
            return canonical_int
        case "code":
            return canonical_code
        case "date":
            return canonical_date
        case "number":
            return canonical_number
        case _:
            assert_never(kind)


def canonical_string(value: Value) -> bytes | None:
    """Text only: a number or boolean is not a string, though policy may take its text for one."""
    return STRING + _tidy(value).encode() if isinstance(value, str) else None


def canonical_ip(value: Value) -> bytes | None:
    """What ``inet_pton`` takes: no zone, port, brackets, CIDR or leading zeros."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        if ":" not in text:
            return IPV4 + inet_pton(AF_INET, text)
        if "%" in text:  # some systems' inet_pton takes a zone
            return None
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate inside
        return None
    return IPV4 + packed[12:] if packed.startswith(_MAPPED) else IPV6 + packed


def canonical_email(value: Value) -> bytes | None:
    """An RFC 5322 dot-atom, ``@``, and a domain of two labels or more; 64 and 253 bytes at most.

    Quoted local parts and address literals are not e-mails here. The local part is lower-cased though RFC 5321 allows
    a host to tell case apart: none of note does, and people type it either way.
    """
    if not isinstance(value, str):
        return None
    local, at, domain = _tidy(value).rpartition("@")
    local = local.lower()
    ascii_domain = domain_to_ascii(domain) if at and _LOCAL_PART.fullmatch(local) else None
    if ascii_domain is None or len(encoded := local.encode()) > 64:
        return None
    return EMAIL + encoded + b"@" + ascii_domain.encode()


def canonical_uuid(value: Value) -> bytes | None:
    """With its hyphens or with none; braces and ``urn:uuid:`` may stand round it."""
    match = _UUID.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        return None
    digits = match["digits"].replace("-", "")
    return f"U{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


def canonical_int(value: Value) -> bytes | None:
    """An integer, or a text of ASCII digits with a sign or none; ``007`` is 7. Floats and booleans are not ints."""
    if isinstance(value, int) and not isinstance(value, bool):
        text = integer_text(value)
    else:
        text = value.strip() if isinstance(value, str) else None
    match = _INT.fullmatch(text) if text is not None else None
    if match is None:
        return None
    digits = match["digits"]
    return f"I{'-' if match['sign'] == '-' and digits != '0' else ''}{digits}".encode()


def canonical_code(value: Value) -> bytes | None:
    """What people write with blanks and hyphens or without: numbers of cards, accounts, telephones, papers.

    ASCII letters and digits, and between them white space, ``-./+()_:`` and the hyphens of Unicode; or an integer that
    is not negative. Leading zeros stay: ``0049`` is not ``+49``, and nothing here knows that the two are one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        text = integer_text(value)
    else:
        text = "".join(value.translate(_DROPPED).split()) if isinstance(value, str) else None
    return CODE + text.upper().encode() if text is not None and _CODE.fullmatch(text) else None


def canonical_date(value: Value) -> bytes | None:
    """``YYYY-MM-DD``, or an ISO 8601 date and time, of which the date counts as it is written, whatever its zone."""
    if isinstance(value, date):  # a datetime is one too
        return f"D{value.year:04}-{value.month:02}-{value.day:02}".encode()
    text = value.strip() if isinstance(value, str) else ""
    if not _DATE.fullmatch(text):
        return None
    try:
        datetime.fromisoformat(text.replace(" ", "T", 1))
    except ValueError:
        return None
    return b"D" + text[:10].encode()


def canonical_number(value: Value) -> bytes | None:
    """A number, or a text that is written like one, of at most 30 digits before the point and as many after it."""
    match value:
        case bool():
            return None
        case int() | float() | Decimal():
            text = integer_text(value) if isinstance(value, int) else str(value)
        case str():
            text = value.strip()
        case _:
            return None
    if text is None or _NUMBER.fullmatch(text) is None:
        return None
    number = Decimal(text)
    shortest = number.normalize(_EXACT) if number else Decimal(0)
    exponent = shortest.as_tuple().exponent
    if not isinstance(exponent, int) or shortest.adjusted() >= _NUMBER_DIGITS or -exponent > _NUMBER_DIGITS:
        return None
    return NUMBER + f"{shortest:f}".encode()


def canonical_text(value: Value) -> bytes | None:
    """The string form of any scalar, for what is not of its kind. Numbers of equal value have equal text.

    So a device id that comes as the number 12345 has the token of the string "12345".
    """
    match value:
        case str():
            return canonical_string(value)
        case bool():
            return b"Strue" if value else b"Sfalse"
        case int():
            text = integer_text(value)
        case float():
            text = _decimal_text(Decimal(repr(value)))
        case Decimal():
            text = _decimal_text(value)
        case _:
            return None
    return STRING + text.encode() if text is not None else None


def integer_text(value: int) -> str | None:
    """Its decimal digits, or None past 4,300 of them, where Python refuses to convert."""
    try:
        return str(value)
    except ValueError:
        return None


_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOCAL_ATOM: Final = r'[^\s\x00-\x20\x7f-\x9f"(),.:;<>@\[\\\]]+'
_LOCAL_PART: Final = re.compile(rf"{_LOCAL_ATOM}(?:\.{_LOCAL_ATOM})*")
_UUID: Final = re.compile(
    r"(?P<brace>\{)?(?:urn:uuid:)?(?P<digits>[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?(brace)\})"
)
_INT: Final = re.compile(r"(?P<sign>[+-]?)0*(?P<digits>0|[1-9][0-9]*)")
_CODE: Final = re.compile(r"[0-9A-Za-z]+")
_DROPPED: Final = dict.fromkeys(map(ord, "-./+()_:\u2010\u2011\u2012\u2013\u2014\u2015"))
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:.,+Zz-]+)?")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,64}(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,3})?")
_NUMBER_DIGITS: Final = 30
_PLAIN_DIGITS: Final = 400  # more than the 309 that an integral float can have
_EXACT: Final = Context(
    prec=2_000_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[]
)  # more digits than a body of 1 MiB can hold


def _tidy(text: str) -> str:
    return (text if text.isascii() else normalize("NFC", text)).strip()


def _decimal_text(number: Decimal) -> str | None:
    if not number.is_finite():
        return None
    if not number:
        return "0"
    if number.adjusted() < _PLAIN_DIGITS and number == number.to_integral_value():
        return str(int(number))
    return str(number.normalize(_EXACT))
