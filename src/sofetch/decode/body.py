r"""What a body must be before its fields are looked at: not too large, UTF-8, not too deep, one JSON document.

Owns the checks of the whole body. Must not know of columns. What is decided here:

* One leading byte order mark is skipped; UTF-16 and UTF-32 are not read.
* The whole body must be UTF-8, also where no column looks.
* Nesting is limited to ``MAX_DEPTH`` whatever the interpreter would bear, so that the answer is the same in every
  thread, on every version of Python and in every retry, and a C stack is never at risk.
* A lone surrogate anywhere (``"\ud800"``) makes the document one that no UTF-8 text can hold: ``invalid_unicode``.
* ``NaN``, ``Infinity``, comments, trailing commas, a second document: not JSON.
* Of several equal keys in one object the last one counts, as in Postgres' jsonb; where a column looks, each of them
  must be of the column's JSON type.
"""

from __future__ import annotations

import re

import msgspec

from sofetch.decode.unfit import Unfit
from sofetch.record import Reason

MAX_DEPTH = 512
"""Objects and arrays inside one another. Real events use a handful; the parser's own limit is below 1,000."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_JSON_SPACE = b" \t\r\n"
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)

# The closing quote is optional, so that an unterminated string costs one pass over the rest and not one per quote.
STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_TO_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + STRING + rb")*+(?P<bracket>[\[\]{}]|\Z)", re.DOTALL)
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1, b"": 0}

_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def readable(body: bytes, *, max_bytes: int) -> bytes:
    """The body, without a byte order mark, once it is known that parsing it is safe. Otherwise raises Unfit."""
    if len(body) > max_bytes:
        raise Unfit(Reason.BODY_TOO_LARGE)
    if not body.isascii():
        body = _utf8(body)
    # More opening brackets than the limit are needed to be too deep; counting them is much cheaper than following.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_deep(body):
        raise Unfit(Reason.TOO_DEEP)
    return body


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


def _is_deep(body: bytes) -> bool:
    depth = 0
    for match in _TO_NEXT_BRACKET.finditer(body):
        depth += _STEP[match["bracket"]]
        if depth > MAX_DEPTH:
            return True
    return False


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
