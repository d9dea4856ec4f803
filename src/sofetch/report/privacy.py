"""The privacy report as data: numbers and verdicts of each column, and of the unmasked ones together.

Owns putting together what was counted, seen and configured. No I/O and no clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from sofetch.detect import Sign, Tally
from sofetch.report.collected import SCHEME, SOURCE, Collected, CollectedTally, judge_collected
from sofetch.report.verdicts import Seen, Verdict, judge_column, judge_together, singles_out

if TYPE_CHECKING:
    from sofetch.load.profile import ColumnProfile, Groups, TableProfile
    from sofetch.settings import ColumnSettings, Settings


class Spread(Struct, frozen=True, kw_only=True):
    """How rows spread over groups of equal values. ``present`` rows have a value, in ``groups`` different ones;
    ``singles`` of these occur once, ``smallest`` rows are in the smallest group (k). Shares are of the present rows.
    """

    present: int
    groups: int
    singles: int
    smallest: int | None
    share_single: float
    share_below_5: float
    share_below_10: float
    top_share: float


class ColumnReport(Struct, frozen=True, kw_only=True):
    """One column. ``scheme`` is None for a column in the clear, ``source`` for one that the configuration does not
    fill, ``spread`` where counting took too long. ``token_share`` and signs are of the values looked at. ``collected``
    is there for the column that [drift] collects into, and for no other.
    """

    name: str
    declared: str
    scheme: str | None
    source: str | None
    nulls: int | None
    spread: Spread | None
    token_share: float
    signs: list[Sign]
    verdict: Verdict
    collected: Collected | None = None


class Together(Struct, frozen=True, kw_only=True):
    """The columns in the clear taken together. ``left_out`` point to a row, or to a person, by themselves."""

    columns: list[str]
    left_out: list[str]
    spread: Spread | None
    verdict: Verdict


class PrivacyReport(Struct, frozen=True, kw_only=True):
    """All of it. ``fingerprint`` is the SHA-256 of the configuration without its connection string."""

    made_at: str
    version: str
    database: str
    server_version: int
    table: str
    pipeline: str
    fingerprint: str
    rows: int
    sampled: bool
    estimated_rows: int
    values_seen: int
    columns: list[ColumnReport]
    missing: list[str]
    together: Together

    @property
    def errors(self) -> list[ColumnReport]:
        """Columns that must be changed."""
        return [column for column in self.columns if column.verdict.severity == "error"]

    @property
    def warnings(self) -> list[ColumnReport]:
        """Columns that are worth a look."""
        return [column for column in self.columns if column.verdict.severity == "warning"]


@dataclass(slots=True)
class Observer:
    """Sees the values while the table is profiled, and chooses what is counted together.

    ``quasi`` names the columns for that; without it they are those in the clear that do not single rows out alone.
    """

    settings: Settings
    quasi: Sequence[str] = ()
    tallies: dict[str, Tally] = field(default_factory=dict)
    collected: CollectedTally = field(default_factory=CollectedTally)
    left_out: list[str] = field(default_factory=list)

    def look(self, column: str, text: str) -> None:
        """Count one value."""
        if column == self.settings.drift.collect_into:
            self.collected.look(text)
        else:
            self.tally(column).look(text)

    def tally(self, column: str) -> Tally:
        """What was seen of a column so far."""
        return self.tallies.setdefault(column, Tally(column))

    def combine(self, columns: Sequence[ColumnProfile]) -> Sequence[str]:
        """The columns to count together."""
        if self.quasi:
            return self.quasi
        hidden: set[str | None] = {column.name for column in self.settings.column if column.mask is not None}
        hidden.add(self.settings.drift.collect_into)
        clear = [column for column in columns if column.name not in hidden]
        self.left_out = [column.name for column in clear if self._singles_out(column)]
        return [column.name for column in clear if column.name not in self.left_out]

    def _singles_out(self, column: ColumnProfile) -> bool:
        if column.groups is None or any(sign.counts for sign in self.tally(column.name).signs()):
            return True
        return singles_out(column.groups)


def privacy_report(
    settings: Settings, profile: TableProfile, observer: Observer, *, made_at: datetime, version: str
) -> PrivacyReport:
    """Judge what was counted and seen."""
    configured = {column.name: column for column in settings.column}
    columns = [_column(one, configured.get(one.name), profile.rows, observer) for one in profile.columns]
    return PrivacyReport(
        made_at=made_at.isoformat(timespec="seconds"),
        version=version,
        database=profile.database,
        server_version=profile.server_version,
        table=profile.table,
        pipeline=settings.pipeline_name,
        fingerprint=config_fingerprint(settings),
        rows=profile.rows,
        sampled=profile.sampled,
        estimated_rows=profile.estimated_rows,
        values_seen=sum(tally.values for tally in observer.tallies.values()) + observer.collected.documents,
        columns=columns,
        missing=profile.missing,
        together=_together(profile, observer),
    )


def config_fingerprint(settings: Settings) -> str:
    """SHA-256 over the settings, defaults included, keys sorted, the connection string left out."""
    plain = msgspec.to_builtins(settings)
    plain["sink"].pop("dsn", None)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _column(profile: ColumnProfile, column: ColumnSettings | None, rows: int, observer: Observer) -> ColumnReport:
    if profile.name == observer.settings.drift.collect_into:
        return _collecting(profile, rows, observer)
    tally, groups = observer.tally(profile.name), profile.groups
    signs = tally.signs()
    seen = Seen(signs=signs, values=tally.values, tokens=tally.tokens, rows=rows, groups=groups)
    return ColumnReport(
        name=profile.name,
        declared=profile.declared,
        scheme=_scheme(column),
        source=None if column is None else column.value or column.from_ or column.name,
        nulls=None if groups is None else rows - groups.rows,
        spread=_spread(groups),
        token_share=tally.tokens / tally.values if tally.values else 0.0,
        signs=signs,
        verdict=judge_column(column, seen),
    )


def _collecting(profile: ColumnProfile, rows: int, observer: Observer) -> ColumnReport:
    found, groups = observer.collected.collected(), profile.groups
    looked_at = found.tokens + found.strangers
    return ColumnReport(
        name=profile.name,
        declared=profile.declared,
        scheme=SCHEME,
        source=SOURCE,
        nulls=None if groups is None else rows - groups.rows,
        spread=_spread(groups),
        token_share=found.tokens / looked_at if looked_at else 0.0,
        signs=[],
        verdict=judge_collected(found, rows=rows),
        collected=found,
    )


def _scheme(column: ColumnSettings | None) -> str | None:
    if column is None or column.mask is None:
        return None
    return f"{column.mask} + vault" if column.vault else column.mask


def _together(profile: TableProfile, observer: Observer) -> Together:
    return Together(
        columns=profile.combined,
        left_out=observer.left_out,
        spread=_spread(profile.together),
        verdict=judge_together(profile.combined, profile.together, rows=profile.rows),
    )


def _spread(groups: Groups | None) -> Spread | None:
    if groups is None:
        return None
    rows = max(groups.rows, 1)
    return Spread(
        present=groups.rows,
        groups=groups.groups,
        singles=groups.singles,
        smallest=groups.smallest,
        share_single=groups.singles / rows,
        share_below_5=groups.below_5 / rows,
        share_below_10=groups.below_10 / rows,
        top_share=(groups.largest or 0) / rows,
    )
