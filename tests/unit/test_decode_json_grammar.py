"""JSON's grammar taken apart: bodies put together from good and bad pieces, and what must become of each.

The pieces are those that the public parsing suites try, in our own words. A piece says itself whether it is JSON; for
whole documents Python's own parser, made strict, is asked for a second opinion.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import NoReturn

import pytest

from decoding import decoder, outcome
from sofetch.decode import Decoder
from sofetch.record import Reason

REFUSED = {Reason.NOT_JSON, Reason.INVALID_UNICODE, Reason.EMPTY_BODY, Reason.NOT_UTF8, Reason.NOT_AN_OBJECT}

SIGNS = {"": True, "-": True, "+": False, "--": False, "\u2212": False}
WHOLES = {
    "0": True,
    "7": True,
    "10": True,
    "": False,
    "00": False,
    "01": False,
    "0x1": False,
    "1_0": False,
    "\uff11": False,
}
FRACTIONS = {"": True, ".0": True, ".50": True, ".": False, "..1": False, ".1.1": False, ",5": False}
EXPONENTS = {"": True, "e1": True, "E+02": True, "e-0": True, "e": False, "e+": False, "e1.0": False, "ee1": False}

LITERALS = ("true", "false", "null")
DOCUMENT = '{"a": [1, -2.5e3, "x\\u00e9\\n", true, null, {"b": {}}], "c": "é", "d": false}'


@pytest.fixture(scope="module")
def decode() -> Decoder:
    return decoder({"name": "read"})


def numbers() -> Iterator[tuple[str, bool]]:
    for pieces in itertools.product(SIGNS.items(), WHOLES.items(), FRACTIONS.items(), EXPONENTS.items()):
        text = "".join(piece for piece, _ in pieces)
        yield text, all(good for _, good in pieces)


def texts() -> Iterator[tuple[bytes, bool]]:
    for byte in range(128):
        raw = bytes([byte])
        yield b'"a' + raw + b'z"', byte >= 0x20 and raw not in b'"\\'
        yield b'"\\' + raw + b'"', raw in b'"\\/bfnrt'
        yield b'"\\u00' + raw + b'1"', raw in b"0123456789abcdefABCDEF"
    for length in range(4):
        yield b'"\\u' + b"0" * length + b'"', False
    for quote in (b"'a'", b"`a`", b"a", b"\xe2\x80\x9ca\xe2\x80\x9d", b'"a', b'a"', b'"""a"""'):
        yield quote, False


def utf8() -> Iterator[tuple[bytes, bool]]:
    for byte in range(0x80, 0x100):
        yield bytes([byte]), False
    for start, good in [("c280", True), ("e0a080", True), ("ed9fbf", True), ("f0908080", True), ("f48fbfbf", True)]:
        yield bytes.fromhex(start), good
    for overlong_or_surrogate in ("c080", "c1bf", "e08080", "eda080", "edbfbf", "f0808080", "f4908080", "f8888080"):
        yield bytes.fromhex(overlong_or_surrogate), False


def refused(came: tuple[object, ...]) -> bool:
    return came[0] in REFUSED


def test_the_pieces_make_well_over_a_thousand_bodies() -> None:
    assert len(list(numbers())) + len(list(texts())) + len(list(utf8())) > 1_500


def test_a_number_is_read_if_each_of_its_pieces_is_json(decode: Decoder) -> None:
    for text, good in numbers():
        body = f'{{"unread": {text} , "read": "x"}}'.encode()
        assert outcome(decode, body) == (("x",) if good else (Reason.NOT_JSON, None)), text


def test_a_text_is_read_if_each_of_its_bytes_may_stand_there(decode: Decoder) -> None:
    for text, good in texts():
        came = outcome(decode, b'{"unread": ' + text + b', "read": "x"}')
        assert (came == ("x",)) == good, text
        assert refused(came) == (not good), text


def test_utf8_is_read_strictly_in_texts_and_in_keys(decode: Decoder) -> None:
    for piece, good in utf8():
        for body in (b'{"unread": "%s", "read": "x"}', b'{"%s": 1, "read": "x"}'):
            came = outcome(decode, body % piece)
            assert came == (("x",) if good else (Reason.NOT_UTF8, None)), piece


def test_only_four_bytes_are_space(decode: Decoder) -> None:
    for byte in range(128):
        space = bytes([byte])
        body = b"{%s" % space + b'"read"%s:%s"x"%s}' % (space, space, space)
        assert (outcome(decode, body) == ("x",)) == (space in b" \t\r\n"), byte


def test_literals_are_whole_and_in_lower_case(decode: Decoder) -> None:
    for literal in LITERALS:
        assert outcome(decode, f'{{"unread": {literal}, "read": "x"}}'.encode()) == ("x",)
        others = [literal[:end] for end in range(len(literal))] + [literal.upper(), literal.title(), literal + "x"]
        for other in others:
            assert outcome(decode, f'{{"unread": {other}, "read": "x"}}'.encode()) == (Reason.NOT_JSON, None), other


def test_a_document_that_lost_or_gained_a_byte_anywhere_fares_as_with_a_strict_parser(decode: Decoder) -> None:
    whole = DOCUMENT.encode()
    assert outcome(decode, whole) == (None,)
    for at in range(len(whole)):
        spoilt = [whole[:at], whole[at:], whole[:at] + whole[at + 1 :], whole[:at] + whole[at : at + 1] + whole[at:]]
        spoilt += [whole[:at] + piece + whole[at:] for piece in (b'"', b"\\", b",", b"]", b"{", b"\0", b"0", b"/**/")]
        for body in spoilt:
            assert refused(outcome(decode, body)) == (not is_json_object(body)), body


def test_two_documents_are_not_one_however_they_are_put_together(decode: Decoder) -> None:
    for between in ("", " ", "\n", ",", ";", "\0", "\x1e", "\ufeff"):
        assert outcome(decode, f'{{"read": "x"}}{between}{{}}'.encode()) == (Reason.NOT_JSON, None)


def is_json_object(body: bytes) -> bool:
    """What Python's parser says, without the constants, the control characters and the lone halves it lets pass."""
    try:
        return isinstance(json.loads(body.decode(), parse_constant=_refuse), dict)
    except ValueError:
        return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
