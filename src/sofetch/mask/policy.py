"""The masker: a batch of records becomes masked records, and what cannot be masked becomes rejections.

Owns the way of a batch, a column at a time, and it is the only caller of MaskedRecord. What happens to one value is
``mask.column``. Pure: no I/O, no clock, nothing kept from batch to batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sofetch.columns import ROW_MASKS, VAULT_SUBJECT_DOMAIN, token_domain, unsuited
from sofetch.errors import ConfigError
from sofetch.mask.column import ColumnMasker
from sofetch.mask.identity import LEDGER_SCHEME, Identity
from sofetch.mask.keyring import KeyFingerprint, Keyring, Keyrings
from sofetch.mask.rows import RowMasker, compile_row_masker
from sofetch.mask.schemes import H1, keys_of_scheme, ring_of_mask
from sofetch.mask.seal import QUARANTINE_SCHEME, Sealer
from sofetch.mask.unknown import DOMAIN, U1, UnknownMasker
from sofetch.mask.vaulter import Vaulter, compile_vaulter
from sofetch.mask.vaulting import RecoveryPublicKey
from sofetch.record import Cell, Masked, MaskedRecord, Reason, Record, Rejection, SealedRejection, Value
from sofetch.settings import ColumnSettings, Settings


def compile_masker(
    settings: Settings, keys: Keyring | Keyrings, *, recovery: RecoveryPublicKey | None = None, loads: bool = True
) -> Masker:
    """The masker of a configuration, every key derived. One keyring alone serves for everything.

    A masker that ``loads`` needs the recovery public key where a column has ``vault``, and raises KeyringError without
    it; one that only shows what would be loaded makes nothing for the vault. Raises ConfigError for a mask that cannot
    work.
    """
    rings = keys if isinstance(keys, Keyrings) else Keyrings(keys)
    identity = Identity(settings, rings.tokens)
    return Masker(
        columns=[_column_masker(column, settings, rings, identity) for column in settings.column],
        identity=identity,
        sealer=Sealer(pipeline=settings.pipeline_name, keyring=rings.reversible),
        fingerprints=_fingerprints(settings, rings),
        vaulter=compile_vaulter(settings, rings.tokens, recovery) if loads else None,
    )


class Masker:
    """Masks records and seals rejections. Threads may share one."""

    __slots__ = ("_columns", "_fingerprints", "_identity", "_sealer", "_vaulter")

    def __init__(
        self,
        *,
        columns: Sequence[ColumnMasker | RowMasker | None],
        identity: Identity,
        sealer: Sealer,
        fingerprints: list[KeyFingerprint],
        vaulter: Vaulter | None,
    ) -> None:
        self._columns = tuple(columns)
        self._identity = identity
        self._sealer = sealer
        self._fingerprints = fingerprints
        self._vaulter = vaulter

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
            masked = column.mask(values) if isinstance(column, ColumnMasker) else column.mask(records)
            cells.append(masked.cells)
            for row, reason in masked.refused.items():
                refused.setdefault(row, (reason, column.name))
            if masked.not_of_kind:
                not_of_kind[column.name] = masked.not_of_kind
        vaulted = self._vaulter.collect(records, cells, refused) if self._vaulter is not None else None
        rows = self._records(records, cells, refused)
        return Masked(rows, _rejections(records, refused), not_of_kind, vaulted)

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


def _column_masker(
    column: ColumnSettings, settings: Settings, rings: Keyrings, identity: Identity
) -> ColumnMasker | RowMasker | None:
    if column.name == settings.drift.collect_into:
        return UnknownMasker(column.name, settings.column.index(column), rings.tokens)
    if column.mask is None:
        return None
    if (reason := unsuited(column)) is not None:
        raise ConfigError(f"column {column.name}: {reason.what}", hint=reason.hint)
    if column.mask == "fpe" and not settings.masks.allow_fpe:
        raise ConfigError(f"column {column.name}: the mask fpe is not allowed", hint="see [masks] allow_fpe")
    ring = ring_of_mask(column.mask, rings)
    if column.mask in ROW_MASKS:
        return compile_row_masker(column, settings.column, identity=identity, keyring=ring)
    return ColumnMasker(column, ring)


def _transpose(records: Sequence[Record]) -> list[tuple[Value, ...]]:
    return list(zip(*(record.values for record in records), strict=True))


def _rejections(records: Sequence[Record], refused: dict[int, tuple[Reason, str]]) -> list[Rejection]:
    return [Rejection(records[row].message, *refused[row]) for row in sorted(refused)]


def _fingerprints(settings: Settings, rings: Keyrings) -> list[KeyFingerprint]:
    used = sorted({(column.mask, token_domain(column)) for column in settings.column if column.mask is not None})
    prints = [
        key.fingerprint(scheme=scheme, domain=domain)
        for mask, domain in used
        for scheme, key in keys_of_scheme(mask, ring_of_mask(mask, rings))
    ]
    if settings.drift.collect_into is not None:
        prints.append(rings.tokens.primary.fingerprint(scheme=U1, domain=DOMAIN))
    if settings.keeps_values:
        prints.append(rings.tokens.token_chain[0].fingerprint(scheme=H1, domain=VAULT_SUBJECT_DOMAIN))
    pipeline = settings.pipeline_name
    prints.append(rings.reversible.primary.fingerprint(scheme=QUARANTINE_SCHEME, domain=pipeline))
    if settings.sink.dedupe != "message":
        prints.append(rings.tokens.oldest.fingerprint(scheme=LEDGER_SCHEME, domain=pipeline))
    return prints
