"""Events of an SQS event source mapping, of the form that AWS documents, with content of our own."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

ACCOUNT = "111122223333"
SENT_MS = 1_795_000_000_000
FIRST_SEQUENCE = 18_849_496_460_467_696_128


def record(body: str, *, queue: str, message_id: str | None = None, sent_ms: int = SENT_MS) -> dict[str, Any]:
    """One record of a standard queue's batch."""
    return {
        "messageId": message_id or str(uuid.uuid4()),
        "receiptHandle": "AQEB" + "wJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 3 + "==",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(sent_ms),
            "SenderId": "AROAEXAMPLE:sender",
            "ApproximateFirstReceiveTimestamp": str(sent_ms + 12),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:{queue}",
        "awsRegion": "eu-central-1",
    }


def fifo_record(body: str, *, queue: str, group: str, place: int, message_id: str | None = None) -> dict[str, Any]:
    """One record of a FIFO queue's batch; ``place`` is the order of sending."""
    made = record(body, queue=queue, message_id=message_id)
    made["attributes"] |= {
        "SequenceNumber": str(FIRST_SEQUENCE + 256 * place),
        "MessageGroupId": group,
        "MessageDeduplicationId": f"once-{place}",
    }
    return made


def with_attribute(made: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    """The record with a message attribute of type String."""
    attribute = {
        "stringValue": value,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    return {**made, "messageAttributes": {**made["messageAttributes"], name: attribute}}


def damaged(made: dict[str, Any]) -> dict[str, Any]:
    """The record with a body that is not what was sent."""
    return {**made, "body": made["body"] + " "}


def event(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole event."""
    return {"Records": list(records)}


def failed_ids(answer: Mapping[str, Any]) -> list[str]:
    """The ids that a partial batch response names."""
    assert list(answer) == ["batchItemFailures"]
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
