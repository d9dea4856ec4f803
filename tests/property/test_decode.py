from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from decoding import decoder, message, outcome
from sofetch.decode import Decoder
from sofetch.record import Message, Reason, Record, Rejection
from sofetch.settings import ColumnType

KEYS = ("user_id", "ip", "a", "b", "v")

PLAIN = st.characters(exclude_categories=["Cs"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.sampled_from(["2.3.0", "10.0.0.1", "2020-01-01", "2020-01-01T00:00:00Z", "\0", "\ud800", "1e400000"])
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=12
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS) | st.text(PLAIN), DOCUMENTS, max_size=6)
JSON_BODIES = OBJECTS.map(lambda value: json.dumps(value).encode())


@st.composite
def broken_bodies(draw: st.DrawFn) -> bytes:
    """A JSON body with a piece cut out, or something put in."""
    body = draw(JSON_BODIES)
    start, end = sorted(draw(st.tuples(st.integers(0, len(body)), st.integers(0, len(body)))))
    return body[:start] + draw(st.binary(max_size=4) | st.sampled_from(HOSTILE_PIECES)) + body[end:]


HOSTILE_PIECES = [
    *(b"\\u0000", b"\\ud800", b"\0", b"\xff", b"\xef\xbb\xbf", b'"', b"\\", b"{}", b",", b":", b"1e9", b"1e400000"),
    *(b"[" * 600, b'{"a":' * 600, b"9" * 1_100, b'"a":1,' * 30),
]
BODIES = st.binary() | JSON_BODIES | broken_bodies()

COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "required": True},
    {"name": "masked_ip", "from": "ip", "mask": "token"},
    {"name": "deep", "from": "a.b[1].v", "type": "int", "default": 3},
    {"name": "document", "from": "b", "type": "jsonb"},
    {"name": "day", "value": "sent_date", "type": "date"},
    {"name": "text", "from": "v", "max_length": 20},
]
DECODERS = [decoder(*COLUMNS), decoder(*COLUMNS, max_depth=3, max_keys=5, max_number_chars=40)] + [
    decoder({"name": "v", "type": name}) for name in get_args(ColumnType)
]


@given(st.sampled_from(DECODERS), st.lists(BODIES, max_size=8))
def test_every_message_is_in_exactly_one_list_in_order_and_fares_as_it_would_alone(
    decode: Decoder, bodies: list[bytes]
) -> None:
    messages = [message(body, id=f"m-{number}") for number, body in enumerate(bodies)]
    decoded = decode(messages)
    assert _ids(decoded.records) == sorted(_ids(decoded.records))
    assert _ids(decoded.rejections) == sorted(_ids(decoded.rejections))
    assert sorted(_ids(decoded.records) + _ids(decoded.rejections)) == _numbers(messages)
    for record in decoded.records:
        assert outcome(decode, record.message.body) == record.values
    for rejection in decoded.rejections:
        assert outcome(decode, rejection.message.body) == (rejection.reason, rejection.field)


@given(st.sampled_from(DECODERS), BODIES)
def test_good_neighbours_of_any_body_load_with_their_own_values(decode: Decoder, body: bytes) -> None:
    good = message(b'{"user_id": "good", "ip": "10.0.0.1", "v": null}', id="good")
    decoded = decode([good, message(body), good])
    (alone,) = decode([good]).records
    survivors = [record.values for record in decoded.records if record.message is good]
    assert survivors == [alone.values, alone.values]


@given(BODIES)
def test_field_of_a_rejection_is_a_configured_column_or_nothing(body: bytes) -> None:
    for rejection in DECODERS[0]([message(body)]).rejections:
        assert rejection.reason in Reason
        assert rejection.field in {None} | {column["name"] for column in COLUMNS}


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\')), st.text(PLAIN))
)
def test_text_of_any_key_comes_out_as_it_went_in(value: dict[str, str]) -> None:
    columns = [{"name": f"c{number}", "from": f'"{key}"'} for number, key in enumerate(value)]
    decode = decoder(*columns, {"name": "m", "value": "message_id"})
    for ensure_ascii in (True, False):
        came = outcome(decode, json.dumps(value, ensure_ascii=ensure_ascii).encode())
        expected = tuple(value.values())
        if any("\0" in text for text in expected):
            assert came[0] is Reason.NUL_CHARACTER
        else:
            assert came == (*expected, "m-1")


@given(st.integers(-(2**70), 2**70))
def test_integer_is_exact_or_out_of_range(number: int) -> None:
    body = b'{"v": %d}' % number
    for name, bits in (("int", 32), ("bigint", 64)):
        fits = -(2 ** (bits - 1)) <= number < 2 ** (bits - 1)
        expected = (number,) if fits else (Reason.OUT_OF_RANGE, "v")
        assert outcome(decoder({"name": "v", "type": name}), body) == expected
    assert outcome(decoder({"name": "v", "mask": "token"}), body) == (number,)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,60})(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,6})?", fullmatch=True))
def test_numeric_is_exactly_what_was_written_or_out_of_range(text: str) -> None:
    decode = decoder({"name": "v", "type": "numeric"})
    came = outcome(decode, f'{{"v": {text}}}'.encode())
    assert came == outcome(decode, f'{{"v": "{text}"}}'.encode())
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent <= 16_383 and -16_383 <= Decimal(text).adjusted() < 131_072:
        assert str(came[0]) == str(Decimal(text))
    else:
        assert came == (Reason.OUT_OF_RANGE, "v")


@given(DOCUMENTS)
def test_document_keeps_its_bytes_or_holds_what_postgres_cannot(document: object) -> None:
    text = json.dumps(document).encode()
    came = outcome(decoder({"name": "v", "type": "jsonb"}), b'{"v": ' + text + b"}")
    if document is None:
        assert came == (None,)
    else:
        assert came == (text,) or came[0] in (Reason.NUL_CHARACTER, Reason.INVALID_UNICODE)


def _ids(items: Sequence[Record] | Sequence[Rejection]) -> list[int]:
    return _numbers([item.message for item in items])


def _numbers(messages: Sequence[Message]) -> list[int]:
    return [int(each.id.removeprefix("m-")) for each in messages]
