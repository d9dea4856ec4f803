"""What is round the documents of sample messages: the layers that ``[unwrap]`` has to name, and what is in them.

Owns the guess. Opening a layer is ``sofetch.decode.unwrap``'s, which a worker goes by too. What lies in S3 is not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import Peel, compile_layers, is_gzip
from sofetch.record import Message
from sofetch.settings import UnwrapLayer, UnwrapSettings

_KNOWN: Final[tuple[UnwrapLayer, ...]] = ("sns", "eventbridge", "base64", "gzip")
_MOST_LAYERS: Final = 4


def unwrap(bodies: Sequence[bytes]) -> tuple[list[UnwrapLayer], list[bytes]]:
    """The layers that most bodies have, from the outside in, and each body without them.

    A body that has not all of the layers is given as it came.
    """
    layers: list[UnwrapLayer] = []
    inner: Sequence[bytes | None] = bodies
    while len(layers) < _MOST_LAYERS and (found := _outermost(inner, layers)) is not None:
        layer, inner = found
        layers.append(layer)
    return layers, [came if body is None else body for came, body in zip(bodies, inner, strict=True)]


def _outermost(
    bodies: Sequence[bytes | None], outer: Sequence[UnwrapLayer]
) -> tuple[UnwrapLayer, list[bytes | None]] | None:
    for layer in _KNOWN:
        if layer == "gzip" and not outer:  # a message is text; only another layer can hold compressed bytes
            continue
        peel = compile_layers([layer], UnwrapSettings())
        opened = [None if body is None else _opened(body, peel) for body in bodies]
        if layer == "base64":  # numbers and words are base64 too
            opened = [
                body if body is not None and (is_gzip(body) or body.startswith(b"{")) else None for body in opened
            ]
        if sum(body is not None for body in opened) * 2 > len(bodies):
            return layer, opened
    return None


def _opened(body: bytes, peel: Peel) -> bytes | None:
    try:
        return peel(Message(id="", body=body, queue="", sent_ms=None, received_ms=0)).body
    except Unfit:
        return None
