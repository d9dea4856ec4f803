"""The JSON of three SQS calls, typed: only the fields that we use. For the fast path.

Owns the shapes and their one encoding and one decoding. What an answer of an unusual form means is ``boto``'s to say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from sofetch.record import TRACE_HEADER, Private
from sofetch.source.boto import SYSTEM_ATTRIBUTES, one_answer, parse_deliveries, parse_failures
from sofetch.source.forms import HANDLE, ID, NUMBER, SEQUENCE_NUMBER, is_whole, optional, said
from sofetch.source.transport import MAX_BATCH_ENTRIES, EntryFailure, RawMessage, VisibilityChange

_encode: Final = msgspec.json.Encoder().encode


class _Receive(Private, frozen=True, rename="pascal"):
    queue_url: str
    max_number_of_messages: int
    wait_time_seconds: int
    visibility_timeout: int
    attribute_names: Sequence[str] = SYSTEM_ATTRIBUTES
    message_attribute_names: tuple[str, ...] = ("All",)


class _Entry(Private, frozen=True, rename="pascal", omit_defaults=True):
    id: str
    receipt_handle: str
    visibility_timeout: int | None = None


class _Batch(Private, frozen=True, rename="pascal"):
    queue_url: str
    entries: list[_Entry]


class _System(Private, frozen=True, rename="pascal"):
    sent_timestamp: str | None = None
    approximate_receive_count: str | None = None
    message_group_id: str | None = None
    sequence_number: str | None = None
    trace_header: str | None = msgspec.field(name=TRACE_HEADER, default=None)


class _Attribute(Private, frozen=True, rename="pascal"):
    string_value: str | None = None


class _Message(Private, frozen=True, rename="pascal"):
    message_id: str
    receipt_handle: str
    body: str
    md5_of_body: str | None = msgspec.field(name="MD5OfBody", default=None)
    attributes: _System | None = None
    message_attributes: dict[str, _Attribute] | None = None


class _Received(Private, frozen=True, rename="pascal"):
    messages: list[_Message] | None = None


class _Failed(Private, frozen=True, rename="pascal"):
    id: str
    code: str = "unknown"
    sender_fault: bool = False


class _Succeeded(Private, frozen=True, rename="pascal"):
    id: str


class _Done(Private, frozen=True, rename="pascal"):
    successful: list[_Succeeded] | None = None
    failed: list[_Failed] | None = None


_received: Final = msgspec.json.Decoder(_Received).decode
_done: Final = msgspec.json.Decoder(_Done).decode
_NOTHING: Final = _System()
_UNTYPED: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What is raised for an answer that does not fit the types, nested too deeply among others."""
_POSITIONS: Final = [frozenset(map(str, range(count))) for count in range(MAX_BATCH_ENTRIES + 1)]


def receive_body(
    queue_url: str,
    *,
    max_messages: int,
    wait_seconds: int,
    visibility_timeout_seconds: int,
    asked: Sequence[str] = SYSTEM_ATTRIBUTES,
) -> bytes:
    """A ReceiveMessage request that asks for these system attributes."""
    return _encode(_Receive(queue_url, max_messages, wait_seconds, visibility_timeout_seconds, asked))


def delete_body(queue_url: str, receipt_handles: Sequence[str]) -> bytes:
    """A DeleteMessageBatch request; the entries are named by their positions."""
    return _encode(_Batch(queue_url, [_Entry(str(at), handle) for at, handle in enumerate(receipt_handles)]))


def visibility_body(queue_url: str, changes: Sequence[VisibilityChange]) -> bytes:
    """A ChangeMessageVisibilityBatch request; the entries are named by their positions."""
    return _encode(
        _Batch(queue_url, [_Entry(str(at), change.receipt_handle, change.seconds) for at, change in enumerate(changes)])
    )


def messages_of(answer: bytes) -> list[RawMessage] | None:
    """Messages of a ReceiveMessage answer, as ``boto.parse_deliveries`` has them; None if nothing can be made of it.

    An answer that is whole but not to be typed (a lone surrogate in one body, say) is read the way botocore does it: to
    ask again would bring other messages, and these would have been received for nothing, time after time.
    """
    try:
        answered = _received(answer).messages or ()
        if len(answered) > MAX_BATCH_ENTRIES:
            return None
        return [_message(message) for message in answered]
    except _UNTYPED:
        return _messages_by_hand(answer)


def failures_of(answer: bytes, *, entries: int) -> list[EntryFailure] | None:
    """Failed entries, as ``boto.parse_failures`` has them; None if nothing can be made of the answer."""
    try:
        done = _done(answer)
        if not done.failed and {it.id for it in done.successful or ()} == _POSITIONS[entries]:
            return []  # as nearly always
        return parse_failures(
            {
                "Successful": [{"Id": it.id} for it in done.successful or ()],
                "Failed": [{"Id": it.id, "Code": it.code, "SenderFault": it.sender_fault} for it in done.failed or ()],
            },
            entries=entries,
        )
    except _UNTYPED:
        return None


def _message(message: _Message) -> RawMessage:
    body = message.body.encode()
    whole = is_whole(body, message.md5_of_body)
    system = message.attributes or _NOTHING
    return RawMessage(
        id=said(message.message_id, ID),
        receipt_handle=said(message.receipt_handle, HANDLE),
        body=body if whole else b"",
        sent_ms=None if system.sent_timestamp is None else int(said(system.sent_timestamp, NUMBER)),
        receive_count=1
        if system.approximate_receive_count is None
        else int(said(system.approximate_receive_count, NUMBER)),
        group_id=optional(system.message_group_id, ID),
        sequence_number=optional(system.sequence_number, SEQUENCE_NUMBER),
        attributes=_attributes(message, system) if message.message_attributes or system.trace_header else {},
        whole=whole,
    )


def _attributes(message: _Message, system: _System) -> dict[str, str]:
    attributes = {
        name: attribute.string_value
        for name, attribute in (message.message_attributes or {}).items()
        if attribute.string_value is not None
    }
    return attributes | ({TRACE_HEADER: system.trace_header} if system.trace_header is not None else {})


def _messages_by_hand(answer: bytes) -> list[RawMessage] | None:
    try:
        return parse_deliveries(one_answer(json.loads(answer.decode()).get("Messages") or ()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
