"""What each configured column holds once it is decoded and masked: its SQL type, its cells' type, its widest text.

Owns the answers that the sink, the schema and the checks share. Pure; it must not mask,
nor talk to Postgres.
"""

from __future__ import annotations

import re
from typing import Final, assert_never

from msgspec import Struct

from sofetch.settings import ColumnSettings, ColumnType, Kind, MaskName

MASKED_CHARS: Final = 256
"""Width of a masked text column: room for every scheme, and for what a later one may need."""

TOKEN_CHARS: Final = len("h1.") + 8 + len(".") + 40
"""Longest h1 token: a kid has at most eight characters."""

IP_NETWORK_CHARS: Final = len("ffff:ffff:ffff::/48")
DOMAIN_CHARS: Final = 253


class Produced(Struct, frozen=True):
    """``sql_type`` is for DDL, ``type`` the cells', ``max_chars`` the longest text there can be (None: no limit)."""

    sql_type: str
    type: ColumnType
    max_chars: int | None = None


class Unsuited(Struct, frozen=True):
    """Why a column's mask cannot work as it is configured, and what to do."""

    what: str
    hint: str


def produced(column: ColumnSettings) -> Produced:
    """What the column holds. A masked one is text, except a date's month, which is a date (its first day)."""
    if column.mask is None:
        return _unmasked(column)
    if column.mask == "bucket" and column.kind == "date":
        return Produced("date", "date")
    max_chars = _masked_chars(column, column.mask)
    return Produced(f"varchar({max(max_chars, MASKED_CHARS)})", "text", max_chars)


def token_domain(column: ColumnSettings) -> str:
    """The column's join domain: its own setting, else its path."""
    return column.domain or column.from_ or column.name


def unsuited(column: ColumnSettings) -> Unsuited | None:
    """Why the column's mask cannot work, or None if it can."""
    mask = column.mask
    if mask is None:
        return None
    kinds = KINDS_OF_MASK[mask]
    if column.kind not in kinds:
        return Unsuited(f'mask "{mask}" does nothing for kind "{column.kind}"', f"kinds it takes: {', '.join(kinds)}")
    if mask == "truncate" and column.kind == "string" and column.truncate_to is None:
        return Unsuited("a truncated string needs its length", "set `truncate_to` to the characters that may be seen")
    if mask == "token" and not _DOMAIN.fullmatch(token_domain(column)):
        return Unsuited("its path cannot be its join domain", "set `domain` to 1 to 64 of a-z 0-9 _ . ~ -")
    if "\0" in column.redact_to:
        return Unsuited("`redact_to` holds a NUL, which Postgres cannot store", "take it out")
    return None


KINDS_OF_MASK: Final[dict[MaskName, tuple[Kind, ...]]] = {
    "token": ("string", "ip", "email", "uuid", "int", "date"),
    "redact": ("string", "ip", "email", "uuid", "int", "date"),
    "truncate": ("string", "ip"),
    "bucket": ("email", "date"),
}
"""What can be masked how."""

_DOMAIN: Final = re.compile(r"[a-z0-9_.~-]{1,64}")
_SQL_TYPES: Final[dict[ColumnType, str]] = {
    "text": "text",
    "int": "integer",
    "bigint": "bigint",
    "numeric": "numeric",
    "bool": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
    "uuid": "uuid",
    "inet": "inet",
    "jsonb": "jsonb",
    "version_int": "integer",
}


def _unmasked(column: ColumnSettings) -> Produced:
    if column.type == "text" and column.max_length is not None:
        return Produced(f"varchar({column.max_length})", "text", column.max_length)
    return Produced(_SQL_TYPES[column.type], column.type)


def _masked_chars(column: ColumnSettings, mask: MaskName) -> int:
    constant = len(column.redact_to)
    match mask:
        case "token":
            return TOKEN_CHARS
        case "redact":
            return constant
        case "truncate":
            return max(constant, IP_NETWORK_CHARS if column.kind == "ip" else column.truncate_to or 0)
        case "bucket":
            return max(constant, DOMAIN_CHARS)
        case _:
            assert_never(mask)
