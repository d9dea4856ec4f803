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

ALWAYS_REJECTING: Final = ADDRESS_MASKS | {"fpe"}
"""Masks that reject what they cannot take, whatever `not_of_kind` says."""

ONLY_KIND: Final[dict[MaskName, Kind]] = {
    "ip": "ip",
    "ip_prefix": "ip",
    "date_shift": "date",
    "round": "number",
    "noise": "number",
}
"""Masks that take one kind, which need not be said."""

ROW_MASKS: Final = frozenset[MaskName]({"date_shift", "noise"})
"""Masks whose result depends on more of the row than the value."""

OLDEST_KEY_MASKS: Final = frozenset[MaskName]({"date_shift", "fpe"})
"""Masks that go by the ring's oldest key, since nothing in their result says which key made it."""

HIDDEN: Final = "***"
"""What `partial` puts in place of what it hides, however much that was."""

VAULT_SUBJECT_DOMAIN: Final = "vault-subject"
"""Domain of the tokens that the vault knows subjects by; no column may join it."""

LOCAL_PART_CHARS: Final = 64
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


def produced(column: ColumnSettings) -> Produced:  # noqa: C901, PLR0911  # one case a mask
    """What the column holds. A masked one is text, except an address, a date and a number."""
    match column.mask:
        case None:
            return _unmasked(column)
        case "ip" | "ip_prefix":
            return Produced("inet", "inet")
        case "round" | "noise":
            return Produced("numeric", "numeric")
        case "date_shift":
            return Produced("date", "date")
        case "bucket" if column.kind == "date":  # a month is its first day
            return Produced("date", "date")
        case "token":
            return _text(TOKEN_CHARS, least_chars=TOKEN_CHARS)
        case "reversible":
            return _reversible(column)
        case "fpe":
            return Produced("text", "text", least_chars=1)
        case "redact":
            return _text(len(column.redact_to), least_chars=len(column.redact_to))
        case "truncate" | "bucket" | "partial":
            return _text(max(len(column.redact_to), _kept_chars(column)))
        case _:
            assert_never(column.mask)


def _kept_chars(column: ColumnSettings) -> int:
    """The longest text that a mask leaves which keeps a part."""
    match column.mask, column.kind:
        case "truncate", kind:
            return IP_NETWORK_CHARS if kind == "ip" else column.truncate_to or 0
        case "partial", kind:
            return len(HIDDEN) + (1 + len("@") + DOMAIN_CHARS if kind == "email" else column.keep_last)
        case _:
            return DOMAIN_CHARS


def kind_of(column: ColumnSettings) -> Kind:
    """The column's kind. Some masks take one kind, which need not be said: the default stands for it."""
    if column.mask in ONLY_KIND and column.kind == "string":
        return ONLY_KIND[column.mask]
    return column.kind


