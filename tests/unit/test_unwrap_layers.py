"""Each layer by itself: what it takes off, and what it makes of what is none of its kind."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import (
    Line,
    TooLong,
    compile_layers,
    inflated,
    is_gzip,
    named_objects,
    pointed_object,
    split_lines,
)
from sofetch.record import FIRST_KEY_ATTRIBUTE, Message, Reason
from wrapping import (
    OLD_POINTER_CLASS,
    S3_TEST_EVENT,
    base64_of,
    confirmation,
    eventbridge,
    gzip_of,
    message,
    pointer,
    s3_detail,
    s3_event,
    sns,
    unwrap_settings,
)

INNER = b'{"id": "u1", "n": 1.50}'


def opened(body: bytes, *layers: str, attributes: dict[str, str] | None = None, **given: Any) -> Message:
    limits = unwrap_settings(*layers, **given)
    return compile_layers(limits.layers, limits)(message(body, attributes=attributes or {}))


def refused(body: bytes, *layers: str, **given: Any) -> Reason:
    with pytest.raises(Unfit) as caught:
        opened(body, *layers, **given)
    assert caught.value.field is None
    assert caught.value.__cause__ is None
    return caught.value.reason


def test_sns_gives_what_was_published_and_keeps_the_body_as_it_came() -> None:
    body = sns(INNER.decode())
    came = opened(body, "sns")
    assert (came.body, came.original) == (INNER, body)


def test_attributes_of_an_sns_envelope_are_the_messages() -> None:
    body = sns("{}", attributes={"shop": ("String", "berlin"), "n": ("Number", "7"), "raw": ("Binary", "AAEC")})
    assert opened(body, "sns", attributes={"queue-side": "x"}).attributes == {"shop": "berlin", "n": "7"}


def test_no_envelope_sets_sofetchs_own_attributes_and_none_loses_them() -> None:
    """The key of the first delivery, which a redrive carries along, decides what is a duplicate."""
    body = sns("{}", attributes={FIRST_KEY_ATTRIBUTE: ("String", "0" * 32)})
    assert opened(body, "sns").attributes == {}
    own = {FIRST_KEY_ATTRIBUTE: "f" * 32}
    assert opened(body, "sns", attributes=own).attributes == own


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_confirmation_of_a_subscription_has_a_reason_of_its_own(kind: str) -> None:
    assert refused(confirmation(kind), "sns") is Reason.SNS_CONFIRMATION


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (INNER, Reason.NOT_AN_ENVELOPE),
        (b"[]", Reason.NOT_AN_ENVELOPE),
        (sns("{}", Message={"id": "u1"}), Reason.NOT_AN_ENVELOPE),
        (sns("{}", Message=None), Reason.NOT_AN_ENVELOPE),
        (sns("{}", Type="Other"), Reason.NOT_AN_ENVELOPE),
        (sns("{}", MessageAttributes={"shop": "berlin"}), Reason.NOT_AN_ENVELOPE),
        (sns("{}", MessageAttributes=[]), Reason.NOT_AN_ENVELOPE),
        (b"", Reason.EMPTY_BODY),
        (b'{"Type"', Reason.NOT_JSON),
        (b"\xff", Reason.NOT_UTF8),
        (b'{"Type": "Notification", "Message": "\\ud800"}', Reason.INVALID_UNICODE),
        (b"[" * 20_000, Reason.TOO_DEEP),
    ],
)
def test_what_is_no_sns_envelope_is_refused(body: bytes, reason: Reason) -> None:
    assert refused(body, "sns") is reason


def test_eventbridge_gives_the_details_own_bytes_and_the_events_fields() -> None:
    detail = '{"id":  "u1", "n": 1.50, "big": 12345678901234567890123}'
    came = opened(eventbridge(detail), "eventbridge")
    assert came.body == detail.encode()
    assert came.attributes["detail-type"] == "login"
    assert came.attributes["source"] == "shop.logins"


@pytest.mark.parametrize(
    "body",
    [
        b'{"source": "s", "detail-type": "t"}',
        b'{"detail": {}}',
        b'{"source": 1, "detail-type": "t", "detail": {}}',
        sns("{}"),
        b'"text"',
    ],
)
def test_what_is_no_event_is_refused(body: bytes) -> None:
    assert refused(body, "eventbridge") is Reason.NOT_AN_ENVELOPE


@pytest.mark.parametrize("detail", ["null", "7", '"text"', "[]"])
def test_detail_that_is_no_object_is_for_decode_to_refuse(detail: str) -> None:
    assert opened(eventbridge(detail), "eventbridge").body == detail.encode()


@pytest.mark.parametrize("written", [base64_of(INNER), b"  " + base64_of(INNER) + b"\r\n"])
def test_base64_is_decoded(written: bytes) -> None:
    assert opened(written, "base64").body == INNER


def test_base64_with_the_line_breaks_of_a_tool_is_decoded() -> None:
    encoded = base64_of(INNER * 10)
    lines = b"\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
    assert opened(lines, "base64").body == INNER * 10


@pytest.mark.parametrize(
    "body",
    [INNER, b"a", b"QUJ", b"QQ=", b"QUJD=", b"QQ==QQ==", b"QU*D", b"QU JD", b"QUI_", "QUJDé".encode(), b"=QUJ", b"\0"],
)
def test_what_is_no_base64_is_refused(body: bytes) -> None:
    assert refused(body, "base64") is Reason.BAD_ENCODING


def test_gzip_in_base64_is_inflated() -> None:
    body = base64_of(gzip_of(INNER))
    came = opened(body, "base64", "gzip")
    assert (came.body, came.original) == (INNER, body)


def test_members_of_gzip_one_after_the_other_are_one_content() -> None:
    assert opened(base64_of(gzip_of(b'{"id":') + gzip_of(b' "u1"}')), "base64", "gzip").body == b'{"id": "u1"}'


WHOLE = gzip_of(INNER)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        INNER,
        WHOLE[:-1],
        WHOLE[:-8],
        WHOLE[:5],
        WHOLE + b"\0",
        WHOLE + b"{}",
        WHOLE + WHOLE[:7],
        WHOLE[:-5] + bytes([WHOLE[-5] ^ 1]) + WHOLE[-4:],
        zlib.compress(INNER),
    ],
)
def test_gzip_that_is_cut_off_damaged_or_followed_by_something_is_refused(data: bytes) -> None:
    assert refused(base64_of(data), "base64", "gzip") is Reason.BAD_ENCODING


def test_zip_bomb_is_refused_and_no_more_of_it_held_than_the_limit() -> None:
    bomb = base64_of(gzip.compress(bytes(200_000_000), mtime=0))
    assert len(bomb) < 300_000
    tracemalloc.start()
    try:
        assert refused(bomb, "base64", "gzip", max_unwrapped_bytes=1_000_000) is Reason.UNWRAPPED_TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_body_of_the_limit_is_inflated_and_one_more_byte_is_not() -> None:
    assert len(opened(base64_of(gzip_of(bytes(2_000))), "base64", "gzip", max_unwrapped_bytes=2_000).body) == 2_000
    too_large = base64_of(gzip_of(bytes(2_001)))
    assert refused(too_large, "base64", "gzip", max_unwrapped_bytes=2_000) is Reason.UNWRAPPED_TOO_LARGE


def test_body_of_nothing_but_empty_members_is_an_empty_content() -> None:
    assert b"".join(inflated([gzip_of(b"") * 50_000])) == b""


def test_layers_are_taken_off_in_the_order_given() -> None:
    body = sns(base64_of(gzip_of(eventbridge(INNER.decode()))).decode())
    came = opened(body, "sns", "base64", "gzip", "eventbridge")
    assert (came.body, came.original) == (INNER, body)
    assert refused(body, "base64", "gzip", "sns") is Reason.BAD_ENCODING
    assert refused(sns(eventbridge("{}").decode()), "eventbridge", "sns") is Reason.NOT_AN_ENVELOPE


@pytest.mark.parametrize("class_name", ["software.amazon.payloadoffloading.PayloadS3Pointer", OLD_POINTER_CLASS])
def test_pointer_names_its_object(class_name: str) -> None:
    ref = pointed_object(pointer("logs", "a/b c", class_name=class_name), max_bytes=10_000)
    assert (ref.bucket, ref.key, ref.version_id) == ("logs", "a/b c", None)


@pytest.mark.parametrize(
    "body",
    [
        INNER,
        b"[]",
        pointer("logs", "k", class_name="java.lang.Runtime"),
        pointer("logs", "k")[:-1] + b", 1]",
        b'["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3Key": "k"}]',
        b'["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "logs", "s3Key": 7}]',
        pointer("logs", ""),
        pointer("logs", "../secrets/k"),
        pointer("logs", "a/../../secrets/k"),
        pointer("logs", "a/./b"),
        pointer("logs", "a\nb"),
        pointer("logs", "a\0b"),
        pointer("logs", "k" * 1_025),
        pointer("logs", "é" * 513),
    ],
)
def test_what_is_no_pointer_to_an_object_that_we_read_is_refused(body: bytes) -> None:
    with pytest.raises(Unfit) as caught:
        pointed_object(body, max_bytes=10_000)
    assert caught.value.reason is Reason.NOT_AN_ENVELOPE


def test_s3_event_names_its_objects_with_their_keys_decoded() -> None:
    keys = ["a+b c.jsonl", "100%.jsonl", "ü/ö.jsonl", "a%2Bb"]
    refs = named_objects(s3_event(*(("logs", key) for key in keys)), max_bytes=100_000)
    assert [ref.key for ref in refs] == keys
    assert named_objects(s3_event(("logs", "k"), version_id="v1"), max_bytes=100_000)[0].version_id == "v1"


def test_s3s_event_of_eventbridge_names_its_object_with_its_key_as_it_is() -> None:
    [ref] = named_objects(s3_detail("logs", "a+b%20c").encode(), max_bytes=100_000)
    assert (ref.bucket, ref.key) == ("logs", "a+b%20c")


def test_s3s_test_message_names_nothing() -> None:
    assert named_objects(S3_TEST_EVENT, max_bytes=100_000) == []


@pytest.mark.parametrize(
    "body",
    [
        INNER,
        b'{"Records": null}',
        b'{"Records": [{}]}',
        b'{"Records": {}}',
        s3_event(("logs", "k"), event="ObjectRemoved:Delete"),
        s3_event(("logs", "k"), event="s3:TestEvent"),
        s3_event(("logs", "../k")),
        s3_event(("logs", "%ff")).replace(b"%25ff", b"%ff"),
        s3_detail("logs", "k", reason="DeleteObject").encode(),
        s3_detail("logs", "k").replace('"reason"', '"other"').encode(),
        b'{"Event": "s3:Other"}',
    ],
)
def test_what_is_no_event_of_objects_made_is_refused(body: bytes) -> None:
    with pytest.raises(Unfit) as caught:
        named_objects(body, max_bytes=100_000)
    assert caught.value.reason is Reason.NOT_AN_ENVELOPE


def lines_of(*chunks: bytes, max_bytes: int = 100) -> list[tuple[int, bytes | None]]:
    found: list[tuple[int, bytes | None]] = []
    for line in split_lines(chunks, max_bytes=max_bytes):
        match line:
            case Line():
                found.append((line.number, line.body))
            case TooLong():
                found.append((line.number, None))
    return found


def test_lines_keep_their_numbers_and_blank_ones_are_passed_over() -> None:
    assert lines_of(b"a\r\n\n \t\r\nb\n", b"c") == [(1, b"a"), (4, b"b"), (5, b"c")]


def test_line_longer_than_the_limit_is_passed_over_and_the_next_one_read() -> None:
    assert lines_of(b"12345\n123456\n", b"123", b"456789\n12345", max_bytes=5) == [
        (1, b"12345"),
        (2, None),
        (3, None),
        (4, b"12345"),
    ]


def test_endless_line_is_not_held() -> None:
    tracemalloc.start()
    try:
        [line] = split_lines((bytes(65_536) for _ in range(500)), max_bytes=100_000)
        assert isinstance(line, TooLong)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_gzip_is_known_by_its_first_bytes() -> None:
    assert is_gzip(gzip_of(b""))
    assert not is_gzip(b'{"id": 1}')
    assert not is_gzip(b"")


def test_no_layer_says_anything_of_a_body() -> None:
    secret = "canary-5f1d"
    for body, layer in ((json.dumps({"Type": secret}).encode(), "sns"), (secret.encode(), "base64")):
        with pytest.raises(Unfit) as caught:
            opened(body, layer)
        assert secret not in repr(caught.value) + str(caught.value.__context__ is None)
