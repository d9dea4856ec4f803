"""Messages as JSON lines, and back: the plaintext of a frame.

Owns that what comes out is what went in, a body of any bytes included. Pure. An error names no line and shows nothing.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sofetch.record import Message, Private

MAX_PLAINTEXT_BYTES: Final = 1_073_741_824
"""More than any batch comes to. Whoever has the public key can seal a bomb."""


class Damaged(ValueError):
    """What was opened, or was to be, is no part of an archive as it was written. Its text shows nothing of it."""


class _Line(Private, frozen=True, kw_only=True, omit_defaults=True):
    """One message. The field names are the format's."""

    id: str
    sent_ms: int | None
    received_ms: int
    receive_count: int
    group_id: str | None = None
    sequence_number: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    body: str | None = None
    body64: str | None = None


def pack_messages(messages: Sequence[Message]) -> bytes:
    """The messages, one a line, compressed."""
    return zlib.compress(b"\n".join(map(_encoded, messages)), 1)


def unpack_messages(packed: bytes, *, queue: str) -> list[Message]:
    """What ``pack_messages`` packed. Raises Damaged."""
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, MAX_PLAINTEXT_BYTES)
        if not inflater.eof:
            raise Damaged("a frame holds more than any batch, or is cut off")
        return [_message(_decoded(line), queue) for line in text.splitlines()]
    except (zlib.error, msgspec.MsgspecError, ValueError, RecursionError):
        pass
    raise Damaged("a frame was sealed as it is and does not hold messages")


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Line).decode


def _encoded(message: Message) -> bytes:
    line = _line(message)
    try:
        return _encode(line)
    except UnicodeEncodeError:  # a lone surrogate in an attribute, say
        return json.dumps(msgspec.structs.asdict(line)).encode()


def _decoded(line: bytes) -> _Line:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        given: dict[str, Any] = json.loads(line)
        return msgspec.convert(given, _Line)


def _line(message: Message) -> _Line:
    original = message.body if message.original is None else message.original
    body, body64 = _text(original)
    return _Line(
        id=message.id,
        sent_ms=message.sent_ms,
        received_ms=message.received_ms,
        receive_count=message.receive_count,
        group_id=message.group_id,
        sequence_number=message.sequence_number,
        attributes=dict(message.attributes),
        body=body,
        body64=body64,
    )


def _text(body: bytes) -> tuple[str | None, str | None]:
    try:
        return body.decode(), None
    except UnicodeDecodeError:  # it carries the body
        return None, b64encode(body).decode()


def _message(line: _Line, queue: str) -> Message:
    return Message(
        id=line.id,
        body=_body(line),
        queue=queue,
        sent_ms=line.sent_ms,
        received_ms=line.received_ms,
        receive_count=line.receive_count,
        group_id=line.group_id,
        sequence_number=line.sequence_number,
        attributes=line.attributes,
    )


def _body(line: _Line) -> bytes:
    if line.body is not None:
        return line.body.encode()
    if line.body64 is None:
        raise Damaged("a line has no body")
    return b64decode(line.body64, validate=True)
