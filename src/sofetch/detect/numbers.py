"""Numbers with a check behind their form: payment cards, IBANs, US social security numbers. Pure."""

from __future__ import annotations

import re
from typing import Final

_CARD_FORM = re.compile(r"\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5}", re.ASCII)
_SSN_FORM = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", re.ASCII)
_BARE_SSN = re.compile(r"(?!000|666|9)\d{3}[ .-]?(?!00)\d{2}[ .-]?(?!0000)\d{4}", re.ASCII)
_IBAN_FORM = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)
_IBAN_PRINTED = re.compile(r"[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,4})?", re.ASCII)

_ISSUERS: Final = (
    # first and last prefix, lengths: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Mir, Maestro
    ("4", "4", {16, 19}),  # 13 is out of use, and one article number (EAN) in a hundred would pass
    ("51", "55", {16}),
    ("2221", "2720", {16}),
    ("34", "34", {15}),
    ("37", "37", {15}),
    ("300", "305", {14}),
    ("36", "36", {14}),
    ("38", "39", {14}),
    ("6011", "6011", {16, 19}),
    ("644", "659", {16, 19}),
    ("3528", "3589", {16}),
    ("62", "62", {16, 17, 18, 19}),
    ("2200", "2204", {16}),
    ("5018", "5018", {16}),
    ("5020", "5020", {16}),
    ("5038", "5038", {16}),
    ("6304", "6304", {16, 18, 19}),
    ("6759", "6763", {16, 18, 19}),
)

_IBAN_LENGTHS: Final = (
    # ISO 13616 registry: length and the countries that use it
    "15NO 16BE 18DK 18FI 18FO 18GL 18NL 18SD 18FK 19MK 19SI 20AT 20BA 20EE 20KZ 20LT 20LU 20MN 20XK 21CH 21HR "
    "21LI 21LV 22BG 22BH 22CR 22DE 22GB 22GE 22IE 22ME 22RS 23AE 23GI 23IL 23IQ 23OM 23SO 23TL 24AD 24CZ 24ES "
    "24MD 24PK 24RO 24SA 24SE 24SK 24TN 24VG 25LY 25PT 25ST 26IS 26TR 27BI 27DJ 27FR 27GR 27IT 27MC 27MR 27SM "
    "28AL 28AZ 28BY 28CY 28DO 28GT 28HN 28HU 28LB 28NI 28PL 28SV 29BR 29EG 29PS 29QA 29UA 30JO 30KW 30MU 30YE "
    "31MT 31SC 32LC 33RU "
)
_LENGTH_OF_IBAN: Final = {entry[2:]: int(entry[:2]) for entry in _IBAN_LENGTHS.split()}


def is_card(text: str) -> bool:
    """Digits of an issuer's range and length, plain or in the groups that cards print, that pass the Luhn check."""
    if not 14 <= len(text) <= 24 or _CARD_FORM.fullmatch(text) is None:
        return False
    digits = text.replace(" ", "").replace("-", "")
    return any(_issued(digits, *issuer) for issuer in _ISSUERS) and luhn(digits)


def is_ssn(text: str) -> bool:
    """A social security number as it is written, of an area, group and serial that can have been given out."""
    return _SSN_FORM.fullmatch(text) is not None


def is_bare_ssn(text: str) -> bool:
    """The same with any separators or none: nine digits, so only the field's name can tell them from others."""
    return _BARE_SSN.fullmatch(text) is not None


def is_iban(text: str) -> bool:
    """An IBAN, plain or in printed groups of four: its country's length, and modulo 97 it is 1."""
    if not 15 <= len(text) <= 42 or not (_IBAN_FORM.fullmatch(text) or _IBAN_PRINTED.fullmatch(text)):
        return False
    compact = text.replace(" ", "").upper()
    if _LENGTH_OF_IBAN.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def luhn(digits: str) -> bool:
    """The Luhn check (ISO 7812): every second digit from the right doubled, the sum of all digits ends in 0."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _issued(digits: str, first: str, last: str, lengths: set[int]) -> bool:
    return len(digits) in lengths and first <= digits[: len(first)] <= last
