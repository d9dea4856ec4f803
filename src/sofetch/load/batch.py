"""A batch as the database sees it: each key once, and what became of each key.

Pure. Owns that messages with the same key share the fate of the first, and that every message given gets one answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from msgspec import Struct

from sofetch.record import (
    Duplicate,
    Loaded,
    LoadResult,
    MaskedRecord,
    Reason,
    Refused,
    Rejected,
    SealedRejection,
)


class Fault(Struct, frozen=True):
    """Why a row cannot be stored; ``field`` is a configured column or, of a NULL, another one of the table."""

    reason: Reason
    field: str | None = None


class Batch(Struct, frozen=True):
    """Rows and rejections by key, the first of each key; a rejection with a row's key is not among them."""

    rows: Mapping[bytes, MaskedRecord]
    rejections: Mapping[bytes, SealedRejection]

    def without(self, faults: Mapping[bytes, Fault]) -> Batch:
        """The batch without its faulty rows."""
        if not faults:
            return self
        return Batch({key: row for key, row in self.rows.items() if key not in faults}, self.rejections)

    def sorted_keys(self) -> list[bytes]:
        """All keys in the ledger's order. Every worker takes them in this order, or two would deadlock."""
        return sorted([*self.rows, *self.rejections])


class Committed(Struct, frozen=True):
    """What a transaction did: the keys whose row is new, and those whose message is in quarantine."""

    loaded: frozenset[bytes]
    quarantined: frozenset[bytes]


def batch_of(records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> Batch:
    """Drop what has the key of an earlier one."""
    rows: dict[bytes, MaskedRecord] = {}
    for record in records:
        rows.setdefault(record.key, record)
    others: dict[bytes, SealedRejection] = {}
    for rejection in rejections:
        if rejection.key not in rows:
            others.setdefault(rejection.key, rejection)
    return Batch(rows, others)


def results(
    records: Sequence[MaskedRecord],
    rejections: Sequence[SealedRejection],
    *,
    committed: Committed,
    faults: Mapping[bytes, Fault],
) -> list[LoadResult]:
    """One answer for each message given, in the order given."""
    first_loaded = set(committed.loaded)
    answers: list[LoadResult] = []
    for record in records:
        if record.key in first_loaded:
            first_loaded.discard(record.key)
            answers.append(Loaded(record.message_id))
        else:
            answers.append(_other(record, faults.get(record.key)))
    answers += [_rejected(rejection, committed, faults.get(rejection.key)) for rejection in rejections]
    return answers


def _other(message: MaskedRecord | SealedRejection, fault: Fault | None) -> LoadResult:
    match fault:
        case None:
            return Duplicate(message.message_id)
        case Fault():
            return Refused(message.message_id, fault.reason, fault.field)
        case _:
            assert_never(fault)


def _rejected(rejection: SealedRejection, committed: Committed, fault: Fault | None) -> LoadResult:
    if rejection.key in committed.quarantined:
        return Rejected(rejection.message_id, rejection.reason, rejection.field)
    return _other(rejection, fault)
