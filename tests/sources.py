"""What tests of sources share: a queue to try a source on, and a transport that lets a test meddle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sofetch.ports import Source
from sofetch.source.flight import Flight
from sofetch.source.transport import EntryFailure, LoopTransport, RawMessage, Transport, VisibilityChange


@dataclass(frozen=True, slots=True)
class Bench:
    """A queue, and what a test may do with it besides receiving."""

    open_source: Callable[[], Source]
    send: Callable[[Sequence[bytes]], object]
    remaining: Callable[[], int]
    redeliver: Callable[[str], object]


class Recording:
    """A transport that remembers receipt handles, so that a test can make a held message visible behind its back."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.handles: dict[str, str] = {}

    @property
    def queue_name(self) -> str:
        return self._inner.queue_name

    def visibility_timeout_seconds(self) -> int:
        return self._inner.visibility_timeout_seconds()

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        raws = self._inner.receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        self.handles |= {raw.id: raw.receipt_handle for raw in raws}
        return raws

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        return self._inner.delete_batch(receipt_handles)

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        return self._inner.change_visibility_batch(changes)

    def interrupt(self) -> None:
        self._inner.interrupt()

    def close(self) -> None:
        self._inner.close()


class RecordingLoop(Recording):
    """The same for a transport whose calls can be begun without being waited for."""

    def __init__(self, inner: LoopTransport) -> None:
        super().__init__(inner)
        self._loop = inner

    def begin_receive(
        self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int
    ) -> Flight[list[RawMessage]] | None:
        flight = self._loop.begin_receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        if flight is not None:
            read = flight._read
            flight._read = lambda answer: self._noted(read(answer))
        return flight

    def begin_delete(self, receipt_handles: Sequence[str]) -> Flight[list[EntryFailure]] | None:
        return self._loop.begin_delete(receipt_handles)

    def begin_change(self, changes: Sequence[VisibilityChange]) -> Flight[list[EntryFailure]] | None:
        return self._loop.begin_change(changes)

    def _noted(self, raws: list[RawMessage] | None) -> list[RawMessage] | None:
        self.handles |= {raw.id: raw.receipt_handle for raw in raws or ()}
        return raws


def recording(inner: Transport) -> Recording:
    """A recording transport that can do what ``inner`` can."""
    return RecordingLoop(inner) if isinstance(inner, LoopTransport) else Recording(inner)
