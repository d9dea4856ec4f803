"""What each configured column holds once it is decoded and masked: its SQL type, its cells' type, its widest text.

Owns the answers that the sink, the schema and the checks share. Pure; it must not mask,
nor talk to Postgres.
"""

from __future__ import annotations

import re
from typing import Final, assert_never

from msgspec import Struct

from sofetch.settings import ColumnSettings, ColumnType, Kind, MaskName, Settings

MASKED_CHARS: Final = 256
"""Width of a masked text column: room for every scheme, and for what a later one may need."""

TOKEN_CHARS: Final = len("h1.") + 8 + len(".") + 40
"""Longest h1 token: a kid has at most eight characters."""

ADDRESS_MASKS: Final = frozenset[MaskName]({"ip", "ip_prefix"})
"""Masks that make an address of an address, and take nothing else."""

VAULT_SUBJECT_DOMAIN: Final = "vault-subject"
"""Domain of the tokens that the vault knows subjects by; no column may join it."""

IP_NETWORK_CHARS: Final = len("ffff:ffff:ffff::/48")
DOMAIN_CHARS: Final = 253


class Produced(Struct, frozen=True):
    """``sql_type`` is for DDL, ``type`` the cells', ``max_chars`` the longest text there can be (None: no limit).

    ``least_chars`` is the width without which a table's column can be of no use: nothing fits, or not what must.
    """

    sql_type: str
    type: ColumnType
    max_chars: int | None = None
    least_chars: int = 0


class Unsuited(Struct, frozen=True):
    """Why a column's mask cannot work as it is configured, and what to do."""

    what: str
    hint: str


def produced(column: ColumnSettings) -> Produced:  # noqa: PLR0911  # one case a mask
    """What the column holds. A masked one is text, except an address and a date's month (the month's first day)."""
    match column.mask:
        case None:
            return _unmasked(column)
        case "ip" | "ip_prefix":
            return Produced("inet", "inet")
        case "bucket" if column.kind == "date":
            return Produced("date", "date")
        case "token":
            return _text(TOKEN_CHARS, least_chars=TOKEN_CHARS)
        case "reversible":
            return _reversible(column)
        case "redact":
            return _text(len(column.redact_to), least_chars=len(column.redact_to))
        case "truncate":
            kept_chars = IP_NETWORK_CHARS if column.kind == "ip" else column.truncate_to or 0
            return _text(max(len(column.redact_to), kept_chars))
        case "bucket":
            return _text(max(len(column.redact_to), DOMAIN_CHARS))
        case _:
            assert_never(column.mask)


def kind_of(column: ColumnSettings) -> Kind:
    """The column's kind. Masks of addresses take one kind, which need not be said: the default stands for it."""
    return "ip" if column.mask in ADDRESS_MASKS and column.kind == "string" else column.kind


def reversible_chars(form_bytes: int) -> int:
    """Length of the longest r1 token of a canonical form of so many bytes: padded, sealed (16 bytes), in base64url."""
    sealed_bytes = (form_bytes // 16 + 1) * 16 + 16
    return len("r1.") + 8 + len(".") + -(-sealed_bytes * 4 // 3)


def token_domain(column: ColumnSettings) -> str:
    """The column's join domain: its own setting, else its path."""
    return column.domain or column.from_ or column.name


def vault_subject(settings: Settings) -> ColumnSettings | None:
    """The column that names whom a row is about; None where [vault] names none that there is."""
    return next((column for column in settings.column if column.name == settings.vault.subject), None)


def unsuited(column: ColumnSettings) -> Unsuited | None:
    """Why the column's mask cannot work, or None if it can."""
    return _unvaultable(column) or _unmaskable(column)


def _unvaultable(column: ColumnSettings) -> Unsuited | None:
    if column.vault and column.mask != "token":
        return Unsuited("the vault keeps what is behind tokens only", 'set mask = "token", or drop `vault`')
    if column.mask in KEYED_MASKS and token_domain(column) == VAULT_SUBJECT_DOMAIN:
        return Unsuited(f'the domain "{VAULT_SUBJECT_DOMAIN}" is the vault\'s own', "give it another `domain`")
    return None


def _unmaskable(column: ColumnSettings) -> Unsuited | None:
    mask = column.mask
    if mask is None:
        return None
    kinds = KINDS_OF_MASK[mask]
    if kind_of(column) not in kinds:
        return Unsuited(f'mask "{mask}" does nothing for kind "{column.kind}"', f"kinds it takes: {', '.join(kinds)}")
    if mask == "truncate" and column.kind == "string" and column.truncate_to is None:
        return Unsuited("a truncated string needs its length", "set `truncate_to` to the characters that may be seen")
    if mask in KEYED_MASKS and not _DOMAIN.fullmatch(token_domain(column)):
        return Unsuited("its path cannot be its join domain", "set `domain` to 1 to 64 of a-z 0-9 _ . ~ -")
    if "\0" in column.redact_to:
        return Unsuited("`redact_to` holds a NUL, which Postgres cannot store", "take it out")
    return None


KINDS_OF_MASK: Final[dict[MaskName, tuple[Kind, ...]]] = {
    "token": ("string", "ip", "email", "uuid", "int", "date"),
    "reversible": ("string", "ip", "email", "uuid", "int", "date"),
    "ip": ("ip",),
    "ip_prefix": ("ip",),
    "redact": ("string", "ip", "email", "uuid", "int", "date"),
    "truncate": ("string", "ip"),
    "bucket": ("email", "date"),
}
"""What can be masked how."""

KEYED_MASKS: Final = frozenset[MaskName]({"token", "reversible", "ip", "ip_prefix"})
"""Masks under a key of a join domain: equal values of one domain are equal."""

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


def _text(max_chars: int, *, least_chars: int = 0) -> Produced:
    return Produced(f"varchar({max(max_chars, MASKED_CHARS)})", "text", max_chars, least_chars)


_FORM_BYTES: Final[dict[Kind, int]] = {"ip": 1 + 16, "email": 1 + 64 + 1 + 253, "uuid": 1 + 36, "date": 1 + 10}
"""Longest canonical form of the kinds that have one."""


def _reversible(column: ColumnSettings) -> Produced:
    """As long as the value, so without limit for what has none: strings, integers, and strays taken for strings."""
    longest = _FORM_BYTES.get(column.kind) if column.not_of_kind == "reject" else None
    if longest is None:
        return Produced("text", "text", least_chars=reversible_chars(1))
    return _text(reversible_chars(longest), least_chars=reversible_chars(longest))
