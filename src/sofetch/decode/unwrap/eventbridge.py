"""EventBridge: the event round the producer's ``detail``.

Owns its form. The detail is given as its own bytes, so that numbers and key order are as they were sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from sofetch.decode.unwrap.document import read_document


class _Event(Struct, frozen=True):
    source: str
    detail_type: str = field(name="detail-type")
    detail: Raw
    id: str = ""
    account: str = ""
    region: str = ""
    time: str = ""


_DECODER: Final = msgspec.json.Decoder(_Event)


def open_eventbridge(body: bytes, *, max_bytes: int) -> tuple[bytes, Mapping[str, str]]:
    """The detail, and the event's own fields as attributes by the names that EventBridge gives them."""
    event = read_document(body, _DECODER, max_bytes=max_bytes)
    fields = {
        "source": event.source,
        "detail-type": event.detail_type,
        "id": event.id,
        "account": event.account,
        "region": event.region,
        "time": event.time,
    }
    return bytes(event.detail), {name: text for name, text in fields.items() if text}
