"""An event becomes the messages that the worker would have received, or an error that shows nothing of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambda_runtime.events import damaged, event, fifo_record, record, with_attribute
from sofetch.aws_lambda.event import failures_of, messages_of, sort
from sofetch.errors import EventError
from sofetch.mask.identity import ledger_key
from sofetch.record import FIRST_KEY_ATTRIBUTE, Message
from sofetch.source.boto import parse_messages
from sofetch.source.transport import RawMessage

CANARY = "198.51.100.77"
URL = "https://sqs.eu-central-1.amazonaws.com/111122223333/logins"


def raws_of(*records: dict[str, Any], queue: str = "logins") -> list[RawMessage]:
    return messages_of(event(records), queue=queue)


def sorted_messages(*records: dict[str, Any]) -> list[Message]:
    return sort(raws_of(*records), queue=URL, received_ms=5).loadable


def test_a_message_is_the_one_that_a_receive_would_have_given() -> None:
    made = with_attribute(
        fifo_record('{"ip":"ü"}', queue="logins", group="g", place=3, message_id="m-1"), FIRST_KEY_ATTRIBUTE, "0" * 32
    )
    made["messageAttributes"]["blob"] = {"binaryValue": "AA==", "dataType": "Binary"}
    received = {
        "MessageId": made["messageId"],
        "ReceiptHandle": made["receiptHandle"],
        "Body": made["body"],
        "MD5OfBody": made["md5OfBody"],
        "Attributes": made["attributes"],
        "MessageAttributes": {FIRST_KEY_ATTRIBUTE: {"StringValue": "0" * 32, "DataType": "String"}},
    }
    [pushed], [polled] = raws_of(made), parse_messages([received])
    fields = RawMessage.__struct_fields__
    assert [getattr(pushed, name) for name in fields] == [getattr(polled, name) for name in fields]
    key = ledger_key(pushed.message(queue="logins", received_ms=1))
    assert key == ledger_key(polled.message(queue="logins", received_ms=2)) == bytes(16)


def test_the_queue_may_be_configured_by_name_or_url_and_messages_have_its_name() -> None:
    for queue in ("logins", URL):
        [raw] = raws_of(record("{}", queue="logins"), queue=queue)
        [message] = sort([raw], queue=queue, received_ms=7).loadable
        assert (message.queue, message.received_ms) == ("logins", 7)


def test_a_lone_surrogate_goes_on_to_decode_as_bytes_that_are_no_text() -> None:
    [raw] = raws_of(json.loads(json.dumps(record("\ud800", queue="logins"))))
    assert (raw.body, raw.whole) == (b"\xed\xa0\x80", True)


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda made: {key: value for key, value in made.items() if key != name}


def _with(name: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda made: {**made, name: value}


@pytest.mark.parametrize(
    "broken",
    [
        _without("messageId"),
        _without("body"),
        _without("receiptHandle"),
        _without("eventSource"),
        _without("eventSourceARN"),
        _with("messageId", 7),
        _with("messageId", CANARY + "\n"),
        _with("messageId", ""),
        _with("body", {"ip": CANARY}),
        _with("body", None),
        _with("attributes", CANARY),
        _with("attributes", {"SentTimestamp": CANARY}),
        _with("attributes", {"ApproximateReceiveCount": 1}),
        _with("messageAttributes", {CANARY: CANARY}),
        _with("messageAttributes", {CANARY: {"stringValue": [CANARY]}}),
        _with("eventSource", "aws:s3"),
        _with("eventSource", CANARY),
        _with("eventSourceARN", f"arn:aws:sqs:eu-central-1:1:{CANARY}"),
    ],
)
def test_a_record_that_is_none_is_an_error_of_the_whole_batch_and_shows_no_value(
    broken: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    sound = record(json.dumps({"ip": CANARY}), queue="logins")
    with pytest.raises(EventError) as refused:
        raws_of(sound, broken(sound))
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize("what", [None, [], "x", {}, {"Records": None}, {"Records": [CANARY]}, {"records": []}])
def test_what_is_no_batch_is_an_error(what: object) -> None:
    with pytest.raises(EventError, match="no batch of SQS messages"):
        messages_of(what, queue="logins")


def test_a_message_of_another_queue_is_an_error_that_names_ours() -> None:
    with pytest.raises(EventError, match="not of the configured queue logins"):
        raws_of(record("{}", queue="logins"), record("{}", queue="orders"))


def test_a_damaged_body_is_set_apart_and_comes_again() -> None:
    sound, spoilt = record("{}", queue="logins"), damaged(record("{}", queue="logins"))
    batch = sort(raws_of(spoilt, sound), queue="logins", received_ms=1)
    assert [message.id for message in batch.loadable] == [sound["messageId"]]
    assert batch.damaged == 1
    assert failures_of(batch.all, frozenset([sound["messageId"]])) == [spoilt["messageId"]]


def test_what_follows_a_damaged_message_in_its_group_is_not_loaded_before_it() -> None:
    one, two, three = (fifo_record("{}", queue="logins", group="a", place=at, message_id=f"a{at}") for at in (1, 2, 3))
    other = fifo_record("{}", queue="logins", group="b", place=4, message_id="b4")
    assert [m.id for m in sorted_messages(three, other, damaged(two), one)] == ["a1", "b4"]


def test_after_a_failure_the_rest_of_its_group_fails_too_and_other_groups_do_not() -> None:
    records = [
        fifo_record("{}", queue="logins", group=group, place=at, message_id=f"{group}{at}")
        for at, group in enumerate("aabab")
    ]
    batch = sort(raws_of(*records), queue="logins", received_ms=1)
    assert failures_of(batch.all, frozenset(["a0", "b2", "a3", "b4"])) == ["a1", "a3"]


def test_groups_of_a_standard_queue_bind_nothing() -> None:
    records = [record("{}", queue="logins", message_id=f"m{at}") for at in range(3)]
    for made in records:
        made["attributes"]["MessageGroupId"] = "tenant"
    batch = sort(raws_of(*records), queue="logins", received_ms=1)
    assert failures_of(batch.all, frozenset(["m1", "m2"])) == ["m0"]


def test_a_message_that_comes_twice_in_a_batch_is_loaded_once() -> None:
    made = record("{}", queue="logins", message_id="m")
    batch = sort(raws_of(damaged(made), made, made), queue="logins", received_ms=1)
    assert [message.id for message in batch.loadable] == ["m"]
    assert (batch.damaged, failures_of(batch.all, frozenset(["m"]))) == (0, [])