def reversible_chars(form_bytes: int) -> int:
    """Length of the longest r1 token of a canonical form of so many bytes: padded, sealed (16 bytes), in base64url."""
    sealed_bytes = (form_bytes // 16 + 1) * 16 + 16
    return len("r1.") + 8 + len(".") + -(-sealed_bytes * 4 // 3)


def token_domain(column: ColumnSettings) -> str:
    """The column's join domain: its own setting, else its path. Dates of one subject are shifted in one domain."""
    if column.mask == "date_shift" and column.domain is None and column.subject is not None:
        return column.subject
    return column.domain or column.from_ or column.name


def identifying(settings: Settings) -> frozenset[str]:
    """Columns that say which row a message is, whose, and where it belongs. To leave one empty would change that.

    Whose it is, each column of a subject's field says: an erasure finds the rows by any of them.
    """
    sink, erasure = settings.sink, settings.erasure
    named = {*sink.key, sink.partition_column}
    named |= set(sink.dedupe) if isinstance(sink.dedupe, list) else set()
    subjects = {settings.vault.subject, erasure.subject, *(column.subject for column in settings.column)}
    subjects |= {table.subject_column for table in erasure.table if _in_public(table.name) == _in_public(sink.table)}
    sources = {_source(column) for column in settings.column if column.name in subjects}
    return frozenset(one.name for one in settings.column if one.name in named or _source(one) in sources)


def _source(column: ColumnSettings) -> tuple[str | None, str]:
    return column.value, column.from_ or column.name


def _in_public(table: str) -> str:
    return table.removeprefix("public.")


def vault_subject(settings: Settings) -> ColumnSettings | None:
    """The column that names whom a row is about; None where [vault] names none that there is."""
    return next((column for column in settings.column if column.name == settings.vault.subject), None)


def version_column(settings: Settings) -> ColumnSettings | None:
    """The column that says how new a row is, by the time at which its message was sent; None where there is none."""
    return next((column for column in settings.column if is_version(column)), None)


def is_version(column: ColumnSettings) -> bool:
    """Whether the column holds the sent time to the millisecond."""
    return column.value == "sent_time" and column.type in {"timestamp", "bigint"}


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
    if (lacking := _lacking(column)) is not None:
        return lacking
    if mask in KEYED_MASKS and not _DOMAIN.fullmatch(token_domain(column)):
        return Unsuited("its path cannot be its join domain", "set `domain` to 1 to 64 of a-z 0-9 _ . ~ -")
    if "\0" in column.redact_to:
        return Unsuited("`redact_to` holds a NUL, which Postgres cannot store", "take it out")
    return None


def _lacking(column: ColumnSettings) -> Unsuited | None:
    """What the mask cannot do without and the column does not say."""
    match column.mask:
        case "truncate" if column.kind == "string" and column.truncate_to is None:
            return Unsuited(
                "a truncated string needs its length", "set `truncate_to` to the characters that may be seen"
            )
        case "round" if column.round_to is None:
            return Unsuited("a rounded number needs its step", "set `round_to`, as 1000")
        case "noise" if column.noise_scale is None:
            return Unsuited("noise needs its scale", "set `noise_scale` to how far a number may be off as a rule")
        case "date_shift" if column.shift_days is None:
            return Unsuited("a shifted date needs its limit", "set `shift_days` to the most days that it may be off")
        case "date_shift" if column.subject in {None, column.name}:
            return Unsuited("a date is shifted with all of its subject", "name as `subject` the column that says whose")
        case _:
            return None


KINDS_OF_MASK: Final[dict[MaskName, tuple[Kind, ...]]] = {
    "token": ("string", "ip", "email", "uuid", "int", "code", "date"),
    "reversible": ("string", "ip", "email", "uuid", "int", "code", "date"),
    "ip": ("ip",),
    "ip_prefix": ("ip",),
    "redact": ("string", "ip", "email", "uuid", "int", "code", "date", "number"),
    "truncate": ("string", "ip"),
    "bucket": ("email", "date"),
    "partial": ("string", "email"),
    "round": ("number",),
    "noise": ("number",),
    "date_shift": ("date",),
    "fpe": ("string",),
}
"""What can be masked how."""

JOINABLE_MASKS: Final = frozenset[MaskName]({"token", "reversible", "ip", "ip_prefix", "fpe"})
"""Masks under a key of a join domain by which equal values of one domain are equal."""

KEYED_MASKS: Final = JOINABLE_MASKS | ROW_MASKS
"""Masks under a key of a domain."""

KEEPING_MASKS: Final = frozenset[MaskName]({"truncate", "bucket", "partial", "round", "noise", "date_shift"})
"""Masks that leave a part of the value to be read, or about what it is."""

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
    """As long as the value, so without limit for what has none: strings, codes, integers, strays taken for strings."""
    longest = _FORM_BYTES.get(column.kind) if column.not_of_kind == "reject" else None
    if longest is None:
        return Produced("text", "text", least_chars=reversible_chars(1))
    return _text(reversible_chars(longest), least_chars=reversible_chars(longest))
