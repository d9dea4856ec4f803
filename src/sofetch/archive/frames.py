"""The bytes of an archive file: a header and frames, as docs/archive.md has them.

Owns writing and parsing them, and telling a file that a crash cut off from one that is not an archive's. Parsing needs
no key: what is sealed is only passed on, or skipped. Must not open anything.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from sofetch.archive.messages import Damaged
from sofetch.archive.sealing import KEY_ID_BYTES, WRAPPED_BYTES

MAGIC: Final = b"SFARCH1\n"
MESSAGES: Final = b"\x01"
END: Final = b"\x02"
LEDGER_KEY_BYTES: Final = 16
_SENT_BYTES: Final = 6
MOST_SEALED_BYTES: Final = 1_073_741_824
MOST_CLEAR_BYTES: Final = 16_777_216
MOST_ABOUT_BYTES: Final = 65_536

_LENGTH: Final = struct.Struct(">I")
_FRAME: Final = struct.Struct(">cII")
_CLEAR: Final = struct.Struct(">QII")


class Readable(Protocol):
    """What is needed of a stream: ``read`` gives less than asked only at its end."""

    def read(self, size: int, /) -> bytes:
        """So many bytes."""
        ...


class About(Struct, frozen=True, kw_only=True):
    """What a file says of itself in the clear. ``hour`` is UTC, as ``2026-11-26T19``."""

    pipeline: str
    queue: str
    dedupe: str
    writer: str
    number: int
    hour: str
    sofetch: str


class Header(Struct, frozen=True):
    """The header, and ``raw``, the bytes that each frame is bound to."""

    key_id: bytes
    wrapped: bytes
    about: About
    raw: bytes


class Clear(Struct, frozen=True, kw_only=True):
    """What of a frame can be read without a key; ``keys`` are ledger keys, 16 bytes each, joined."""

    archived_ms: int
    redelivered: int
    count: int
    keys: bytes

    def each_key(self) -> Iterator[bytes]:
        """The keys, one by one, in the order of the messages."""
        keys = self.keys
        return (keys[at : at + LEDGER_KEY_BYTES] for at in range(0, len(keys), LEDGER_KEY_BYTES))

    def each_sent_ms(self) -> list[int]:
        """The sent times in the keys, in ms since the epoch; 0 where there is none."""
        keys, big = self.keys, int.from_bytes
        return [big(keys[at : at + _SENT_BYTES], "big") for at in range(0, len(keys), LEDGER_KEY_BYTES)]


class Frame(Struct, frozen=True, kw_only=True):
    """One frame. ``sealed`` is empty where it was skipped; ``raw_clear`` are the bytes that it is bound to."""

    number: int
    kind: bytes
    clear: Clear
    raw_clear: bytes
    sealed: bytes

    @property
    def is_end(self) -> bool:
        """Whether it closes the file."""
        return self.kind == END


class CutOff(Damaged):
    """The file stops within a frame: whoever wrote it was killed. ``good_bytes`` of it are whole."""

    def __init__(self, good_bytes: int) -> None:
        super().__init__("the file stops within a frame")
        self.good_bytes = good_bytes


def new_header(key_id: bytes, wrapped: bytes, about: About) -> bytes:
    """The header's bytes."""
    said = msgspec.json.encode(about)
    return MAGIC + key_id + wrapped + _LENGTH.pack(len(said)) + said


def new_clear(keys: Sequence[bytes], *, archived_ms: int, redelivered: int = 0) -> bytes:
    """The clear part of a frame."""
    return _CLEAR.pack(archived_ms, redelivered, len(keys)) + b"".join(keys)


def new_frame(kind: bytes, *, clear: bytes, sealed: bytes) -> bytes:
    """A frame's bytes."""
    frame = _FRAME.pack(kind, len(clear), len(sealed)) + clear + sealed
    return frame + _LENGTH.pack(zlib.crc32(frame))


