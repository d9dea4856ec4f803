"""SNS: the JSON that a topic puts round a message, unless the subscription asks for raw delivery.

Owns its form. The signature is not checked: who may put messages on the queue is the queue's policy to say, and a
message that came past it may as well have come without a topic. No URL of an envelope is ever visited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import field

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap.document import read_document
from sofetch.record import Private, Reason

_CONFIRMATIONS: Final = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})


class _Attribute(Private, frozen=True):
    type: str = field(name="Type")
    value: str = field(name="Value")


class _Envelope(Private, frozen=True):
    type: str = field(name="Type")
    message: str = field(name="Message")
    attributes: dict[str, _Attribute] | None = field(name="MessageAttributes", default=None)


_DECODER: Final = msgspec.json.Decoder(_Envelope)


def open_sns(body: bytes, *, max_bytes: int) -> tuple[bytes, Mapping[str, str]]:
    """What was published, and its message attributes of type String and Number."""
    envelope = read_document(body, _DECODER, max_bytes=max_bytes)
    if envelope.type in _CONFIRMATIONS:
        raise Unfit(Reason.SNS_CONFIRMATION)
    if envelope.type != "Notification":
        raise Unfit(Reason.NOT_AN_ENVELOPE)
    texts = {
        name: attribute.value
        for name, attribute in (envelope.attributes or {}).items()
        if not attribute.type.startswith("Binary")
    }
    return envelope.message.encode(), texts
