"""Rules about write modes: whether a key can tell rows apart, and a row can say how new it is.

Owns what ``write`` and ``key`` of [sink] say of each other and of the columns. What the table is like is asked by
``sofetch check``.
"""

from __future__ import annotations

from typing import Final

from sofetch.columns import is_version, produced
from sofetch.config.column_rules import as_settings, title
from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part
from sofetch.settings import ColumnSettings

_COARSE: Final = {"truncate", "bucket"}


def check_write(draft: Draft, report: Report) -> None:
    """Report what keeps rows from being written by key."""
    sink = draft.sections["sink"]
    if "write" in sink.broken or "key" in sink.broken:
        return
    write, key = sink.get("write"), sink.get("key") or []
    if write == "insert":
        if key:
            what = '`key` does nothing where every message adds a row (write = "insert")'
            report.error("key_unused", sink.at("key"), what, hint='set write = "insert_ignore" or "upsert", or drop it')
        return
    if not key:
        what = f'write = "{write}" needs the columns that tell rows apart'
        report.error("bad_key", sink.at("write"), what, hint='name them: key = ["user_id"]')
        return
    _check_columns(draft, key, report)
    _check_partition_column(sink, key, report)
    if write == "upsert":
        _check_version(draft, report)
        _check_dedupe(sink, report)


def _check_columns(draft: Draft, key: list[str], report: Report) -> None:
    sink = draft.sections["sink"]
    named = {column.given.get("name"): column for column in draft.columns}
    for index, name in enumerate(key):
        path = (*sink.at("key"), index)
        if name not in named:
            hint = did_you_mean(name, [known for known in named if known], otherwise="name columns by their `name`")
            report.error("bad_key", path, f"`key` names {shown(name)}, and there is no such column", hint=hint)
        elif name in key[:index]:
            report.error("bad_key", path, f"`key` names {shown(name)} twice", hint="once is enough")
        elif not names_collecting(draft, name, path, report) and (column := as_settings(named[name])) is not None:
            _check_column(named[name], column, path, report)


def _check_column(part: Part, column: ColumnSettings, path: tuple[str | int, ...], report: Report) -> None:
    if column.value is None and not column.required and column.default is None:
        what = f"{title(part)} is in `key` and can be NULL: NULLs are never equal, and tell no rows apart"
        report.error("key_nullable", path, what, hint="set required = true for it, or a `default`")
    if column.mask == "redact":
        what = f"{title(part)} is in `key`, and is the same in all rows: one row would stand for all"
        report.error(
            "bad_key", path, what, hint='give it mask = "token", which keeps equal values equal and others not'
        )
    elif column.mask == "ip_prefix":
        what = f"{title(part)} is in `key`, and its key could not be rotated: new addresses meet old ones meanwhile"
        report.error("bad_key", path, what, hint='give it mask = "ip" or "token"')
    elif column.mask in _COARSE:
        what = f"{title(part)} is in `key`, and different people share what it holds: one row stands for all of them"
        hint = 'that may be meant, beside another column of the key; else give it mask = "token"'
        report.warning("key_coarse", path, what, hint=hint)
    if produced(column).type == "jsonb":
        what = f"{title(part)} is in `key`, and documents are no keys"
        report.error("bad_key", path, what, hint="name a column that holds one value of the document")


def _check_partition_column(sink: Part, key: list[str], report: Report) -> None:
    column = sink.given.get("partition_column")
    if sink.get("partition_by") and column is not None and column not in key:
        what = f"`key` lacks {shown(column)}, by which the table is partitioned"
        hint = "Postgres keeps rows unique within a partition only: add the column to `key`, if one row a day or month "
        hint += "is what is meant, or drop `partition_by`"
        report.error("bad_key", sink.at("key"), what, hint=hint)


def _check_version(draft: Draft, report: Report) -> None:
    columns = [as_settings(column) for column in draft.columns]
    if None in columns:  # what is broken about it is reported already
        return
    sink = draft.sections["sink"]
    versions = [column.name for column in columns if column is not None and is_version(column)]
    if not versions:
        what = 'write = "upsert" keeps the newest row, and no column holds the time at which its message was sent'
        hint = 'add a [[column]] with value = "sent_time" and type = "timestamp"'
        report.error("upsert_version", sink.at("write"), what, hint=hint)
    elif versions[0] in sink.get("key"):
        what = f"`key` names {shown(versions[0])}, by which the newest of equal keys is found"
        hint = 'take it out of `key`; or, if each time has a row of its own, write = "insert_ignore"'
        report.error("bad_key", sink.at("key"), what, hint=hint)


def _check_dedupe(sink: Part, report: Report) -> None:
    if "dedupe" not in sink.broken and sink.get("dedupe") != "message":
        what = 'write = "upsert" cannot go by content: what comes again after a change would be dropped'
        hint = "drop `dedupe`; a message that comes twice changes nothing anyway"
        report.error("keys_exclude", sink.at("dedupe"), what, hint=hint)
