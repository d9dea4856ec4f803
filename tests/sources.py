"""What tests of sources share: a queue to try a source on, and a transport that lets a test meddle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sofetch.ports import Source
from sofetch.source.transport import EntryFailure, RawMessage, Transport, VisibilityChange


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
