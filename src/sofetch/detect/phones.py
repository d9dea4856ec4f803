"""Telephone numbers by form: international with a calling code, and the national forms that can be told from others.

A national number without separators is a number like any other: only its field's name tells. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_INTERNATIONAL = re.compile(r"(?:tel:)?\+\d(?:(?: ?\(0?\d*\) ?|[ ./-]{0,2})\d){6,16}", re.ASCII)
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-])?(?:\([2-9]\d\d\)[ .-]?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?:\s?(?:x|ext\.?) ?\d{1,6})?",
    re.ASCII | re.IGNORECASE,
)
_WITH_TRUNK_PREFIX = re.compile(r"\(?0[1-9]\d{0,4}\)?(?: ?[ /.-] ?\d{2,8}){1,5}", re.ASCII)
_DATE_LIKE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}\b|0\d{3}(?:-\d{4}){2}", re.ASCII)
_ANY = re.compile(r"(?:tel:)?\+?[\d(][\d ()./-]{3,22}\d", re.ASCII)

_ASSIGNED = (
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 "
    "84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 "
    "235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 "
    "263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 "
    "375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503 504 505 506 507 508 509 590 591 "
    "592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 "
    "691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 "
    "971 972 973 974 975 976 977 979 992 993 994 995 996 998 "
)
_CALLING_CODES: Final = frozenset(_ASSIGNED.split())
_FIXED_LENGTHS: Final = {"1": 11, "7": 11, "33": 11, "34": 11, "45": 10, "48": 11, "351": 12}
_LEAST_DIGITS, _MOST_DIGITS = 7, 15  # E.164 allows 15; Saint Helena has +290 and four
_LEAST_NATIONAL_DIGITS = 5


def is_phone(text: str) -> bool:
    """A number that its own form gives away."""
    if not 8 <= len(text) <= 40:
        return False
    if _INTERNATIONAL.fullmatch(text):
        return _is_assigned(text)
    if _NORTH_AMERICAN.fullmatch(text):
        return True
    return _WITH_TRUNK_PREFIX.fullmatch(text) is not None and _fits_trunk_form(text)


def is_any_phone(text: str) -> bool:
    """A number that is a telephone's if the field's name says so."""
    return _ANY.fullmatch(text) is not None and _LEAST_NATIONAL_DIGITS <= len(_digits(text)) <= _MOST_DIGITS


def _is_assigned(text: str) -> bool:
    digits = _digits(text.replace("(0)", ""))
    code = next((digits[:size] for size in (1, 2, 3) if digits[:size] in _CALLING_CODES), None)
    if code is None:
        return False
    fixed = _FIXED_LENGTHS.get(code)
    return len(digits) == fixed if fixed else _LEAST_DIGITS <= len(digits) <= _MOST_DIGITS


def _fits_trunk_form(text: str) -> bool:
    return 9 <= len(_digits(text)) <= 12 and not _DATE_LIKE.match(text)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())
