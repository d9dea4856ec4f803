"""A difference of two sides: which one it is, how much it matters, and what brings the sides together.

Owns the words of a verdict. An error keeps something from being loaded; a warning is loaded past.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from msgspec import Struct

from sofetch.findings import Severity

DifferenceCode = Literal[
    "field_unread",
    "fields_unlisted",
    "field_unsent",
    "messages_refused",
    "values_lost",
    "table_missing",
    "column_missing",
    "column_misfit",
    "column_narrow",
    "column_not_null",
    "column_unfilled",
    "column_leftover",
    "table_step",
]

_IN_WORDS: Final[dict[DifferenceCode, str]] = {
    "field_unread": "no column reads it",
    "fields_unlisted": "too many to list",
    "field_unsent": "no message has it",
    "messages_refused": "messages refused",
    "values_lost": "values lost",
    "table_missing": "no table",
    "column_missing": "not in the table",
    "column_misfit": "does not fit the table",
    "column_narrow": "narrow in the table",
    "column_not_null": "may be missing, NOT NULL in the table",
    "column_unfilled": "every insert fails",
    "column_leftover": "nothing fills it",
    "table_step": "the table lacks something",
}
_LOADED_PAST: Final[Collection[DifferenceCode]] = {
    "field_unread",
    "fields_unlisted",
    "field_unsent",
    "values_lost",
    "column_narrow",
    "column_leftover",
}


class Difference(Struct, frozen=True, kw_only=True):
    """One difference. ``field`` is a path in the messages, ``column`` a column; both None where it is about all.

    ``verdict`` says it in a few words, ``what`` in full, ``hint`` what to do; ``toml`` and ``sql`` are that as text.
    ``caution`` says why the SQL should not be run unread; empty where it loses and rewrites nothing.
    """

    severity: Severity
    code: DifferenceCode
    field: str | None
    column: str | None
    verdict: str
    what: str
    hint: str = ""
    toml: str | None = None
    sql: str | None = None
    caution: str = ""


def difference(
    code: DifferenceCode,
    *,
    field: str | None,
    column: str | None,
    what: str,
    verdict: str | None = None,
    hint: str = "",
    toml: str | None = None,
    sql: str | None = None,
    caution: str = "",
    loaded_past: bool = False,
) -> Difference:
    """A difference in the words of its code. ``loaded_past`` where one of its code need not keep anything out."""
    return Difference(
        severity="warning" if loaded_past or code in _LOADED_PAST else "error",
        code=code,
        field=field,
        column=column,
        verdict=verdict or _IN_WORDS[code],
        what=what,
        hint=hint,
        toml=toml,
        sql=sql,
        caution=caution if sql is not None else "",
    )
