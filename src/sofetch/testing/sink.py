"""A sink in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from sofetch.columns import version_column
from sofetch.errors import SinkUnavailable
from sofetch.record import Cell, Duplicate, Loaded, LoadResult, MaskedRecord, Reason, Refused, Rejected, SealedRejection
from sofetch.settings import Settings


class MemorySink:
    """A ``ports.Sink`` that keeps rows and quarantine entries by key, exactly one of them for each key.

    ``refuse`` makes it refuse a message's row as a database would; ``fail_before_commit`` and ``fail_after_commit``
    make the next loads raise SinkUnavailable, with nothing or all of them committed. Safe to share between threads.

    With ``settings`` it writes as they say: ``table`` holds what the table would, ``rows`` what each message was. Of
    rows of one key and one sent time that stays which a comparison of their cells' texts puts last.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._mode = _Mode.of(settings) if settings is not None else _Mode()
        self._by_key: dict[tuple[Cell, ...], tuple[Cell, ...]] = {}
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
            by_number = {number: self._load_row(record) for number, record in self._mode.in_order(records)}
            results = [by_number[number] for number in range(len(records))]
            results += [self._load_rejection(rejection) for rejection in rejections]
            if self._after:
                self._after -= 1
                raise _unavailable()
            return results

    @property
    def table(self) -> list[tuple[Cell, ...]]:
        """The table's rows."""
        return list(self._by_key.values()) if self._mode.key else list(self.rows.values())

    def close(self) -> None:
        """Nothing to close."""

    def _load_row(self, record: MaskedRecord) -> LoadResult:
        if self._known(record.key):
            return Duplicate(record.message_id)
        if record.message_id in self._refused:
            return Refused(record.message_id, self._refused[record.message_id])
        self.rows[record.key] = record.values
        return Loaded(record.message_id) if self._write(record.values) else Duplicate(record.message_id)

    def _write(self, values: tuple[Cell, ...]) -> bool:
        if not self._mode.key:
            return True
        key = tuple(values[place] for place in self._mode.key)
        there = self._by_key.get(key)
        if there is not None and not self._mode.goes_before(values, there):
            return False
        self._by_key[key] = values
        return True

    def _load_rejection(self, rejection: SealedRejection) -> LoadResult:
        if rejection.key in self.rows:
            return Duplicate(rejection.message_id)
        self.quarantine.setdefault(rejection.key, rejection)
        return Rejected(rejection.message_id, rejection.reason, rejection.field)

    def _known(self, key: bytes) -> bool:
        return key in self.rows or key in self.quarantine


class _Mode(Struct, frozen=True):
    """How rows are written: by the cells at ``key``, and the newest by the one at ``version``."""

    key: tuple[int, ...] = ()
    version: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> _Mode:
        names = [column.name for column in settings.column]
        version = version_column(settings) if settings.sink.write == "upsert" else None
        return cls(
            key=tuple(names.index(name) for name in settings.sink.key),
            version=None if version is None else names.index(version.name),
        )

    def in_order(self, records: Sequence[MaskedRecord]) -> list[tuple[int, MaskedRecord]]:
        """The records with their numbers, in the order in which a batch is written: that which stays comes first."""
        numbered = list(enumerate(records))
        if not self.key:
            return numbered
        if self.version is None:
            return sorted(numbered, key=lambda pair: pair[1].key)
        return sorted(numbered, key=lambda pair: self._rank(pair[1].values), reverse=True)

    def goes_before(self, new: tuple[Cell, ...], there: tuple[Cell, ...]) -> bool:
        return self.version is not None and self._rank(new) > self._rank(there)

    def _rank(self, values: tuple[Cell, ...]) -> Any:
        return values[self.version or 0], [str(cell) for cell in values]


def _unavailable() -> SinkUnavailable:
    return SinkUnavailable("the sink does not answer", hint="this fault was planned by a test")
