from __future__ import annotations

import inspect
import sys
import threading
import tracemalloc

import pytest

from decoding import decoder, message, outcome
from sofetch.decode import Decoder
from sofetch.record import Reason

NESTED = (b"[", b"]"), (b'{"a":', b"}")


@pytest.fixture
def decode() -> Decoder:
    return decoder({"name": "used"}, {"name": "doc", "type": "jsonb"}, {"name": "secret", "mask": "token"})


WHOLE: list[tuple[str, bytes, Reason]] = [
    ("empty", b"", Reason.EMPTY_BODY),
    ("blank", b" \r\n\t ", Reason.EMPTY_BODY),
    ("a byte order mark alone", b"\xef\xbb\xbf", Reason.EMPTY_BODY),
    ("words", b"hello", Reason.NOT_JSON),
    ("truncated", b'{"used": "x', Reason.NOT_JSON),
    ("a wrong type before a syntax error", b'{"used": 1, "other": [}', Reason.NOT_JSON),
    ("an array before garbage", b"[1] x", Reason.NOT_JSON),
    ("two documents", b'{"used": "a"} {"used": "b"}', Reason.NOT_JSON),
    ("NUL after the document", b'{"used": "a"}\x00', Reason.NOT_JSON),
    ("a raw NUL in a used string", b'{"used": "a\x00"}', Reason.NOT_JSON),
    ("a raw control character in an unused string", b'{"other": "a\x01"}', Reason.NOT_JSON),
    ("NaN", b'{"other": NaN}', Reason.NOT_JSON),
    ("a bad escape where no column looks", b'{"other": "\\q"}', Reason.NOT_JSON),
    ("a bad number where no column looks", b'{"other": 01}', Reason.NOT_JSON),
    ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf{}", Reason.NOT_JSON),
    ("a byte order mark in the middle", b'{"used":\xef\xbb\xbf"a"}', Reason.NOT_JSON),
    ("UTF-16", '{"used": "é"}'.encode("utf-16"), Reason.NOT_UTF8),
    ("not UTF-8 in a used string", b'{"used": "\xff"}', Reason.NOT_UTF8),
    ("not UTF-8 in an unused string", b'{"other": "\xc3"}', Reason.NOT_UTF8),
    ("not UTF-8 in a key", b'{"\xff": 1}', Reason.NOT_UTF8),
    ("a surrogate as bytes", b'{"used": "\xed\xa0\x80"}', Reason.NOT_UTF8),
    ("a lone high surrogate", b'{"used": "\\ud800"}', Reason.INVALID_UNICODE),
    ("a lone low surrogate", b'{"used": "x\\uDFFFy"}', Reason.INVALID_UNICODE),
    ("surrogates the wrong way round", b'{"used": "\\udc00\\ud800"}', Reason.INVALID_UNICODE),
    ("a high surrogate and a letter", b'{"used": "\\ud800\\u0041"}', Reason.INVALID_UNICODE),
    ("a lone surrogate where no column looks", b'{"other": ["\\ud83d"]}', Reason.INVALID_UNICODE),
    ("a lone surrogate in a key", b'{"\\ud83d": 1}', Reason.INVALID_UNICODE),
    ("a lone surrogate in jsonb", b'{"doc": {"a": "\\ud83d"}}', Reason.INVALID_UNICODE),
    ("a lone surrogate and a syntax error", b'{"used": "\\ud800"', Reason.NOT_JSON),
    ("an array", b'[{"used": "a"}]', Reason.NOT_AN_OBJECT),
    ("a string", b'"used"', Reason.NOT_AN_OBJECT),
    ("a number", b"12", Reason.NOT_AN_OBJECT),
    ("null", b"null", Reason.NOT_AN_OBJECT),
]


@pytest.mark.parametrize(("body", "reason"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE])
def test_body_that_is_no_json_object_is_rejected_with_its_reason(decode: Decoder, body: bytes, reason: Reason) -> None:
    assert outcome(decode, body) == (reason, None)


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"used": "a"}',
        b' \t\r\n{"used" : "a"}\n',
        b'{"us\\u0065d": "a"}',
        b'{"used": "z", "used": "a"}',
        b'{"used": "a", "other": "\\\\ud800"}',
        b'{"used": "a", "other": "\\u0000"}',
        b'{"used": "a", "other": 1e400000}',
        b'{"used": "a", "other": ' + b"9" * 1_000 + b"}",
        b'{"used": "a", "other": "' + b"9" * 10_000 + b'"}',
        b'{"used": "a", "USED": 1, "Used ": 2}',
    ],
)
def test_what_json_allows_and_no_column_reads_does_no_harm(decode: Decoder, body: bytes) -> None:
    assert outcome(decode, body) == ("a", None, None)


