"""Reading an archive: its hours, its files, what is in them without a key and with one.

Owns the order in which things are read and that memory is bounded by one frame. Files that a crash cut off are read to
their last whole frame. Must not load or show what it opens.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from sofetch.archive.frames import CutOff, Frame, Header, Readable, read_frames, read_header
from sofetch.archive.manifest import ArchivedFile, Manifest, Tally, decode_manifest, encode_manifest, manifest_of
from sofetch.archive.messages import Damaged, unpack_messages
from sofetch.archive.place import (
    FILE_SUFFIX,
    MANIFEST_SUFFIX,
    Hour,
    Listed,
    Place,
    hour_of,
    pipeline_prefix,
    writer_of,
)
from sofetch.archive.sealing import ArchiveKey, FrameSeal
from sofetch.errors import ArchiveDamaged, KeyringError
from sofetch.record import Message

MOST_MANIFEST_BYTES = 268_435_456


class HourFiles(Struct, frozen=True, kw_only=True):
    """What is there of one hour: archive files and manifests, by name."""

    hour: Hour
    files: list[Listed]
    manifests: list[Listed]

    @property
    def without_manifest(self) -> list[str]:
        """Writers that left none: they were killed, or are at work."""
        made = {writer_of(one.name) for one in self.manifests}
        return sorted({writer_of(one.name) for one in self.files} - made)


def hours(place: Place, pipeline: str, *, first: str | None = None, last: str | None = None) -> Iterator[HourFiles]:
    """The hours of a pipeline in order, from ``first`` to ``last`` (``2026-11-26T19``, both included)."""
    named = place.names(pipeline_prefix(pipeline))
    found = ((where[0], one) for one in named if (where := hour_of(one.name)) is not None)
    for hour, members in groupby(found, key=lambda pair: pair[0]):
        if (first is not None and hour.text < first) or (last is not None and hour.text > last):
            continue
        listed = [one for _, one in members]
        yield HourFiles(
            hour=hour,
            files=[one for one in listed if one.name.endswith(FILE_SUFFIX)],
            manifests=[one for one in listed if one.name.endswith(MANIFEST_SUFFIX)],
        )


def read_manifest(place: Place, name: str) -> Manifest:
    """A manifest. Raises ArchiveDamaged, and what the place raises."""
    with place.open(name) as stream:
        content = stream.read(MOST_MANIFEST_BYTES)
    try:
        return decode_manifest(content)
    except Damaged as damaged:
        raise _told(name, damaged) from None


def read_file(
    place: Place, name: str, *, dedupe: str | None = None, others: list[str] | None = None
) -> Iterator[Frame]:
    """The frames of messages of a file, without a key: their counts and keys. Stops where a crash cut it off.

    With ``dedupe``, nothing of a file that was written under another one; its name is added to ``others``.
    Raises ArchiveDamaged, and what the place raises.
    """
    with place.open(name) as stream:
        try:
            header = read_header(stream)
            if dedupe is not None and header.about.dedupe != dedupe:
                if others is not None:
                    others.append(name)
                return
            yield from (frame for frame in read_frames(stream, header) if not frame.is_end)
        except CutOff:
            return
        except Damaged as damaged:
            raise _told(name, damaged) from None


def read_messages(
    place: Place, name: str, keys: Sequence[ArchiveKey], *, cut_off: list[str] | None = None
) -> Iterator[list[Message]]:
    """The messages of a file, a batch at a time. Stops where a crash cut it off, and then adds its name to ``cut_off``.

    Raises ArchiveDamaged where a frame does not open in its place, KeyringError where none of the keys is the file's,
    and what the place raises.
    """
    with place.open(name) as stream:
        try:
            header = read_header(stream)
            seal = file_seal(header, keys, name=name)
            for frame in read_frames(stream, header):
                plaintext = _opened(frame, seal)
                if not frame.is_end:
                    yield _messages(frame, plaintext, queue=header.about.queue)
        except CutOff:
            if cut_off is not None:
                cut_off.append(name)
        except Damaged as damaged:
            raise _told(name, damaged) from None


def file_seal(header: Header, keys: Sequence[ArchiveKey], *, name: str) -> FrameSeal:
    """What opens a file's frames. Raises KeyringError where none of the keys is the file's, Damaged."""
    key = next((key for key in keys if key.id == header.key_id), None)
    if key is None:
        given = ", ".join(key.id.hex() for key in keys)
        raise KeyringError(
            f"{name} is sealed for archive key {header.key_id.hex()}; given: {given}",
            hint="name the file of that key's private half too: --private-key may be given more than once",
        )
    data_key = key.unwrap(header.wrapped)
    if data_key is None:
        raise Damaged("its data key does not open: the header was altered")
    return FrameSeal(data_key, header=header.raw)


class Looked(Struct, frozen=True, kw_only=True):
    """A file read from end to end: what a manifest says of it, what is wrong with it, and where it belongs."""

    file: ArchivedFile
    header: Header | None
    sent_hours: Counter[str]
    damage: str | None = None
    cut_off: bool = False


def look_at_file(place: Place, listed: Listed, *, keys: Sequence[ArchiveKey] = ()) -> Looked:
    """Hash and count a file; with keys also open every frame. Raises KeyringError, and what the place raises."""
    with place.open(listed.name) as stream:
        hashed = _Hashed(stream)
        tally, ended, header = Tally(), False, None
        damage, cut_off = None, False
        try:
            header = read_header(hashed)
            seal = file_seal(header, keys, name=listed.name) if keys else None
            for frame in read_frames(hashed, header):
                if seal is not None:
                    plaintext = _opened(frame, seal)
                    if not frame.is_end:
                        _messages(frame, plaintext, queue=header.about.queue)
                if frame.is_end:
                    ended = True
                else:
                    tally.add(frame.clear)
        except CutOff:
            cut_off = True
        except Damaged as damaged:
            damage = str(damaged)
        hashed.finish()
    name = listed.name.rpartition("/")[2]
    file = tally.as_file(name, size=hashed.bytes, sha256=hashed.sha256.hexdigest(), ended=ended)
    return Looked(file=file, header=header, sent_hours=tally.sent_hours, damage=damage, cut_off=cut_off)


def make_manifest(place: Place, hour: HourFiles, writer: str) -> Manifest | None:
    """Make and write the manifest that a killed writer left out, from its files; None if they hold no frame.

    Raises ArchiveDamaged for a file that is neither whole nor cut off, and what the place raises.
    """
    looked = [look_at_file(place, one) for one in hour.files if writer_of(one.name) == writer]
    for one in looked:
        if one.damage is not None:
            raise ArchiveDamaged(f"{hour.hour.prefix}{one.file.name}: {one.damage}", hint=_HINT)
    whole = [one for one in looked if one.header is not None]
    if not whole or whole[0].header is None:
        return None
    header = whole[0].header
    manifest = manifest_of(
        [one.file for one in whole],
        pipeline=hour.hour.pipeline,
        writer=writer,
        hour=hour.hour.text,
        dedupe=header.about.dedupe,
        key_id=header.key_id,
        made_by="command",
        sent_hours=sum((one.sent_hours for one in whole), Counter()),
    )
    place.put(f"{hour.hour.prefix}{writer}{MANIFEST_SUFFIX}", encode_manifest(manifest))
    return manifest


_HINT = "look for a copy of the file: a frame that was altered, moved or left out is not read"


def _opened(frame: Frame, seal: FrameSeal) -> bytes:
    plaintext = seal.open(frame.sealed, number=frame.number, kind=frame.kind, clear=frame.raw_clear)
    if plaintext is None:
        raise Damaged(f"frame {frame.number} does not open: it was altered, moved or comes after one that is missing")
    return plaintext


def _messages(frame: Frame, plaintext: bytes, *, queue: str) -> list[Message]:
    messages = unpack_messages(plaintext, queue=queue)
    if len(messages) != frame.clear.count:
        raise Damaged(f"frame {frame.number} does not hold as many messages as it says")
    return messages


def _told(name: str, damaged: Damaged) -> ArchiveDamaged:
    return ArchiveDamaged(f"{name}: {damaged}", hint=_HINT)


class _Hashed:
    """A stream that hashes and counts what is read of it."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int, /) -> bytes:
        """Like the stream's own."""
        data = self._stream.read(size)
        self.sha256.update(data)
        self.bytes += len(data)
        return data

    def finish(self) -> None:
        """Read what nobody wanted."""
        while self.read(1_048_576):
            pass
