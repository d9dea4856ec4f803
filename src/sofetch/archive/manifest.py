"""Manifests: what one writer archived in one hour, readable without a key.

Owns their JSON and the counting that they are made of. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sofetch.archive.frames import Clear
from sofetch.archive.messages import Damaged
from sofetch.archive.place import HOUR_MS, hour_text

FORMAT: Final = "sofetch-archive/1"
UNKNOWN_HOUR: Final = "unknown"
_MOST_SENT_MS: Final = 253_402_300_799_999
"""The end of the year 9999: later times are no times."""


class ArchivedFile(Struct, frozen=True, kw_only=True):
    """One file. ``ended`` tells that it was closed in good order; a cut-off tail counts into ``bytes`` alone."""

    name: str
    bytes: int
    sha256: str
    frames: int
    messages: int
    redelivered: int
    first_sent_ms: int | None
    last_sent_ms: int | None
    ended: bool


class Manifest(Struct, frozen=True, kw_only=True):
    """One writer's hour. ``sent_hours`` counts messages by the hour they were sent in."""

    format: str
    pipeline: str
    writer: str
    hour: str
    dedupe: str
    key_id: str
    made_by: Literal["worker", "command"]
    messages: int
    redelivered: int
    bytes: int
    first_sent_ms: int | None
    last_sent_ms: int | None
    sent_hours: dict[str, int]
    files: list[ArchivedFile]


class Tally:
    """Counts frames into what a manifest says of them."""

    def __init__(self) -> None:
        self.frames = 0
        self.messages = 0
        self.redelivered = 0
        self.first_sent_ms: int | None = None
        self.last_sent_ms: int | None = None
        self.sent_hours: Counter[str] = Counter()

    def add(self, clear: Clear) -> None:
        """One frame of messages."""
        self.frames += 1
        self.messages += clear.count
        self.redelivered += clear.redelivered
        known = [sent for sent in clear.each_sent_ms() if 0 < sent <= _MOST_SENT_MS]
        for hour, count in Counter([sent // HOUR_MS for sent in known]).items():
            self.sent_hours[hour_text(hour * HOUR_MS)] += count
        if len(known) < clear.count:
            self.sent_hours[UNKNOWN_HOUR] += clear.count - len(known)
        if known:
            self.first_sent_ms = min(known) if self.first_sent_ms is None else min(self.first_sent_ms, *known)
            self.last_sent_ms = max(known) if self.last_sent_ms is None else max(self.last_sent_ms, *known)

    def as_file(self, name: str, *, size: int, sha256: str, ended: bool) -> ArchivedFile:
        """What the manifest says of the file that these frames are in."""
        return ArchivedFile(
            name=name,
            bytes=size,
            sha256=sha256,
            frames=self.frames,
            messages=self.messages,
            redelivered=self.redelivered,
            first_sent_ms=self.first_sent_ms,
            last_sent_ms=self.last_sent_ms,
            ended=ended,
        )


def manifest_of(
    files: Sequence[ArchivedFile],
    *,
    pipeline: str,
    writer: str,
    hour: str,
    dedupe: str,
    key_id: bytes,
    made_by: Literal["worker", "command"],
    sent_hours: Counter[str],
) -> Manifest:
    """The manifest of these files."""
    return Manifest(
        format=FORMAT,
        pipeline=pipeline,
        writer=writer,
        hour=hour,
        dedupe=dedupe,
        key_id=key_id.hex(),
        made_by=made_by,
        messages=sum(file.messages for file in files),
        redelivered=sum(file.redelivered for file in files),
        bytes=sum(file.bytes for file in files),
        first_sent_ms=min((file.first_sent_ms for file in files if file.first_sent_ms is not None), default=None),
        last_sent_ms=max((file.last_sent_ms for file in files if file.last_sent_ms is not None), default=None),
        sent_hours=dict(sorted(sent_hours.items())),
        files=list(files),
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """Its JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """The manifest. Raises Damaged."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Damaged("the manifest does not read as one") from None
    if manifest.format != FORMAT:
        raise Damaged("the manifest is not of version 1")
    return manifest


def dedupe_text(dedupe: str | list[str]) -> str:
    """``[sink] dedupe`` as files and manifests say it."""
    return dedupe if isinstance(dedupe, str) else "fields"
