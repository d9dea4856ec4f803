"""From the event of an SQS event source mapping to the messages in it.

Owns the event's form. Whatever is not of it is an error of the whole batch, so that no message is passed over and then
deleted. It must not show anything of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from sofetch.errors import EventError
from sofetch.record import Message, Private
from sofetch.source.forms import ANYTHING, HANDLE, ID, NUMBER, SEQUENCE_NUMBER, BadAnswer, is_whole, optional, said
from sofetch.source.forms import queue_name as name_of
from sofetch.source.transport import RawMessage, in_group_order

SQS: Final = "aws:sqs"
_HINT: Final = "invoke the function by an event source mapping of the configured queue, and by nothing else"


class _System(Private, frozen=True, rename="pascal"):
    sent_timestamp: str | None = None
    approximate_receive_count: str = "1"
    message_group_id: str | None = None
    sequence_number: str | None = None


class _Attribute(Private, frozen=True, rename="camel"):
    string_value: str | None = None


class _Record(Private, frozen=True, kw_only=True, rename="camel"):
    message_id: str
    receipt_handle: str
    body: str
    event_source: str
    event_source_arn: str = msgspec.field(name="eventSourceARN")
    md5_of_body: str | None = None
    attributes: _System | None = None
    message_attributes: dict[str, _Attribute] | None = None


class _Event(Private, frozen=True, rename="pascal"):
    records: list[_Record]


class Sorted(Struct, frozen=True):
    """The messages of a batch: what may be loaded, in order, and all of them for the answer. ``damaged`` counts bodies
    that are not what was sent.
    """

    loadable: list[Message]
    all: Sequence[RawMessage]
    damaged: int


def messages_of(event: object, *, queue: str) -> list[RawMessage]:
    """The event's messages, as the worker would have received them. ``queue`` is the configured one, name or URL.

    Raises EventError for what is no batch of that queue: the text names places and types, never content.
    """
    records = _records(event)
    wanted = name_of(queue)
    for at, record in enumerate(records):
        if record.event_source != SQS:
            raise EventError(f"record {at} of the event is not of SQS", hint=_HINT)
        if name_of(record.event_source_arn) != wanted:
            raise EventError(
                f"record {at} of the event is not of the configured queue {wanted}",
                hint="let the function be triggered by that queue alone, or name the other one in [source] queue "
                "(SOFETCH_SOURCE_QUEUE)",
            )
    try:
        return [_message(record) for record in records]
    except BadAnswer:
        raise EventError("the event says of a message what SQS never says", hint=_HINT) from None


def sort(raws: Sequence[RawMessage], *, queue: str, received_ms: int) -> Sorted:
    """Set apart what is damaged, what comes after it in its FIFO group, and second copies of a message."""
    name = name_of(queue)
    ordered = in_group_order(raws)
    loadable: dict[str, Message] = {}
    damaged: set[str] = set()
    held_up: set[str | None] = set()
    for raw in ordered:
        if raw.id in loadable or raw.fifo_group in held_up:
            continue
        if raw.whole:
            loadable[raw.id] = raw.message(queue=name, received_ms=received_ms)
        else:
            damaged.add(raw.id)
            held_up |= {raw.fifo_group} - {None}
    return Sorted(list(loadable.values()), ordered, len(damaged - loadable.keys()))


def failures_of(batch: Sequence[RawMessage], durable: frozenset[str]) -> list[str]:
    """Ids of what is to come again: what is not durable and, in a FIFO group, all that comes after such a message."""
    failed: dict[str, None] = {}
    held_up: set[str | None] = set()
    for raw in batch:
        if raw.id not in durable or raw.fifo_group in held_up:
            failed[raw.id] = None
            held_up |= {raw.fifo_group} - {None}
    return list(failed)


def _records(event: object) -> list[_Record]:
    try:
        return msgspec.convert(event, _Event).records
    except msgspec.ValidationError as error:
        # Of these types msgspec tells names, types and places; it echoes values of enums and literals alone.
        what = f"the event is no batch of SQS messages: {error}"
    raise EventError(what, hint=_HINT)


def _message(record: _Record) -> RawMessage:
    # surrogatepass: a lone surrogate reaches decode as bytes that are not UTF-8, and is rejected there, not here.
    body = record.body.encode("utf-8", "surrogatepass")
    whole = is_whole(body, record.md5_of_body)
    system = record.attributes or _System()
    return RawMessage(
        id=said(record.message_id, ID),
        receipt_handle=said(record.receipt_handle, HANDLE),
        body=body if whole else b"",
        sent_ms=None if system.sent_timestamp is None else int(said(system.sent_timestamp, NUMBER)),
        receive_count=int(said(system.approximate_receive_count, NUMBER)),
        group_id=optional(system.message_group_id, ID),
        sequence_number=optional(system.sequence_number, SEQUENCE_NUMBER),
        attributes={
            name: said(attribute.string_value, ANYTHING)
            for name, attribute in (record.message_attributes or {}).items()
            if attribute.string_value is not None
        },
        whole=whole,
    )
