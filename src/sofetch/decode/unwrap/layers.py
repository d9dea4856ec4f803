"""Layers: the configured ones, one after the other, from the message as it came to the one that was in it.

Owns their order and what becomes of message attributes. Must not fetch: it ends where S3 has to be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap.base64_text import decode_base64
from sofetch.decode.unwrap.eventbridge import open_eventbridge
from sofetch.decode.unwrap.inflate import inflate
from sofetch.decode.unwrap.sns import open_sns
from sofetch.record import Message, Reason
from sofetch.settings import UnwrapLayer, UnwrapSettings

Peel = Callable[[Message], Message]
"""From a message to the one that was in it, which keeps the body as it came as its ``original``. Raises Unfit."""

FETCHED: Final[frozenset[UnwrapLayer]] = frozenset({"s3_pointer", "s3_objects"})

OWN_ATTRIBUTES: Final = "sofetch."
"""Attributes that sofetch's own redrive puts on a message: no envelope may set them, and none is lost."""


def compile_layers(layers: Sequence[UnwrapLayer], settings: UnwrapSettings) -> Peel:
    """What takes these layers off. None of them may be one that is fetched."""
    peels = [_peel(layer, settings.max_unwrapped_bytes) for layer in layers]

    def peel(message: Message) -> Message:
        for one in peels:
            message = one(message)
        return message

    return peel


def split_layers(layers: Sequence[UnwrapLayer]) -> tuple[list[UnwrapLayer], UnwrapLayer | None, list[UnwrapLayer]]:
    """The layers round the one that is fetched, that one if there is one, and those in it."""
    at = next((at for at, layer in enumerate(layers) if layer in FETCHED), None)
    return (list(layers), None, []) if at is None else (list(layers[:at]), layers[at], list(layers[at + 1 :]))


def body_opener(settings: UnwrapSettings) -> Callable[[bytes], bytes]:
    """From a kept body to what is in it, as far as that can be had without fetching; what does not open, as it is."""
    if not settings.layers:
        return lambda body: body
    peel = compile_layers(split_layers(settings.layers)[0], settings)

    def open_body(body: bytes) -> bytes:
        try:
            return peel(Message(id="", body=body, queue="", sent_ms=None, received_ms=0)).body
        except Unfit:
            return body

    return open_body


def inside(message: Message, body: bytes, *, max_bytes: int) -> Message:
    """The message with what was in its body. Raises Unfit if that is too large."""
    if len(body) > max_bytes:
        raise Unfit(Reason.UNWRAPPED_TOO_LARGE)
    return replace(message, body=body, original=message.body if message.original is None else message.original)


def _peel(layer: UnwrapLayer, max_bytes: int) -> Peel:
    match layer:
        case "sns":
            return _with_attributes(open_sns, max_bytes)
        case "eventbridge":
            return _with_attributes(open_eventbridge, max_bytes)
        case "base64":
            return lambda message: inside(message, decode_base64(message.body), max_bytes=max_bytes)
        case "gzip":
            return lambda message: inside(message, inflate(message.body, max_bytes=max_bytes), max_bytes=max_bytes)
        case "s3_pointer" | "s3_objects":
            raise ValueError(f"{layer} is fetched, not taken off")


def _with_attributes(open_envelope: Callable[..., tuple[bytes, Mapping[str, str]]], max_bytes: int) -> Peel:
    """The envelope's attributes take the place of the message's: they are the producer's, and a replay has them too."""

    def peel(message: Message) -> Message:
        body, attributes = open_envelope(message.body, max_bytes=max_bytes)
        own = {name: text for name, text in message.attributes.items() if name.startswith(OWN_ATTRIBUTES)}
        theirs = {name: text for name, text in attributes.items() if not name.startswith(OWN_ATTRIBUTES)}
        return replace(inside(message, body, max_bytes=max_bytes), attributes={**theirs, **own})

    return peel
