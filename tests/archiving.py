"""Messages, keys and archives in memory or in a folder, for the tests of the archive. Everything is made up."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO
from uuid import UUID

from loading import logins
from sofetch.archive.place import Listed, Place
from sofetch.archive.sealing import ArchiveKey, new_archive_keypair, parse_archive_key, parse_archive_public_key
from sofetch.archive.writer import ArchiveWriter
from sofetch.errors import ArchiveUnavailable
from sofetch.events import Event, Events
from sofetch.findings import Finding
from sofetch.record import Message
from sofetch.settings import Settings
from sofetch.testing import FakeClock

NOON_MS = 1_795_694_400_000
"""2026-11-26, noon UTC."""

_PRIVATE, _PUBLIC = new_archive_keypair()
KEY: ArchiveKey = parse_archive_key(_PRIVATE)
PUBLIC_KEY = parse_archive_public_key(_PUBLIC)


def message(
    number: int, body: bytes = b"{}", *, sent_ms: int | None = NOON_MS - 7_000, receive_count: int = 1
) -> Message:
    """A message whose id is a UUID of this number."""
    return Message(
        id=str(UUID(int=number << 64)),
        body=body,
        queue="q",
        sent_ms=sent_ms,
        received_ms=NOON_MS,
        receive_count=receive_count,
    )


def seen(messages: Sequence[Message]) -> list[tuple[object, ...]]:
    """All of each message, in the open: a message shows nothing of itself."""
    return [tuple(getattr(one, name) for name in Message.__struct_fields__) for one in messages]


class MemoryPlace:
    """Fills ``Place``, as a bucket does: a file is there once it is closed. ``fail`` makes that many puts fail."""

    appends = False

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fail = 0

    def prepare(self) -> None:
        return None

    def check(self) -> Finding:
        return Finding(severity="ok", code="archive_writable", where="memory", what="")

    def create(self, name: str) -> _MemoryFile:
        return _MemoryFile(self, name)

    def put(self, name: str, content: bytes) -> None:
        if self.fail:
            self.fail -= 1
            raise ArchiveUnavailable("the archive is away")
        self.files[name] = content

    def names(self, prefix: str) -> Iterator[Listed]:
        yield from (Listed(name, len(self.files[name])) for name in sorted(self.files) if name.startswith(prefix))

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.files[name])

    def remove(self, names: Sequence[str]) -> None:
        for name in names:
            self.files.pop(name, None)

    def close(self) -> None:
        return None


class _MemoryFile:
    def __init__(self, place: MemoryPlace, name: str) -> None:
        self._place = place
        self._name = name
        self._content = b""

    def append(self, data: bytes) -> None:
        self._content += data

    def close(self) -> None:
        self._place.put(self._name, self._content)

    def abandon(self) -> None:
        self._content = b""


def writer(
    place: Place, clock: FakeClock | None = None, settings: Settings | None = None
) -> tuple[ArchiveWriter, list[Event]]:
    """A writer of the logins' pipeline, and what it tells."""
    told: list[Event] = []
    clock = clock or FakeClock(now_ms=NOON_MS)
    return ArchiveWriter(
        settings or logins(), place=place, key=PUBLIC_KEY, clock=clock, events=Events(told.append)
    ), told
