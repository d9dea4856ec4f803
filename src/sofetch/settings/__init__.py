"""The settings, as types: one specification per setting gives parsing, default, limits, JSON Schema and documentation.

Owns what can be configured. Reading files, the environment and the lint with positions is ``sofetch.config``.
Every description is shown to users (``sofetch settings``, docs/configuration.md, the JSON Schema).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from sofetch.settings.archive import ArchiveSettings
from sofetch.settings.column import ColumnSettings
from sofetch.settings.drift import DriftSettings
from sofetch.settings.names import (
    Alphabet,
    BucketName,
    ColumnType,
    Domain,
    EnvelopeValue,
    Kind,
    MaskName,
    Name,
    Seconds,
    SecretName,
    UnwrapLayer,
)
from sofetch.settings.privacy import (
    ApproverSettings,
    ErasureSettings,
    ErasureTableSettings,
    KeysSettings,
    MasksSettings,
    QuarantineSettings,
    RecoverySettings,
    VaultSettings,
)
from sofetch.settings.running import HttpSettings, LogSettings, PipelineSettings, TelemetrySettings, WorkerSettings
from sofetch.settings.sink import SinkSettings
from sofetch.settings.source import BatchSettings, CostSettings, LimitSettings, SourceSettings, UnwrapSettings

__all__ = [
    "Alphabet",
    "ApproverSettings",
    "ArchiveSettings",
    "BatchSettings",
    "BucketName",
    "ColumnSettings",
    "ColumnType",
    "CostSettings",
    "Domain",
    "DriftSettings",
    "EnvelopeValue",
    "ErasureSettings",
    "ErasureTableSettings",
    "HttpSettings",
    "KeysSettings",
    "Kind",
    "LimitSettings",
    "LogSettings",
    "MaskName",
    "MasksSettings",
    "Name",
    "PipelineSettings",
    "QuarantineSettings",
    "RecoverySettings",
    "Seconds",
    "SecretName",
    "Settings",
    "SinkSettings",
    "SourceSettings",
    "TelemetrySettings",
    "UnwrapLayer",
    "UnwrapSettings",
    "VaultSettings",
    "WorkerSettings",
]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole configuration: what one ``sofetch.toml`` says."""

    source: SourceSettings
    sink: SinkSettings
    column: Annotated[list[ColumnSettings], Meta(min_length=1)]
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    unwrap: UnwrapSettings = field(default_factory=UnwrapSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    keys: KeysSettings = field(default_factory=KeysSettings)
    masks: MasksSettings = field(default_factory=MasksSettings)
    vault: VaultSettings = field(default_factory=VaultSettings)
    archive: ArchiveSettings = field(default_factory=ArchiveSettings)
    drift: DriftSettings = field(default_factory=DriftSettings)
    quarantine: QuarantineSettings = field(default_factory=QuarantineSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    erasure: ErasureSettings = field(default_factory=ErasureSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    log: LogSettings = field(default_factory=LogSettings)
    cost: CostSettings = field(default_factory=CostSettings)

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name in ledger, quarantine and logs; ``public.t`` and ``t`` are one."""
        return self.pipeline.name or self.sink.table.removeprefix("public.")

    @property
    def keeps_values(self) -> bool:
        """Whether any column's values go into the vault."""
        return any(column.vault for column in self.column)
