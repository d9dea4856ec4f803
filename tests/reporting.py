"""Profiles and reports made up for the tests of the privacy report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from loading import settings_for
from sofetch.load.profile import ColumnProfile, Groups, TableProfile
from sofetch.report import Observer, PrivacyReport, privacy_report
from sofetch.settings import Settings

TOKEN = "h1.k1." + "0a" * 20
MADE_AT = datetime(2026, 11, 23, 7, 15, tzinfo=UTC)


def groups(*sizes: int) -> Groups:
    """Groups of these sizes."""
    return Groups(
        groups=len(sizes),
        rows=sum(sizes),
        singles=sizes.count(1),
        smallest=min(sizes, default=None),
        largest=max(sizes, default=None),
        below_5=sum(size for size in sizes if size < 5),
        below_10=sum(size for size in sizes if size < 10),
    )


def profile(columns: Mapping[str, Groups | None], *, rows: int = 100, **more: Any) -> TableProfile:
    """A table with these columns."""
    known: dict[str, Any] = {
        "database": "app",
        "server_version": 180_000,
        "table": "events",
        "rows": rows,
        "sampled": False,
        "estimated_rows": rows,
        "columns": [ColumnProfile(name=name, declared="text", groups=held) for name, held in columns.items()],
        "missing": [],
    }
    return TableProfile(**(known | more))


def report(
    columns: list[dict[str, Any]],
    counted: Mapping[str, Groups | None],
    values: Mapping[str, Iterable[str]] | None = None,
    *,
    rows: int = 100,
    **more: Any,
) -> PrivacyReport:
    """The report on a table with these columns, groups and values."""
    return report_of(settings_for(columns), profile(counted, rows=rows, **more), values or {})


def report_of(settings: Settings, profiled: TableProfile, values: Mapping[str, Iterable[str]]) -> PrivacyReport:
    """The report on a profile and the values that were looked at."""
    observer = Observer(settings)
    for name, texts in values.items():
        for text in texts:
            observer.look(name, text)
    return privacy_report(settings, profiled, observer, made_at=MADE_AT, version="1.2.3")
