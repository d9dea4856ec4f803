"""How messages are wrapped, as AWS and the client libraries do it, and what the unwrapping tests need beside."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import msgspec

from sofetch.record import Message, Reason
from sofetch.settings import Settings, UnwrapSettings

POINTER_CLASS = "software.amazon.payloadoffloading.PayloadS3Pointer"
OLD_POINTER_CLASS = "com.amazon.sqs.javamessaging.MessageS3Pointer"


def sns(text: str, *, attributes: Mapping[str, tuple[str, str]] | None = None, **fields: Any) -> bytes:
    """A notification as a topic sends it."""
    envelope: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:logins",
        "Message": text,
        "Timestamp": "2026-11-26T10:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE=",
    }
    if attributes is not None:
        envelope["MessageAttributes"] = {
            name: {"Type": kind, "Value": value} for name, (kind, value) in attributes.items()
        }
    return json.dumps(envelope | fields).encode()


def confirmation(kind: str = "SubscriptionConfirmation") -> bytes:
    """What a topic sends first."""
    return sns("You have chosen to subscribe", Type=kind, SubscribeURL="https://sns.invalid/?Token=t", Token="t")


def eventbridge(detail: str, **fields: Any) -> bytes:
    """An event as a rule sends it; ``detail`` is JSON, put in as it is."""
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "login",
        "source": "shop.logins",
        "account": "111122223333",
        "time": "2026-11-26T10:00:00Z",
        "region": "eu-central-1",
        "resources": [],
        **fields,
    }
    return f'{json.dumps(event)[:-1]}, "detail": {detail}}}'.encode()


def base64_of(data: bytes) -> bytes:
    """In the standard alphabet, as one line."""
    return base64.b64encode(data)


def gzip_of(data: bytes) -> bytes:
    """One member, the same bytes at every call."""
    return gzip.compress(data, mtime=0)


def pointer(bucket: str, key: str, *, class_name: str = POINTER_CLASS) -> bytes:
    """As the extended client writes it."""
    return json.dumps([class_name, {"s3BucketName": bucket, "s3Key": key}]).encode()


def s3_event(*objects: tuple[str, str], event: str = "ObjectCreated:Put", version_id: str | None = None) -> bytes:
    """A notification of S3; bucket and key of each object."""
    version = {} if version_id is None else {"versionId": version_id}
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-central-1",
            "eventTime": "2026-11-26T10:00:00.000Z",
            "eventName": event,
            "s3": {
                "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                "object": {
                    "key": quote_plus(key),
                    "size": 1,
                    "eTag": "e",
                    "sequencer": "0055AED6DCD90281E5",
                    **version,
                },
            },
        }
        for bucket, key in objects
    ]
    return json.dumps({"Records": records}).encode()


def s3_detail(bucket: str, key: str, *, reason: str = "PutObject") -> str:
    """The detail of the event by which S3 tells EventBridge of an object."""
    named = {"key": key, "size": 1, "etag": "e", "sequencer": "0055AED6DCD90281E5"}
    return json.dumps({"version": "0", "bucket": {"name": bucket}, "object": named, "reason": reason})


S3_TEST_EVENT = json.dumps(
    {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-26T10:00:00.000Z",
        "Bucket": "logs",
        "RequestId": "R",
        "HostId": "H",
    }
).encode()


def message(body: bytes, **fields: Any) -> Message:
    """A message with this body."""
    given: dict[str, Any] = {"id": "m-1", "queue": "q", "sent_ms": 1_700_000_000_000, "received_ms": 1_700_000_001_000}
    return Message(body=body, **{**given, **fields})


def settings(layers: Sequence[str], *, columns: Sequence[Mapping[str, Any]] = (), **sections: Any) -> Settings:
    """A configuration with these layers; ``unwrap`` among the sections adds to its settings."""
    unwrap = {"layers": list(layers), "s3_buckets": ["logs"], **sections.pop("unwrap", {})}
    config = {
        "source": {"queue": "q"},
        "sink": {"table": "t"},
        "column": list(columns) or [{"name": "id"}],
        "unwrap": unwrap,
        **sections,
    }
    return msgspec.convert(config, Settings)


def unwrap_settings(*layers: str, **given: Any) -> UnwrapSettings:
    """[unwrap] alone."""
    return settings(layers, unwrap=given).unwrap


REASONS_OF_UNWRAPPING = frozenset(
    {
        Reason.NOT_AN_ENVELOPE,
        Reason.SNS_CONFIRMATION,
        Reason.BAD_ENCODING,
        Reason.UNWRAPPED_TOO_LARGE,
        Reason.BUCKET_NOT_ALLOWED,
        Reason.OBJECT_MISSING,
        Reason.OBJECT_TOO_LARGE,
        Reason.BODY_TOO_LARGE,
        Reason.EMPTY_BODY,
        Reason.NOT_JSON,
        Reason.NOT_UTF8,
        Reason.TOO_DEEP,
        Reason.INVALID_UNICODE,
    }
)
"""What a message can be refused for before it is decoded."""
