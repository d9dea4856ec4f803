"""Gzip: inflating within bounds.

Owns that no more is held than one piece at a time, whatever the data claims to come to, and that what is cut off,
damaged or followed by something else is an error. Several members one after the other are one content (RFC 1952).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from sofetch.decode.unfit import Unfit
from sofetch.record import Reason

_GZIP_ONLY: Final = 16 + zlib.MAX_WBITS
_PIECE_BYTES: Final = 65_536
"""Most that comes out at once."""
_FEED_BYTES: Final = 4_096
"""Most that goes in at once: what is left over at a member's end is copied, and a body may be nothing but ends."""
_MAGIC: Final = b"\x1f\x8b"


def is_gzip(start: bytes) -> bool:
    """Whether data that starts so is gzip. No JSON does."""
    return start.startswith(_MAGIC)


def inflate(body: bytes, *, max_bytes: int) -> bytes:
    """The content of a whole body. Raises Unfit if it is no gzip, or comes to more than ``max_bytes``."""
    pieces: list[bytes] = []
    size = 0
    for piece in inflated([body]):
        size += len(piece)
        if size > max_bytes:
            raise Unfit(Reason.UNWRAPPED_TOO_LARGE)
        pieces.append(piece)
    return b"".join(pieces)


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content, piece by piece as the data comes. Raises Unfit where the data is not gzip, or ends too early."""
    member = zlib.decompressobj(_GZIP_ONLY)
    whole = False
    for feed in _feeds(chunks):
        data = feed
        while data:
            if member.eof:
                member = zlib.decompressobj(_GZIP_ONLY)
            piece = _decompress(member, data)
            if piece:
                yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail
            whole = member.eof
    if not whole:
        raise Unfit(Reason.BAD_ENCODING)


def _decompress(member: zlib._Decompress, data: bytes) -> bytes:
    try:
        return member.decompress(data, _PIECE_BYTES)
    except zlib.error:
        raise Unfit(Reason.BAD_ENCODING) from None


def _feeds(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), _FEED_BYTES):
            yield chunk[start : start + _FEED_BYTES]