def test_body_of_the_wrong_shape_names_the_first_missing_column() -> None:
    decode = decoder({"name": "a"}, {"name": "b", "required": True}, {"name": "c", "required": True})
    assert outcome(decode, b'{"foo": "oops_wrong_msg_type", "bar": "123"}') == (Reason.MISSING_FIELD, "b")


def test_body_is_measured_in_bytes_before_it_is_read() -> None:
    decode = decoder({"name": "used"}, max_body_bytes=20)
    assert outcome(decode, b'{"used": "12345678"}') == ("12345678",)
    assert outcome(decode, b'{"used": "123456789"}') == (Reason.BODY_TOO_LARGE, None)
    assert outcome(decode, b"\xff" * 21) == (Reason.BODY_TOO_LARGE, None)


@pytest.mark.parametrize("field", [b"used", b"other", b"doc", b"secret"])
@pytest.mark.parametrize("brackets", NESTED)
@pytest.mark.parametrize("depth", [512, 20_000, 100_000])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_body_is_too_deep_wherever_it_is_deep(
    decode: Decoder, field: bytes, brackets: tuple[bytes, bytes], depth: int, *, closed: bool
) -> None:
    opening, closing = brackets
    body = b'{"' + field + b'":' + opening * depth + b"1" + (closing * depth + b"}" if closed else b"")
    assert outcome(decode, body) == (Reason.TOO_DEEP, None)


def test_body_as_deep_as_the_limit_is_read(decode: Decoder) -> None:
    document = b"[" * 511 + b"]" * 511
    assert outcome(decode, b'{"doc":' + document + b"}") == (None, document, None)


@pytest.mark.parametrize("most", [1, 3, 512])
def test_depth_is_what_the_setting_says(most: int) -> None:
    decode = decoder({"name": "used"}, max_depth=most)
    within = b'{"other":' + b"[" * (most - 1) + b"]" * (most - 1) + b"}" if most > 1 else b"{}"
    assert outcome(decode, within) == (None,)
    assert outcome(decode, b'{"other":' + b"[" * most + b"]" * most + b"}") == (Reason.TOO_DEEP, None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "b": 2, "used": "x"}',
        b'{"used": "x", "b": {"c": [{"d": 1}]}}',
        b'{"used": "x", "b": ":::::::::::::::::::", "c": "\\":\\":"}',
        b'{"used": "x", "used": "x", "used": "x"}',
    ],
)
def test_keys_of_all_objects_are_counted_and_colons_of_texts_are_not(body: bytes) -> None:
    keys = 4 if b"{" in body[1:] else 3
    column = {"name": "used"}
    assert outcome(decoder(column, max_keys=keys), body) == ("x",)
    assert outcome(decoder(column, max_keys=keys - 1), body) == (Reason.TOO_MANY_KEYS, None)


NUMBERS = [b"9" * 40, b"-" + b"1" * 39, b"0." + b"3" * 38, b"1E+" + b"2" * 37]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("around", [b'{"other":%s}', b'{"other":[1,"%%",%s ]}', b'{"used":%s}', b'{"doc":{"a":%s}}'])
@pytest.mark.parametrize("before", [b"", b'{"other":"' + b"1" * 97 + b'"}, '], ids=["at the start", "further on"])
def test_a_number_longer_than_the_setting_is_rejected_wherever_it_stands(
    number: bytes, around: bytes, before: bytes
) -> None:
    columns = [{"name": "used", "type": "numeric"}, {"name": "doc", "type": "jsonb"}]
    body = around % number
    body = body[:1] + (b'"before":' + before if before else b"") + body[1:]
    assert outcome(decoder(*columns, max_number_chars=39), body) == (Reason.NUMBER_TOO_LONG, None)
    assert Reason.NUMBER_TOO_LONG not in outcome(decoder(*columns, max_number_chars=40), body)


def test_a_long_number_is_found_at_every_place_of_a_body() -> None:
    decode = decoder({"name": "used"}, max_number_chars=40)
    for shift in range(50):
        padded = b'{"used":"a","b":' + b" " * shift + b"8" * 41 + b"}"
        assert outcome(decode, padded) == (Reason.NUMBER_TOO_LONG, None)


@pytest.mark.parametrize("type_", ["int", "bigint", "numeric", "jsonb", "text", "bool"])
def test_an_integer_of_400_000_digits_is_refused_unread_whatever_the_column(type_: str) -> None:
    body = b'{"v": ' + b"9" * 400_000 + b"}"
    assert outcome(decoder({"name": "v", "type": type_}), body) == (Reason.NUMBER_TOO_LONG, None)
    assert outcome(decoder({"name": "v", "mask": "token"}), body) == (Reason.NUMBER_TOO_LONG, None)


def test_numbers_as_long_as_python_reads_are_read_where_the_limit_is_raised() -> None:
    decode = decoder({"name": "v", "mask": "token"}, max_number_chars=4_300)
    assert outcome(decode, b'{"v": ' + b"9" * 4_300 + b"}") == (10**4_300 - 1,)


