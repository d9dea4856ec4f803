"""S3 pointer: what the extended client libraries send for a body that is too large for SQS; the body is in S3.

Owns its form, in Java's, Python's and the older library's spelling.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import field

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap.document import read_document
from sofetch.decode.unwrap.s3_key import object_ref
from sofetch.record import ObjectRef, Private, Reason

_CLASSES: Final = frozenset(
    {
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
    }
)


class _Pointer(Private, frozen=True):
    bucket: str = field(name="s3BucketName")
    key: str = field(name="s3Key")


_DECODER: Final = msgspec.json.Decoder(tuple[str, _Pointer])


def pointed_object(body: bytes, *, max_bytes: int) -> ObjectRef:
    """The object that holds the body. Raises Unfit for a body that is no pointer."""
    class_name, pointer = read_document(body, _DECODER, max_bytes=max_bytes)
    if class_name not in _CLASSES:
        raise Unfit(Reason.NOT_AN_ENVELOPE)
    return object_ref(pointer.bucket, pointer.key)
