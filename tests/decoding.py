"""How the decoder's tests say what they mean: columns as in a config, one body, its row or its reason."""

from __future__ import annotations

from typing import Any

import msgspec

from sofetch.decode import Decoder, compile_decoder
from sofetch.record import Message, Reason, Value
from sofetch.settings import Settings


def decoder(*columns: dict[str, Any], **limits: int) -> Decoder:
    """A decoder for columns written as in the TOML; ``limits`` are those of ``[limits]``."""
    config = {"source": {"queue": "q"}, "sink": {"table": "t"}, "column": list(columns), "limits": limits}
    return compile_decoder(msgspec.convert(config, Settings))


def message(body: bytes = b"{}", **fields: Any) -> Message:
    """A message with this body; whatever else it has is given by name."""
    given: dict[str, Any] = {"id": "m-1", "queue": "q", "sent_ms": 1_700_000_000_000, "received_ms": 1_700_000_001_000}
    return Message(body=body, **{**given, **fields})


def outcome(decode: Decoder, body: bytes, **fields: Any) -> tuple[Value, ...] | tuple[Reason, str | None]:
    """The row, or the reason and the field, that the one message comes to."""
    given = message(body, **fields)
    decoded = decode([given])
    assert len(decoded.records) + len(decoded.rejections) == 1
    for record in decoded.records:
        assert record.message is given
        return record.values
    (rejection,) = decoded.rejections
    assert rejection.message is given
    return rejection.reason, rejection.field
