"""Rules about partitions: by what the table is partitioned, and whether that column can say it.

Owns what the partition settings of [sink] say of each other and of the columns. What the table is like is asked by
``sofetch check``.
"""

from __future__ import annotations

from typing import Final

from sofetch.columns import produced
from sofetch.config.column_rules import as_settings, title
from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.schema import sections
from sofetch.config.shape import Draft, Part
from sofetch.settings import ColumnSettings

_KEYS: Final = ("partition_column", "partition_ahead", "partition_retention_days")
_LONGEST_SUFFIX: Final = len("_p20261126t000000")
_LONGEST_IDENTIFIER_BYTES: Final = 63
LONGEST_QUEUE_RETENTION_DAYS: Final = 14
"""SQS keeps a message for 14 days at most."""


def check_partitions(draft: Draft, report: Report) -> None:
    """Report what keeps the table from being partitioned, or rows from staying as long as they should."""
    sink = draft.sections["sink"]
    if "partition_by" in sink.broken:
        return
    if not sink.get("partition_by"):
        for key in (key for key in _KEYS if sink.get(key) != sections()["sink"][key].default):
            hint = 'set partition_by = "day" or "month", or drop it'
            report.error("partition_unused", sink.at(key), f"`{key}` does nothing without `partition_by`", hint=hint)
        return
    _check_column(draft, report)
    _check_name(sink, report)
    _check_retention(sink, report)


def _check_column(draft: Draft, report: Report) -> None:
    sink = draft.sections["sink"]
    if not sink.has("partition_column"):
        what = "`partition_by` needs a column that says which partition a row belongs to"
        hint = 'name a date or timestamp column: partition_column = "create_date"'
        report.error("partition_column", sink.at("partition_by"), what, hint=hint)
        return
    name = sink.given.get("partition_column")
    named = {column.given.get("name"): column for column in draft.columns}
    if name is None:
        return
    if name not in named:
        what = f"`partition_column` names {shown(name)}, and there is no such column"
        hint = did_you_mean(name, [known for known in named if known], otherwise="name a column by its `name`")
        report.error("partition_column", sink.at("partition_column"), what, hint=hint)
        return
    if names_collecting(draft, name, sink.at("partition_column"), report):
        return
    column = as_settings(named[name])
    if column is not None:
        _check_kind(sink, named[name], column, report)


def _check_kind(sink: Part, part: Part, column: ColumnSettings, report: Report) -> None:
    if produced(column).type not in {"date", "timestamp"}:
        what = f"{title(part)} is of type {produced(column).type} and says no time"
        hint = 'partition by a column of type "date" or "timestamp", as value = "sent_date" gives'
        report.error("partition_column", sink.at("partition_column"), what, hint=hint)
    elif column.value is None and not column.required and column.default is None:
        what = f"{title(part)} can be NULL: such rows stay in the default partition, and no retention finds them"
        report.warning("partition_nullable", part.at("name"), what, hint="set required = true, or a `default`")


def _check_name(sink: Part, report: Report) -> None:
    table = sink.given.get("table")
    if table is not None and len(table.rpartition(".")[2].encode()) + _LONGEST_SUFFIX > _LONGEST_IDENTIFIER_BYTES:
        what = "`table` is too long a name for its partitions, which add a date to it"
        hint = f"at most {_LONGEST_IDENTIFIER_BYTES - _LONGEST_SUFFIX} bytes"
        report.error("bad_table", sink.at("table"), what, hint=hint)


def _check_retention(sink: Part, report: Report) -> None:
    days = sink.get("partition_retention_days")
    if 0 < days < LONGEST_QUEUE_RETENTION_DAYS:
        what = f"rows are dropped after {days} days, and a queue may bring messages that are 14 days old"
        hint = "such rows are loaded and then removed; keep rows for 14 days or more unless that is meant"
        report.warning("partition_retention", sink.at("partition_retention_days"), what, hint=hint)
