"""A store of objects in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from sofetch.errors import SofetchError, SourceUnavailable
from sofetch.record import ObjectRef, Reason


class MemoryObjectStore:
    """A ``ports.ObjectStore`` that keeps every version of its objects.

    ``fail`` makes the next reads raise; ``break_off`` makes the next stream break off after some bytes.
    ``open_streams`` counts what was opened and not closed.
    """

    def __init__(self, *, piece_bytes: int = 65_536) -> None:
        self.open_streams = 0
        self.reads = 0
        self._versions: dict[tuple[str, str], dict[str, tuple[bytes, int]]] = {}
        self._piece_bytes = piece_bytes
        self._errors: list[SofetchError] = []
        self._break_after: int | None = None

    def put(self, bucket: str, key: str, body: bytes, *, stored_ms: int = 1_700_000_000_000) -> str:
        """Store an object's new version; its id."""
        versions = self._versions.setdefault((bucket, key), {})
        version_id = f"v{len(versions) + 1}"
        versions[version_id] = (body, stored_ms)
        return version_id

    def remove(self, bucket: str, key: str) -> None:
        """Remove an object, all its versions included."""
        del self._versions[bucket, key]

    def fail(self, *errors: SofetchError) -> None:
        """Let the next reads raise these, one each."""
        self._errors += errors

    def break_off(self, *, after_bytes: int) -> None:
        """Let the next stream break off once it gave so many bytes."""
        self._break_after = after_bytes

    def fetch(self, refs: Sequence[ObjectRef], *, max_bytes: int) -> list[bytes | Reason]:
        """Whole objects, one after the other."""
        return [self._whole(ref, max_bytes) for ref in refs]

    def open(self, ref: ObjectRef, *, max_bytes: int) -> MemoryObjectStream | Reason:
        """One object; the newest version, if none is named."""
        self.reads += 1
        if self._errors:
            raise self._errors.pop(0)
        versions = self._versions.get((ref.bucket, ref.key), {})
        version_id = ref.version_id or next(reversed(versions), "")
        if version_id not in versions:
            return Reason.OBJECT_MISSING
        body, stored_ms = versions[version_id]
        if len(body) > max_bytes:
            return Reason.OBJECT_TOO_LARGE
        self.open_streams += 1
        break_after, self._break_after = self._break_after, None
        return MemoryObjectStream(self, body, stored_ms, piece_bytes=self._piece_bytes, break_after=break_after)

    def close(self) -> None:
        """Nothing to close."""

    def _whole(self, ref: ObjectRef, max_bytes: int) -> bytes | Reason:
        stream = self.open(ref, max_bytes=max_bytes)
        if isinstance(stream, Reason):
            return stream
        try:
            return b"".join(stream)
        finally:
            stream.close()


class MemoryObjectStream:
    """A ``ports.ObjectStream``."""

    def __init__(
        self, store: MemoryObjectStore, body: bytes, stored_ms: int, *, piece_bytes: int, break_after: int | None
    ) -> None:
        self.version = f"{sha256(body).hexdigest()} {stored_ms}"
        self.modified_ms = stored_ms
        self._store = store
        self._body = body
        self._piece_bytes = piece_bytes
        self._break_after = break_after
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        """The content in pieces."""
        for start in range(0, len(self._body), self._piece_bytes):
            if self._break_after is not None and start >= self._break_after:
                raise SourceUnavailable("the object broke off", hint="this fault was planned by a test")
            yield self._body[start : start + self._piece_bytes]

    def close(self) -> None:
        """Counted once."""
        if not self._closed:
            self._closed = True
            self._store.open_streams -= 1
