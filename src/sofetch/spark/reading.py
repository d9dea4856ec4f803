"""From what Spark read to messages: a body alone, an envelope of JSON round it, or a row of columns.

Owns what an envelope is, and that a row which is none becomes a rejection, never an error: an error's text would be in
Spark's logs. Pure. A reader of another kind of archive belongs here: rows in, messages or rejections out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from sofetch.record import Message, Private, Reason, Rejection, first_sent_ms
from sofetch.spark.plan import BODY, ID, SENT, Plan

Item = Message | Rejection
"""A message, or what could not become one. Either may have an empty id: nothing in the input names it."""

_LAST_MS: Final = 2**48 - 1
_QUOTE: Final = b'"'


class _Envelope(Private, frozen=True):
    """One line of ``envelopes``: fields as an archive of sofetch has them. ``body`` is text, or the document itself."""

    id: str
    sent_ms: int | None = None
    receive_count: int = 1
    group_id: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    body: msgspec.Raw = msgspec.Raw()
    body64: str | None = None


def read_rows(columns: Mapping[str, Sequence[Any]], plan: Plan, *, queue: str, now_ms: int) -> Iterator[Item]:
    """The items in some rows, given as columns; ``now_ms`` counts as the time of receipt. Blank lines are left out."""
    bodies = columns[BODY]
    if plan.input == "envelopes":
        yield from (_from_envelope(line, queue, now_ms) for line in _lines(bodies))
    elif plan.is_bare:
        lines = _lines(bodies) if plan.input == "jsonl" else bodies
        yield from (_bare(body, plan.sent_ms, queue, now_ms) for body in lines)
    else:
        for named, sent_ms, body in zip(columns[ID], columns[SENT], bodies, strict=True):
            yield _from_row(named, sent_ms, body, queue, now_ms)


def _lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line.removesuffix(b"\r") for line in lines if line.strip())


def _bare(body: bytes | None, sent_ms: int | None, queue: str, now_ms: int) -> Item:
    if body is None:
        return _rejected(b"", queue, now_ms)
    return Message(id="", body=body, queue=queue, sent_ms=sent_ms, received_ms=now_ms)


def _from_row(named: str | None, sent_ms: int | None, body: bytes | None, queue: str, now_ms: int) -> Item:
    if not named or body is None or not _is_time(sent_ms):
        return _rejected(body or (named or "").encode(), queue, now_ms)
    return Message(id=named, body=body, queue=queue, sent_ms=sent_ms, received_ms=now_ms)


def _from_envelope(line: bytes, queue: str, now_ms: int) -> Item:
    try:
        envelope = _DECODER.decode(line)
        body = _body(envelope)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # ValueError: not UTF-8, not base64
        return _rejected(line, queue, now_ms)
    if body is None or not envelope.id or not _is_time(envelope.sent_ms):
        return _rejected(line, queue, now_ms)
    return Message(
        id=envelope.id,
        body=body,
        queue=queue,
        sent_ms=first_sent_ms(envelope.sent_ms, envelope.attributes),
        received_ms=now_ms,
        receive_count=max(envelope.receive_count, 1),
        group_id=envelope.group_id,
        attributes=envelope.attributes,
    )


def _body(envelope: _Envelope) -> bytes | None:
    if envelope.body64 is not None:
        return base64.b64decode(envelope.body64, validate=True)
    raw = bytes(envelope.body)
    if raw.startswith(_QUOTE):
        return msgspec.json.decode(raw, type=str).encode()
    return raw or None


def _is_time(sent_ms: int | None) -> bool:
    return sent_ms is None or 0 <= sent_ms <= _LAST_MS


def _rejected(line: bytes, queue: str, now_ms: int) -> Rejection:
    message = Message(id="", body=line, queue=queue, sent_ms=None, received_ms=now_ms)
    return Rejection(message, Reason.NOT_AN_ENVELOPE)


_DECODER: Final = msgspec.json.Decoder(_Envelope)
