"""What makes two messages the same: the 16-byte ledger key.

Owns the keys of ``dedupe``. Under "message" a key is time-ordered: unordered keys cost 13 times the write-ahead log,
and a ledger partitioned by time drops a day at a time. Under "content" and fields it is a keyed hash, without time
and in no order; its key comes from the oldest key of the ring, so that a rotation does not load old messages again.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from uuid import UUID

from sofetch.errors import ConfigError
from sofetch.mask.keyring import Keyring
from sofetch.mask.primitives import KEY_BYTES, Hash, keyed_hash
from sofetch.record import FIRST_KEY, FIRST_KEY_ATTRIBUTE, Message, ObjectRef, Record, Value
from sofetch.settings import ColumnSettings, Settings

LEDGER_SCHEME: Final = "ledger"
LEDGER_KEY_BYTES: Final = 16


class Identity:
    """The ledger keys of one pipeline. ``of_message`` is for what has no decoded values: a rejection."""

    __slots__ = ("of_message", "of_record")

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self.of_message: Callable[[Message], bytes] = ledger_key
        self.of_record: Callable[[Record], bytes] = _message_of_record
        if settings.sink.dedupe == "message":
            return
        digest = keyed_hash(
            keyring.oldest.derive(scheme=LEDGER_SCHEME, domain=settings.pipeline_name, length=KEY_BYTES)
        )
        if settings.sink.dedupe == "content":
            self.of_message = lambda message: digest(message.body)[:LEDGER_KEY_BYTES]
            self.of_record = lambda record: digest(record.message.body)[:LEDGER_KEY_BYTES]
        else:
            self.of_record = _fields_key(digest, _positions(settings.sink.dedupe, settings.column))


def ledger_key(message: Message) -> bytes:
    """48 bits of SentTimestamp in ms ‖ the first 80 bits of the MessageId, which is a UUID.

    The same at every delivery, so nothing of this one (such as the time of receipt) goes in: a message without a sent
    time has zeros there. An id that is no UUID is hashed first. A redrive of ours carries the first key along,
    unsigned, for it holds no key: whoever may send to the queue may claim one (see docs/guarantees.md).
    """
    first = message.attributes.get(FIRST_KEY_ATTRIBUTE)
    if first is not None and FIRST_KEY.fullmatch(first):
        return bytes.fromhex(first)
    sent_ms = min(max(message.sent_ms or 0, 0), _MAX_48_BITS)
    return sent_ms.to_bytes(6, "big") + _message_id_bits(message.id)


def line_key(ref: ObjectRef, version: str, line: int, *, stored_ms: int) -> bytes:
    """The same form for one line of an object in S3: 48 bits of the time it was stored at ‖ 80 bits of a hash.

    Of the object's content and not of the message that named it, since S3 may tell of one object twice.
    """
    named = encode_values((ref.bucket, ref.key, version, line))
    return min(max(stored_ms, 0), _MAX_48_BITS).to_bytes(6, "big") + sha256(named).digest()[:10]


def encode_values(values: Iterable[Value]) -> bytes:
    """Unambiguous bytes: a type byte, a length, and the value for each. Starts with 00, as no JSON body does."""
    parts = [b"\0"]
    for value in values:
        tag, data = _encode(value)
        parts += (tag, struct.pack(">I", len(data)), data)
    return b"".join(parts)


_UUID_TEXT: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_UUID_LENGTH: Final = 36
_MAX_48_BITS: Final = 2**48 - 1


def _message_id_bits(message_id: str) -> bytes:
    if len(message_id) == _UUID_LENGTH and _UUID_TEXT.fullmatch(message_id):
        return bytes.fromhex(f"{message_id[:8]}{message_id[9:13]}{message_id[14:18]}{message_id[19:23]}")
    return sha256(message_id.encode(errors="surrogatepass")).digest()[:10]


def _message_of_record(record: Record) -> bytes:
    return ledger_key(record.message)


def _fields_key(digest: Hash, positions: list[int]) -> Callable[[Record], bytes]:
    def of_record(record: Record) -> bytes:
        values = record.values
        return digest(encode_values(values[position] for position in positions))[:LEDGER_KEY_BYTES]

    return of_record


def _positions(names: list[str], columns: list[ColumnSettings]) -> list[int]:
    position_of = {column.name: position for position, column in enumerate(columns)}
    missing = [name for name in names if name not in position_of]
    if missing or not names:
        raise ConfigError(
            f"[sink] dedupe names no column: {', '.join(missing) or 'the list is empty'}",
            hint=f"columns: {', '.join(position_of)}",
        )
    return [position_of[name] for name in names]


def _encode(value: Value) -> tuple[bytes, bytes]:  # noqa: C901, PLR0911  # one case a type
    match value:
        case None:
            return b"N", b""
        case str():
            return b"S", value.encode(errors="surrogatepass")
        case bytes():
            return b"J", value
        case bool():  # before int, which it is too
            return b"B", b"\1" if value else b"\0"
        case int():
            return b"I", f"{value:x}".encode()
        case float() | Decimal():
            return b"F", str(value).encode()
        case datetime():  # before date, which it is too; one instant, one key, whatever its zone
            return b"T", (value.astimezone(UTC) if value.tzinfo else value).isoformat().encode()
        case date():
            return b"D", value.isoformat().encode()
        case UUID():
            return b"U", value.bytes
        case IPv4Address() | IPv6Address():  # an interface is one too
            return b"A", str(value).encode()
