r"""What a body must be before its fields are looked at: within the limits, UTF-8, one JSON document.

Owns the checks of the whole body. Must not know of columns. What is decided here:

* One leading byte order mark is skipped; UTF-16 and UTF-32 are not read.
* The whole body must be UTF-8, also where no column looks.
* Nesting is limited to ``max_depth``, at most 512, whatever the interpreter would bear, so that the answer is the same
  in every thread, on every version of Python and in every retry, and a C stack is never at risk.
* Keys and the characters of a number are limited too, also where no column looks. Each limit is checked by a look that
  costs next to nothing and can only suspect too much; only a body that fails it is followed.
* The limits come before the syntax: a body that is no JSON either is rejected for the first limit that it breaks.
* A lone surrogate anywhere (``"\ud800"``) makes the document one that no UTF-8 text can hold: ``invalid_unicode``.
* ``NaN``, ``Infinity``, comments, trailing commas, a second document: not JSON.
* Of several equal keys in one object the last one counts, as in Postgres' jsonb; where a column looks, each of them
  must be of the column's JSON type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

import msgspec

from sofetch.decode.unfit import Unfit
from sofetch.record import Reason
from sofetch.settings import LimitSettings

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_LEAST_KEY_BYTES = 4
"""A key takes two quotes, a colon and a value, and all but one in an object a comma."""
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)

# The closing quote is optional, so that an unterminated string costs one pass over the rest and not one per quote.
STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_TO_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + STRING + rb")*+(?P<bracket>[\[\]{}]|\Z)", re.DOTALL)
_STRING_OR_COLON = re.compile(STRING + rb"|(?P<colon>:)", re.DOTALL)
_OF_A_NUMBER = rb"[0-9.eE+-]"
_SAMPLES = 8
"""A number above the limit is seen in this many looks at the body in a row."""
_SAMPLED_NUMBER = re.compile(_OF_A_NUMBER + rb"{%d}" % _SAMPLES)
_AS_RUNS = bytes(48 if byte in b"0123456789.eE+-" else 32 for byte in range(256))
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1, b"": 0}

_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def body_check(limits: LimitSettings) -> Callable[[bytes], bytes]:
    """A function that gives the body without a byte order mark, once it is known that parsing it is safe.

    It raises Unfit for what is not. The limits are looked up here, once: for a small body that is most of the work.
    """
    max_bytes, max_depth = limits.max_body_bytes, limits.max_depth
    max_keys, max_number_chars = limits.max_keys, limits.max_number_chars
    suspicious_bytes = min(max_number_chars, max_keys * _LEAST_KEY_BYTES)

    def readable(body: bytes) -> bytes:
        size = len(body)
        if size > max_bytes:
            raise Unfit(Reason.BODY_TOO_LARGE)
        if not body.isascii():
            body = _utf8(body)
        # More opening brackets than the limit are needed to be too deep; counting them is much cheaper than following.
        if body.count(b"{") + body.count(b"[") > max_depth and _is_deep(body, max_depth):
            raise Unfit(Reason.TOO_DEEP)
        if size > suspicious_bytes:
            if _has_keys(body, max_keys):
                raise Unfit(Reason.TOO_MANY_KEYS)
            if _has_number(body, max_number_chars):
                raise Unfit(Reason.NUMBER_TOO_LONG)
        return body

    return readable


def syntax_fault(body: bytes) -> Reason | None:
    """What is wrong with the body as a JSON document; None if it is one. Asked only after a parse failed."""
    if not body.strip(_JSON_SPACE):
        return Reason.EMPTY_BODY
    if _is_json(body):
        return None
    mended = _mend_surrogates(body)
    return Reason.INVALID_UNICODE if mended != body and _is_json(mended) else Reason.NOT_JSON


def _utf8(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Unfit(Reason.NOT_UTF8) from None
    return body.removeprefix(_BYTE_ORDER_MARK)


def _is_deep(body: bytes, most: int) -> bool:
    depth = 0
    for match in _TO_NEXT_BRACKET.finditer(body):
        depth += _STEP[match["bracket"]]
        if depth > most:
            return True
    return False


def _has_keys(body: bytes, most: int) -> bool:
    """Whether there are more than ``most`` keys: colons outside of strings, in whatever is JSON."""
    if body.count(b":") <= most:
        return False
    colons = (match for match in _STRING_OR_COLON.finditer(body) if match["colon"] is not None)
    return next(islice(colons, most, None), None) is not None


def _has_number(body: bytes, most: int) -> bool:
    """Whether a number outside of a string has more than ``most`` characters.

    A longer run of a number's characters covers ``_SAMPLES`` places in a row of those that are looked at first. Regular
    bodies can look so too, so the runs are looked for next, and only last is it asked what is a string.
    """
    if _SAMPLED_NUMBER.search(body[:: most // _SAMPLES]) is None:
        return False
    if b"0" * (most + 1) not in body.translate(_AS_RUNS):
        return False
    return any(match["number"] is not None for match in _string_or_long_number(most).finditer(body))


@lru_cache(maxsize=8)
def _string_or_long_number(most: int) -> re.Pattern[bytes]:
    """A string, or a run of a number's characters that is too long.

    One search after the other: Python before 3.11.5 goes on at the wrong place after a group that is repeated without
    backtracking (``*+``) and ends in a look ahead (gh-106052).
    """
    run = rb"(?<!" + _OF_A_NUMBER + rb")(?P<number>" + _OF_A_NUMBER + rb"{%d,}+)" % (most + 1)
    return re.compile(STRING + rb"|" + run, re.DOTALL)


def _is_json(body: bytes | bytearray) -> bool:
    try:
        _SYNTAX.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _mend_surrogates(body: bytes) -> bytearray:
    """The body with the replacement character in the place of each lone surrogate; both are six bytes long."""
    mended = bytearray(body)
    for match in _ESCAPE.finditer(body):
        if match["lone"] is not None:
            mended[match.start() : match.end()] = rb"\ufffd"
    return mended
