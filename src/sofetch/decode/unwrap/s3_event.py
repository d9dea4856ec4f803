"""S3 event: a notification that names objects, as S3 itself sends it, or as the detail of an EventBridge event.

Owns both forms. Only what tells of an object made is taken: one that tells of something else, a removal say, is no
envelope of records, and who sends it here should know. S3's own test message names nothing, and that is what it gives.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_plus

import msgspec
from msgspec import Raw, Struct, field

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap.document import read_document
from sofetch.decode.unwrap.s3_key import object_ref
from sofetch.record import ObjectRef, Private, Reason

_MADE: Final = "ObjectCreated:"
_MADE_BY: Final = frozenset({"PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload"})
_TEST: Final = "s3:TestEvent"


class _Bucket(Struct, frozen=True):
    name: str


class _Object(Private, frozen=True):
    key: str
    version_id: str | None = field(name="versionId", default=None)


class _S3(Struct, frozen=True):
    bucket: _Bucket
    object: _Object


class _Record(Struct, frozen=True):
    event: str = field(name="eventName")
    s3: _S3


class _Notification(Struct, frozen=True):
    records: list[_Record] = field(name="Records")


class _DetailObject(Private, frozen=True):
    key: str
    version_id: str | None = field(name="version-id", default=None)


class _Detail(Struct, frozen=True):
    bucket: _Bucket
    object: _DetailObject
    reason: str


class _Test(Struct, frozen=True):
    event: str = field(name="Event")


class _Form(Struct, frozen=True):
    """Enough of each form to tell which one it is."""

    records: Raw = field(name="Records", default=Raw())
    bucket: Raw = field(name="bucket", default=Raw())


_FORM: Final = msgspec.json.Decoder(_Form)
_NOTIFICATION: Final = msgspec.json.Decoder(_Notification)
_DETAIL: Final = msgspec.json.Decoder(_Detail)
_TEST_EVENT: Final = msgspec.json.Decoder(_Test)


def named_objects(body: bytes, *, max_bytes: int) -> list[ObjectRef]:
    """The objects that were made, in the order named; none for S3's test message. Raises Unfit."""
    form = read_document(body, _FORM, max_bytes=max_bytes)
    if bytes(form.records):
        return [_of_record(record) for record in read_document(body, _NOTIFICATION, max_bytes=max_bytes).records]
    if bytes(form.bucket):
        return [_of_detail(read_document(body, _DETAIL, max_bytes=max_bytes))]
    if read_document(body, _TEST_EVENT, max_bytes=max_bytes).event == _TEST:
        return []
    raise Unfit(Reason.NOT_AN_ENVELOPE)


def _of_record(record: _Record) -> ObjectRef:
    """Keys are URL-encoded here, a blank as ``+``."""
    if not record.event.removeprefix("s3:").startswith(_MADE):
        raise Unfit(Reason.NOT_AN_ENVELOPE)
    named = record.s3.object
    try:
        key = unquote_plus(named.key, errors="strict")
    except UnicodeDecodeError:
        raise Unfit(Reason.NOT_AN_ENVELOPE) from None
    return object_ref(record.s3.bucket.name, key, named.version_id)


def _of_detail(detail: _Detail) -> ObjectRef:
    """Keys are as they are here."""
    if detail.reason not in _MADE_BY:
        raise Unfit(Reason.NOT_AN_ENVELOPE)
    return object_ref(detail.bucket.name, detail.object.key, detail.object.version_id)
