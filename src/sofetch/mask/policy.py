"""The masker: a batch of records becomes masked records, and what cannot be masked becomes rejections.

Owns the way of a batch, a column at a time, and it is the only caller of MaskedRecord. What happens to one value is
``mask.column``. Pure: no I/O, no clock, nothing kept from batch to batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sofetch.columns import token_domain
from sofetch.mask.column import ColumnMasker
from sofetch.mask.identity import LEDGER_SCHEME, Identity
from sofetch.mask.keyring import KeyFingerprint, Keyring
from sofetch.mask.schemes import keys_of_scheme
from sofetch.mask.seal import QUARANTINE_SCHEME, Sealer
from sofetch.record import Cell, Masked, MaskedRecord, Reason, Record, Rejection, SealedRejection, Value
from sofetch.settings import Settings


def compile_masker(settings: Settings, keyring: Keyring) -> Masker:
    """The masker of a configuration, every key derived. Raises ConfigError for a mask that cannot work."""
    return Masker(
        columns=[ColumnMasker(column, keyring) if column.mask else None for column in settings.column],
        identity=Identity(settings, keyring),
        sealer=Sealer(pipeline=settings.pipeline_name, keyring=keyring),
        fingerprints=_fingerprints(settings, keyring),
    )


class Masker:
    """Masks records and seals rejections. Threads may share one."""

    __slots__ = ("_columns", "_fingerprints", "_identity", "_sealer")

    def __init__(
        self,
        *,
        columns: Sequence[ColumnMasker | None],
        identity: Identity,
        sealer: Sealer,
        fingerprints: list[KeyFingerprint],
    ) -> None:
        self._columns = tuple(columns)
        self._identity = identity
        self._sealer = sealer
        self._fingerprints = fingerprints

    def mask(self, records: Sequence[Record]) -> Masked:
        """Mask a batch. Every record is in exactly one of the result's two lists, in order.

        A rejection names the first column, in the order of the configuration, whose value cannot be masked.
        """
        if not records:
            return Masked([], [], {})
        cells: list[Sequence[Cell]] = []
        refused: dict[int, tuple[Reason, str]] = {}
        not_of_kind: dict[str, int] = {}
        for column, values in zip(self._columns, _transpose(records), strict=True):
            if column is None:
                cells.append(cast("Sequence[Cell]", values))  # decode made final cells of what is not masked
                continue
            masked = column.mask(values)
            cells.append(masked.cells)
            for row, reason in masked.refused.items():
                refused.setdefault(row, (reason, column.name))
            if masked.not_of_kind:
                not_of_kind[column.name] = masked.not_of_kind
        rows = self._records(records, cells, refused)
        return Masked(rows, _rejections(records, refused), not_of_kind)

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        """Encrypt the bodies of rejections for quarantine, one for one, in order. Nonces are random."""
        of_message, seal = self._identity.of_message, self._sealer.seal
        return [seal(rejection, key=of_message(rejection.message)) for rejection in rejections]

    def fingerprints(self) -> list[KeyFingerprint]:
        """Of every derived key in use. Another fingerprint under the same scheme, domain and kid is another key."""
        return list(self._fingerprints)

    def _records(
        self, records: Sequence[Record], cells: list[Sequence[Cell]], refused: dict[int, tuple[Reason, str]]
    ) -> list[MaskedRecord]:
        of_record = self._identity.of_record
        return [
            MaskedRecord(record.message.id, of_record(record), values)
            for row, (record, values) in enumerate(zip(records, zip(*cells, strict=True), strict=True))
            if row not in refused
        ]


def _transpose(records: Sequence[Record]) -> list[tuple[Value, ...]]:
    return list(zip(*(record.values for record in records), strict=True))


def _rejections(records: Sequence[Record], refused: dict[int, tuple[Reason, str]]) -> list[Rejection]:
    return [Rejection(records[row].message, *refused[row]) for row in sorted(refused)]


def _fingerprints(settings: Settings, keyring: Keyring) -> list[KeyFingerprint]:
    used = sorted({(column.mask, token_domain(column)) for column in settings.column if column.mask is not None})
    prints = [
        key.fingerprint(scheme=scheme, domain=domain)
        for mask, domain in used
        for scheme, key in keys_of_scheme(mask, keyring)
    ]
    pipeline = settings.pipeline_name
    prints.append(keyring.primary.fingerprint(scheme=QUARANTINE_SCHEME, domain=pipeline))
    if settings.sink.dedupe != "message":
        prints.append(keyring.oldest.fingerprint(scheme=LEDGER_SCHEME, domain=pipeline))
    return prints