def read_header(stream: Readable) -> Header:
    """The header. Raises CutOff if there is not all of it, Damaged if it is none."""
    fixed = stream.read(len(MAGIC) + KEY_ID_BYTES + WRAPPED_BYTES + _LENGTH.size)
    if fixed[: len(MAGIC)] == bytes(len(MAGIC)):  # the file had grown, and the blocks never reached the disk
        raise CutOff(0)
    if fixed[: len(MAGIC)] != MAGIC[: len(fixed)]:
        raise Damaged("the file is not an archive file of version 1")
    if len(fixed) < len(MAGIC) + KEY_ID_BYTES + WRAPPED_BYTES + _LENGTH.size:
        raise CutOff(0)
    length = _LENGTH.unpack(fixed[-_LENGTH.size :])[0]
    if length > MOST_ABOUT_BYTES:
        raise Damaged("the header is too long")
    said = stream.read(length)
    if len(said) < length:
        raise CutOff(0)
    try:
        about = msgspec.json.decode(said, type=About)
    except (msgspec.MsgspecError, ValueError):
        raise Damaged("the header does not say what the file is") from None
    key_id, wrapped = fixed[8 : 8 + KEY_ID_BYTES], fixed[8 + KEY_ID_BYTES : 8 + KEY_ID_BYTES + WRAPPED_BYTES]
    return Header(key_id, wrapped, about, fixed + said)


def read_frames(stream: Readable, header: Header) -> Iterator[Frame]:
    """The frames after the header, the end frame included if there is one; one is held at a time.

    Raises CutOff where the file stops within a frame, Damaged where a whole frame is not what was written.
    """
    position, number = len(header.raw), 0
    while head := stream.read(_FRAME.size):
        frame, length = _read_frame(stream, head, number=number, position=position)
        yield frame
        if frame.is_end:
            if stream.read(1):
                raise Damaged("there is something after the end frame")
            return
        position, number = position + length, number + 1


def _read_frame(stream: Readable, head: bytes, *, number: int, position: int) -> tuple[Frame, int]:
    if len(head) < _FRAME.size:
        raise CutOff(position)
    kind, clear_length, sealed_length = _FRAME.unpack(head)
    if kind == b"\0":  # the file had grown, and the blocks never reached the disk
        raise CutOff(position)
    if clear_length > MOST_CLEAR_BYTES or sealed_length > MOST_SEALED_BYTES:
        raise Damaged(f"frame {number} is longer than any can be")
    clear, sealed, check = stream.read(clear_length), stream.read(sealed_length), stream.read(_LENGTH.size)
    if len(check) < _LENGTH.size:
        raise CutOff(position)
    if _LENGTH.unpack(check)[0] != zlib.crc32(sealed, zlib.crc32(clear, zlib.crc32(head))):
        if not _is_blank(stream):
            raise Damaged(f"frame {number} is not what was written")
        raise CutOff(position)  # it was the last: its blocks did not all reach the disk
    frame = Frame(number=number, kind=kind, clear=_read_clear(clear, number), raw_clear=clear, sealed=sealed)
    if kind not in {MESSAGES, END}:
        raise Damaged(f"frame {number} is of no kind that version 1 has")
    return frame, _FRAME.size + clear_length + sealed_length + _LENGTH.size


def _is_blank(stream: Readable) -> bool:
    """Whether nothing follows, or nothing that was written."""
    while piece := stream.read(65_536):
        if piece.count(0) < len(piece):
            return False
    return True


def _read_clear(clear: bytes, number: int) -> Clear:
    if len(clear) < _CLEAR.size:
        raise Damaged(f"frame {number} has no count")
    archived_ms, redelivered, count = _CLEAR.unpack(clear[: _CLEAR.size])
    keys = clear[_CLEAR.size :]
    if len(keys) != count * LEDGER_KEY_BYTES:
        raise Damaged(f"frame {number} does not have as many keys as messages")
    return Clear(archived_ms=archived_ms, redelivered=redelivered, count=count, keys=keys)
