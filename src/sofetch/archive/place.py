"""Where an archive is: what reading and writing need of a folder or a bucket, as a Protocol.

Owns the names below the root. Must not know what is in a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import BinaryIO, Final, Protocol
from urllib.parse import quote, unquote

from msgspec import Struct

from sofetch.findings import Finding

FILE_SUFFIX: Final = ".sfa"
MANIFEST_SUFFIX: Final = ".json"
HOUR_MS: Final = 3_600_000

_HOUR: Final = re.compile(r"pipeline=([^/]+)/date=(\d{4}-\d{2}-\d{2})/hour=(\d{2})/([^/]+)")
_AFTER_WRITER: Final = re.compile(r"(-\d{6,}\.sfa|\.json)$")


class Listed(Struct, frozen=True):
    """A file of the archive by its name below the root, and its length in bytes."""

    name: str
    bytes: int


class NewFile(Protocol):
    """A file that is being written. Raises ArchiveUnavailable or ArchiveRefused; then it is not to be used again."""

    def append(self, data: bytes) -> None:
        """Add to it. Durable on return only where the place ``appends``."""
        ...

    def close(self) -> None:
        """It is whole: durable on return, wherever it is."""
        ...

    def abandon(self) -> None:
        """Give it up, without what was appended last. Raises nothing. Idempotent, and nothing after ``close``."""
        ...


class Place(Protocol):
    """A folder or a bucket. Its methods raise ArchiveUnavailable (may pass) or ArchiveRefused (a person must act)."""

    @property
    def appends(self) -> bool:
        """Whether what is appended to a file is durable before it is closed."""
        ...

    def prepare(self) -> None:
        """See that it can be written to, before anything is received."""
        ...

    def check(self) -> Finding:
        """Whether it is there and can be used; changes nothing."""
        ...

    def create(self, name: str) -> NewFile:
        """Begin a file that is not there yet."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """A small file, whole or not at all, in the place of an earlier one. Durable on return."""
        ...

    def names(self, prefix: str) -> Iterator[Listed]:
        """Every file whose name begins so, by name. The prefix ends in a slash, or is empty."""
        ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Read a file from its beginning, in bounded memory."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Delete files; one that is gone is no error."""
        ...

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        ...


class Hour(Struct, frozen=True, order=True):
    """One hour of one pipeline. ``text`` is ``2026-11-26T19``, UTC."""

    text: str
    pipeline: str

    @property
    def prefix(self) -> str:
        """What the names of its files begin with."""
        return f"{pipeline_prefix(self.pipeline)}date={self.text[:10]}/hour={self.text[11:]}/"

    @property
    def begins_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(datetime.strptime(self.text, "%Y-%m-%dT%H").replace(tzinfo=UTC).timestamp()) * 1_000


def pipeline_prefix(pipeline: str) -> str:
    """What the names of a pipeline's files begin with."""
    return f"pipeline={quote(pipeline, safe='')}/"


def hour_text(now_ms: int) -> str:
    """The hour that a time is in, UTC: ``2026-11-26T19``."""
    return datetime.fromtimestamp(now_ms / 1_000, tz=UTC).strftime("%Y-%m-%dT%H")


def hour_of(name: str) -> tuple[Hour, str] | None:
    """The hour of a file, and its name within; None for what is not in one."""
    found = _HOUR.fullmatch(name)
    if found is None:
        return None
    return Hour(f"{found[2]}T{found[3]}", unquote(found[1])), found[4]


def file_name(writer: str, number: int) -> str:
    """The name of a writer's file within its hour."""
    return f"{writer}-{number:06d}{FILE_SUFFIX}"


def writer_of(name: str) -> str:
    """The writer of an archive file or a manifest, by the file's name."""
    return _AFTER_WRITER.sub("", name.rpartition("/")[2])
