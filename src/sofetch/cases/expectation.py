"""What is expected of one cell, as it is written: a plain value, or a table such as ``{ token_of = "…" }``.

Owns that form, both ways. It must not compare: that is ``compare.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, get_args

import msgspec

from sofetch.cases.case import Document, Equal, Expected, IsNull, IsPresent, MaskOf, Matches
from sofetch.columns import JOINABLE_MASKS, KINDS_OF_MASK, unsuited
from sofetch.config.positions import Path
from sofetch.config.report import Report, did_you_mean
from sofetch.settings import ColumnSettings, Kind, MaskName

MASKS_OF: Final[Mapping[str, MaskName]] = {f"{mask}_of": mask for mask in sorted(JOINABLE_MASKS)}
"""``token_of`` and its like: the masks that a key makes the same cell of the same value."""

_PLAIN: Final = (*MASKS_OF, "null", "present", "matches", "json")
_FORMS: Final = ", ".join(f"{{ {key} = … }}" for key in _PLAIN)


def read_expected(value: object, column: ColumnSettings, *, path: Path, report: Report) -> Expected | None:
    """What a file says of one cell; None if it cannot be understood, which is then in the report."""
    match value:
        case str() | bool() | int() | Decimal():
            return Equal(value)
        case datetime() if value.tzinfo is None:
            report.error("wrong_value", path, "a time needs its offset", hint="add Z for UTC")
        case date():  # a datetime is one
            return Equal(value)
        case dict():
            return _from_table(value, column, path=path, report=report)
        case list():
            report.error("wrong_value", path, "a list is no cell", hint="write JSON as { json = […] }")
        case _:
            report.error("wrong_value", path, "a time of day is no cell", hint="write it as text")
    return None


def _from_table(table: Mapping[str, Any], column: ColumnSettings, *, path: Path, report: Report) -> Expected | None:
    found = [key for key in _PLAIN if key in table]
    if len(found) != 1:
        unknown = next(iter(table), "")
        hint = did_you_mean(unknown, _PLAIN, otherwise=f"the forms are {_FORMS}")
        report.error("wrong_value", path, "a table is one of the forms that an expectation takes", hint=hint)
        return None
    [key] = found
    if key in MASKS_OF:
        return _mask_of(MASKS_OF[key], table, column, path=path, report=report)
    expected = _other(key, table[key]) if len(table) == 1 else None
    if expected is None:
        report.error("wrong_value", path, f"`{key}` takes {_TAKES[key]}, and nothing stands beside it")
    return expected


def _other(key: str, value: object) -> Expected | None:
    """What stands for anything but a mask; None if ``value`` is not of the form that ``_TAKES`` names."""
    match key, value:
        case "null", True:
            return IsNull()
        case "present", True:
            return IsPresent()
        case "matches", str():
            return _pattern(value)
        case "json", str() | list() | dict():
            return _document(value)
        case _:
            return None


def _pattern(text: str) -> Matches | None:
    try:
        return Matches(re.compile(text))
    except re.error:
        return None


def _document(value: str | list[Any] | dict[str, Any]) -> Document | None:
    try:
        return Document(msgspec.json.decode(value) if isinstance(value, str) else value)
    except msgspec.DecodeError:
        return None


_TAKES: Final = {
    "null": "true",
    "present": "true",
    "matches": "a regular expression for the whole text",
    "json": "JSON as text, a list or a table",
}


def _mask_of(
    mask: MaskName, table: Mapping[str, Any], column: ColumnSettings, *, path: Path, report: Report
) -> MaskOf | None:
    key = f"{mask}_of"
    value, kind, domain = table[key], table.get("kind"), table.get("domain")
    if not table.keys() <= {key, "kind", "domain"}:
        report.error("wrong_value", path, f"beside `{key}` stand `kind` and `domain` at most")
    elif isinstance(value, bool) or not isinstance(value, str | int):
        report.error("wrong_value", path, f"`{key}` takes the text or the integer that was masked")
    elif kind is not None and kind not in get_args(Kind):
        report.error("wrong_value", path, "there is no such kind", hint=did_you_mean(str(kind), get_args(Kind)))
    elif domain is not None and not isinstance(domain, str):
        report.error("wrong_value", path, "a domain is text")
    else:
        expected = MaskOf(mask, value, kind, domain)
        reason = unsuited(as_column(expected, column))
        if reason is None:
            return expected
        report.error("wrong_value", path, reason.what, hint=reason.hint)
    return None


def as_column(expected: MaskOf, column: ColumnSettings) -> ColumnSettings:
    """A column that masks as is expected: what the expectation does not say is as in the configured one."""
    kind = expected.kind or column.kind
    return msgspec.structs.replace(
        column,
        mask=expected.mask,
        kind=kind if kind in KINDS_OF_MASK[expected.mask] else "string",
        domain=expected.domain or column.domain,
        vault=False,
    )
