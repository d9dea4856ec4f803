"""A sink in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sofetch.errors import SinkUnavailable
from sofetch.record import Cell, Duplicate, Loaded, LoadResult, MaskedRecord, Reason, Refused, Rejected, SealedRejection


class MemorySink:
    """A ``ports.Sink`` that keeps rows and quarantine entries by key, exactly one of them for each key.

    ``refuse`` makes it refuse a message's row as a database would; ``fail_before_commit`` and ``fail_after_commit``
    make the next loads raise SinkUnavailable, with nothing or all of them committed. Safe to share between threads.
    """

    def __init__(self) -> None:
        self.rows: dict[bytes, tuple[Cell, ...]] = {}
        self.quarantine: dict[bytes, SealedRejection] = {}
        self.loads = 0
        self._refused: dict[str, Reason] = {}
        self._before = 0
        self._after = 0
        self._lock = threading.Lock()

    def refuse(self, message_id: str, reason: Reason) -> None:
        """Refuse the row of this message from now on."""
        self._refused[message_id] = reason

    def fail_before_commit(self, times: int = 1) -> None:
        """Let the next loads fail with nothing committed."""
        self._before += times

    def fail_after_commit(self, times: int = 1) -> None:
        """Let the next loads fail with all committed: the answer was lost."""
        self._after += times

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Keep rows and quarantine entries; one result each, records first."""
        with self._lock:
            self.loads += 1
            if self._before:
                self._before -= 1
                raise _unavailable()
            results = [self._load_row(record) for record in records]
            results += [self._load_rejection(rejection) for rejection in rejections]
            if self._after:
                self._after -= 1
                raise _unavailable()
            return results

    def close(self) -> None:
        """Nothing to close."""

    def _load_row(self, record: MaskedRecord) -> LoadResult:
        if self._known(record.key):
            return Duplicate(record.message_id)
        if record.message_id in self._refused:
            return Refused(record.message_id, self._refused[record.message_id])
        self.rows[record.key] = record.values
        return Loaded(record.message_id)

    def _load_rejection(self, rejection: SealedRejection) -> LoadResult:
        if rejection.key in self.rows:
            return Duplicate(rejection.message_id)
        self.quarantine.setdefault(rejection.key, rejection)
        return Rejected(rejection.message_id, rejection.reason, rejection.field)

    def _known(self, key: bytes) -> bool:
        return key in self.rows or key in self.quarantine


def _unavailable() -> SinkUnavailable:
    return SinkUnavailable("the sink does not answer", hint="this fault was planned by a test")
