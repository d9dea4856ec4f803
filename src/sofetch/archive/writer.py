"""Writing the archive: each batch sealed and durable before it is loaded.

Owns when a file begins and ends, the turn of the hour, and the manifest. One thread uses it. What it holds of messages
is gone when ``keep`` returns; of an hour it holds counts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from sofetch import __version__
from sofetch.archive.frames import END, MESSAGES, About, Clear, new_clear, new_frame, new_header
from sofetch.archive.manifest import ArchivedFile, Tally, dedupe_text, encode_manifest, manifest_of
from sofetch.archive.messages import pack_messages
from sofetch.archive.place import MANIFEST_SUFFIX, Hour, NewFile, Place, file_name, hour_text
from sofetch.archive.sealing import ArchivePublicKey, FrameSeal
from sofetch.errors import ArchiveRefused, ArchiveUnavailable, SofetchError
from sofetch.events import ArchiveUnfinished, Events, HourArchived
from sofetch.faults import crash_point
from sofetch.mask.identity import ledger_key
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.settings import Settings


class ArchiveWriter:
    """Fills ``worker.Archive``."""

    def __init__(
        self, settings: Settings, *, place: Place, key: ArchivePublicKey, clock: Clock, events: Events
    ) -> None:
        self._settings = settings
        self._place = place
        self._key = key
        self._clock = clock
        self._events = events
        self._started = datetime.fromtimestamp(clock.now_ms() / 1_000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
        self._writer = self._new_name()
        self._latest = ""
        self._hour: _WritersHour | None = None
        self._told_unfinished = False

    def prepare(self) -> None:
        """See that the place can be written to. Raises ArchiveUnavailable or ArchiveRefused."""
        self._place.prepare()

    def keep(self, messages: Sequence[Message]) -> bool:
        """Archive a batch; True once it is durable. Raises ArchiveUnavailable or ArchiveRefused.

        It may be tried again after a failure, and then it is in the archive once, or twice where the first answer was
        lost.
        """
        now_ms = self._clock.now_ms()
        self._turn(now_ms)
        if self._hour is None:
            self._hour = self._begin(hour_text(now_ms))
        self._hour.keep(messages, now_ms=now_ms)
        crash_point("after_archive")
        return True

    def rest(self) -> None:
        """Close an hour that is over, for whoever has nothing to archive. Raises nothing; what fails is tried again."""
        try:
            self._turn(self._clock.now_ms())
        except (ArchiveUnavailable, ArchiveRefused) as error:
            if not self._told_unfinished:
                self._tell_unfinished(error)

    def close(self) -> None:
        """Close the hour, over or not, and the place. Raises nothing: what is archived is durable as it is."""
        try:
            self._finish()
        except (ArchiveUnavailable, ArchiveRefused) as error:
            self._tell_unfinished(error)
        self._place.close()

    def _begin(self, text: str) -> _WritersHour:
        """An hour that is not later than all before was perhaps written to already, under the same names: a clock may
        be set back. It gets a writer of its own.
        """
        if text <= self._latest:
            self._writer = self._new_name()
        self._latest = max(text, self._latest)
        hour = Hour(text, self._settings.pipeline_name)
        return _WritersHour(hour, self._writer, settings=self._settings, place=self._place, key=self._key)

    def _new_name(self) -> str:
        return f"{self._started}-{secrets.token_hex(4)}"

    def _turn(self, now_ms: int) -> None:
        if self._hour is not None and self._hour.hour.text != hour_text(now_ms):
            self._finish()

    def _finish(self) -> None:
        if self._hour is None:
            return
        self._hour.finish()
        told, self._hour = self._hour.told(), None
        self._told_unfinished = False
        if told is not None:
            self._events.emit(told)

    def _tell_unfinished(self, error: SofetchError) -> None:
        self._told_unfinished = True
        self._events.emit(ArchiveUnfinished(code=error.code, what=error.what))


class _WritersHour:
    """The files of one writer in one hour, and what the manifest will say of them."""

    def __init__(self, hour: Hour, writer: str, *, settings: Settings, place: Place, key: ArchivePublicKey) -> None:
        self.hour = hour
        self._writer = writer
        self._settings = settings
        self._place = place
        self._key = key
        self._begun = 0
        self._open: _OpenFile | None = None
        self._files: list[ArchivedFile] = []
        self._sent_hours: Counter[str] = Counter()

    def keep(self, messages: Sequence[Message], *, now_ms: int) -> None:
        """A frame more, in a file that is open or new."""
        if self._open is None:
            self._open = self._begin()
        try:
            self._open.append(messages, now_ms=now_ms)
            if not self._place.appends:
                self._open.end()
        except BaseException:
            self._give_up()
            raise
        if not self._place.appends:
            self._enlist(ended=True)

    def finish(self) -> None:
        """End the file, and write the manifest. May be tried again after it raised."""
        if self._open is not None:
            try:
                self._open.end()
            except (ArchiveUnavailable, ArchiveRefused):
                self._give_up()
                raise
            self._enlist(ended=True)
        if self._files:
            self._place.put(f"{self.hour.prefix}{self._writer}{MANIFEST_SUFFIX}", self._manifest())

    def told(self) -> HourArchived | None:
        """The event for it; None if nothing was archived."""
        if not self._files:
            return None
        return HourArchived(
            hour=self.hour.text,
            files=len(self._files),
            messages=sum(file.messages for file in self._files),
            bytes=sum(file.bytes for file in self._files),
        )

    def _begin(self) -> _OpenFile:
        name, number = file_name(self._writer, self._begun), self._begun
        self._begun += 1  # a name is used once, whatever becomes of the file
        about = About(
            pipeline=self.hour.pipeline,
            queue=self._settings.source.queue.rstrip("/").rpartition("/")[2],
            dedupe=dedupe_text(self._settings.sink.dedupe),
            writer=self._writer,
            number=number,
            hour=self.hour.text,
            sofetch=__version__,
        )
        return _OpenFile(name, self._place.create(self.hour.prefix + name), key=self._key, about=about)

    def _give_up(self) -> None:
        """What was whole before stays in the archive; of the rest nothing counts."""
        if self._open is None:
            return
        self._open.file.abandon()
        if self._place.appends and self._open.tally.frames:
            self._enlist(ended=False)
        self._open = None

    def _enlist(self, *, ended: bool) -> None:
        assert self._open is not None  # noqa: S101  # the callers have one
        self._files.append(self._open.listed(ended=ended))
        self._sent_hours += self._open.tally.sent_hours
        self._open = None

    def _manifest(self) -> bytes:
        return encode_manifest(
            manifest_of(
                self._files,
                pipeline=self.hour.pipeline,
                writer=self._writer,
                hour=self.hour.text,
                dedupe=dedupe_text(self._settings.sink.dedupe),
                key_id=self._key.id,
                made_by="worker",
                sent_hours=self._sent_hours,
            )
        )


class _OpenFile:
    """One file while it is written: its seal, its hash, its counts. All of them are of what is durable."""

    def __init__(self, name: str, file: NewFile, *, key: ArchivePublicKey, about: About) -> None:
        self.name = name
        self.file = file
        self.tally = Tally()
        data_key, wrapped = key.new_data_key()
        self._header: bytes | None = new_header(key.id, wrapped, about)
        self._seal = FrameSeal(data_key, header=self._header)
        self._hash = hashlib.sha256()
        self._bytes = 0

    def append(self, messages: Sequence[Message], *, now_ms: int) -> None:
        """A frame of messages; the first one with the header before it."""
        keys = [ledger_key(message) for message in messages]
        redelivered = sum(message.receive_count > 1 for message in messages)
        clear = new_clear(keys, archived_ms=now_ms, redelivered=redelivered)
        self._write(MESSAGES, clear, pack_messages(messages))
        self.tally.add(Clear(archived_ms=now_ms, redelivered=redelivered, count=len(keys), keys=b"".join(keys)))

    def end(self) -> None:
        """The end frame."""
        self._write(END, new_clear((), archived_ms=0), b"")
        self.file.close()

    def listed(self, *, ended: bool) -> ArchivedFile:
        """What the manifest says of it."""
        return self.tally.as_file(self.name, size=self._bytes, sha256=self._hash.hexdigest(), ended=ended)

    def _write(self, kind: bytes, clear: bytes, plaintext: bytes) -> None:
        sealed = self._seal.seal(plaintext, number=self.tally.frames, kind=kind, clear=clear)
        data = (self._header or b"") + new_frame(kind, clear=clear, sealed=sealed)
        self.file.append(data)
        self._header = None
        self._hash.update(data)
        self._bytes += len(data)