def test_deep_body_is_too_deep_in_a_thread_with_a_small_stack(decode: Decoder) -> None:
    seen: list[object] = []
    body = b'{"doc":' + b"[" * 100_000
    before = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=lambda: seen.append(outcome(decode, body)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert seen == [(Reason.TOO_DEEP, None)]


def test_caller_deep_in_the_stack_gets_a_rejection_and_no_exception(decode: Decoder) -> None:
    body = b'{"doc":' + b"[" * 200 + b"]" * 200 + b"}"

    def down(levels: int) -> object:
        return down(levels - 1) if levels else outcome(decode, body)

    frames = len(inspect.stack())
    assert down(sys.getrecursionlimit() - frames - 100) == (Reason.TOO_DEEP, None)


def test_wide_body_is_not_deep(decode: Decoder) -> None:
    document = b"[" + b",".join([b"[{}]"] * 5_000) + b"]"
    assert outcome(decode, b'{"doc":' + document + b"}") == (None, document, None)


def test_brackets_in_strings_are_not_depth(decode: Decoder) -> None:
    text = '\\"' + "[{" * 1_000 + '\\"'
    assert outcome(decode, f'{{"used": "{text}"}}'.encode()) == (text.replace("\\", ""), None, None)


def test_ten_thousand_keys_are_read_for_the_one_that_counts(decode: Decoder) -> None:
    keys = b",".join(b'"k%d": %d' % (number, number) for number in range(10_000))
    assert outcome(decode, b"{" + keys + b', "used": "a"}') == ("a", None, None)


SIZE = 2**18

HOSTILE: list[tuple[str, bytes]] = [
    ("brackets", b"[" * SIZE),
    ("quotes", b'"' * SIZE),
    ("escaped quotes", b'{"doc":"' + b'\\"' * SIZE),
    ("backslashes", b'{"doc":"' + b"\\" * SIZE),
    ("escaped NUL escapes", b'{"doc":"' + b"\\\\" * SIZE + b"\\\\u0000" * 9_000 + b'"}'),
    ("digits", b'{"doc":' + b"9" * SIZE + b"}"),
    ("digit runs", b'{"doc":[' + b",".join([b"9" * 16_000] * (SIZE // 16_000)) + b"]}"),
    ("exponents", b'{"doc":[' + b",".join([b"1e5555"] * (SIZE // 7)) + b"]}"),
    ("surrogates", b'{"used":"' + b"\\ud800" * (SIZE // 6) + b'"}'),
    ("empty objects", b'{"doc":[' + b",".join([b"{}"] * (SIZE // 3)) + b"]}"),
    ("empty strings", b'{"doc":[' + b",".join([b'""'] * (SIZE // 3)) + b"]}"),
    ("strings and brackets", b'{"doc":[' + b",".join([b'[""]'] * (SIZE // 5)) + b",1e5000]}"),
    ("digits for a mask", b'{"secret":' + b"9" * SIZE + b"}"),
]


@pytest.mark.parametrize("body", [body for _, body in HOSTILE], ids=[name for name, _ in HOSTILE])
def test_memory_stays_a_small_multiple_of_a_hostile_body(decode: Decoder, body: bytes) -> None:
    given = [message(body)]
    tracemalloc.start()
    try:
        decoded = decode(given)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(decoded.records) + len(decoded.rejections) == 1
    assert peak_bytes < 8 * len(body)


def test_bad_message_leaves_its_neighbours_alone_and_the_order_as_it_was(decode: Decoder) -> None:
    bad = [body for _, body, _ in WHOLE] + [b'{"doc":' + b"[" * 20_000, b'{"used": []}', b'{"used": "\\u0000"}']
    batch = []
    for number, body in enumerate(bad):
        batch += [message(b'{"used": "n%d"}' % number, id=f"good-{number}"), message(body, id=f"bad-{number}")]
    decoded = decode(batch)
    assert [record.values[0] for record in decoded.records] == [f"n{number}" for number in range(len(bad))]
    assert [record.message.id for record in decoded.records] == [f"good-{number}" for number in range(len(bad))]
    assert [rejection.message.id for rejection in decoded.rejections] == [f"bad-{number}" for number in range(len(bad))]


def test_no_messages_are_no_records(decode: Decoder) -> None:
    decoded = decode([])
    assert (decoded.records, decoded.rejections) == ([], [])


def test_rejection_holds_no_text_of_the_body_in_its_cause_or_context() -> None:
    decode = decoder({"name": "f", "type": "uuid"}, {"name": "g", "type": "inet"}, {"name": "h", "type": "numeric"})
    for body in (b'{"f": "canary-5928"}', b'{"g": "canary-5928"}', b'{"h": "canary-5928"}', b'{"canary-5928"}'):
        (rejection,) = decode([message(body)]).rejections
        assert "canary" not in repr((rejection.reason, rejection.field, repr(rejection)))
