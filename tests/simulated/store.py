"""What the simulated workers store into, and the oracle that stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sofetch.record import (
    Decoded,
    LoadResult,
    Masked,
    MaskedRecord,
    Message,
    Reason,
    Record,
    Rejection,
    SealedRejection,
)
from sofetch.testing import MemorySink

POISON, BREAKING, FORGOTTEN, PLAIN = b"poison", b"breaks", b"forgot", b"plain!"
BODIES = (PLAIN, PLAIN, PLAIN, PLAIN, POISON, BREAKING, FORGOTTEN)


class Store:
    """The one sink of all workers: it outlives their crashes, can be out, and sees to the order of groups."""

    def __init__(self, buried: Collection[str]) -> None:
        self.buried = buried
        self.sink = MemorySink()
        self.out = False
        self.places: dict[bytes, tuple[str, int]] = {}
        self._last: dict[str, int] = {}

    def durable(self, message_id: str) -> bool:
        """Whether the message is committed, as a row or in quarantine."""
        key = message_id.encode()
        return key in self.sink.rows or key in self.sink.quarantine

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Load as one worker's transaction, and note the order of what is committed."""
        if self.out:
            self.sink.fail_before_commit()
        known = {record.key for record in records if record.key in self.sink.rows}
        try:
            return self.sink.load(records, rejections)
        finally:
            for record in records:
                if record.key in self.sink.rows and record.key not in known:
                    known.add(record.key)
                    self._in_order(record.key)

    def _in_order(self, key: bytes) -> None:
        # What the queue has buried holds nobody up any more, even if a worker that lost it loads it yet.
        if key in self.places and key.decode() not in self.buried:
            group, sequence = self.places[key]
            assert sequence > self._last.get(group, -1), f"{key.decode()} was committed after a later one of its group"
            self._last[group] = sequence


class StoreOfWorker:
    """The store as one worker sees it: it may be killed before the commit, and after it."""

    def __init__(self, store: Store, pause: Callable[[], None]) -> None:
        self._store = store
        self._pause = pause

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Pause, load, pause."""
        self._pause()
        results = self._store.load(records, rejections)
        self._pause()
        return results

    def close(self) -> None:
        """Nothing to close."""


def decode(messages: Sequence[Message]) -> Decoded:
    """Poison is rejected; on one kind of body the program breaks, and one is forgotten every other time."""
    if any(message.body.startswith(BREAKING) for message in messages):
        raise ZeroDivisionError
    messages = [one for one in messages if not (one.body.startswith(FORGOTTEN) and one.receive_count % 2)]
    good = [Record(message, ()) for message in messages if not message.body.startswith(POISON)]
    bad = [Rejection(message, Reason.NOT_JSON) for message in messages if message.body.startswith(POISON)]
    return Decoded(good, bad)


class Masker:
    """Makes rows of ids."""

    def mask(self, records: Sequence[Record]) -> Masked:
        """One row a record."""
        return Masked(
            [MaskedRecord(one.message.id, one.message.id.encode(), (one.message.id,)) for one in records], [], {}
        )

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        """One entry a rejection."""
        return [
            SealedRejection(
                message_id=one.message.id,
                key=one.message.id.encode(),
                reason=one.reason,
                field=None,
                sent_ms=one.message.sent_ms,
                receive_count=one.message.receive_count,
                kid="k1",
                sealed_body=b"",
            )
            for one in rejections
        ]
