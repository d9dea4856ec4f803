"""Rules within one column: which keys go together, and whether what they say can work.

Owns what is wrong with a column whatever the other columns are. A rule keeps quiet where a key that it needs is broken:
that is reported already, and what follows from it is noise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, get_args

import msgspec

from sofetch.columns import ADDRESS_MASKS, ONLY_KIND, unsuited
from sofetch.config.report import Report, did_you_mean
from sofetch.config.shape import Part
from sofetch.decode.single import default_cell
from sofetch.detect.few_values import few_values
from sofetch.detect.personal import SPECIAL, personal_by_name
from sofetch.errors import ConfigError
from sofetch.paths import Path, parse_path
from sofetch.settings import ColumnSettings, ColumnType, LimitSettings

_ANY_TYPE: Final[tuple[ColumnType, ...]] = ("text", *(word for word in get_args(ColumnType) if word != "text"))

ENVELOPE_TYPES: Final[dict[str, tuple[ColumnType, ...]]] = {
    "message_id": _ANY_TYPE,
    "sent_time": ("timestamp", "date", "bigint", "text"),
    "sent_date": ("date", "text"),
    "receive_time": ("timestamp", "date", "bigint", "text"),
    "queue": _ANY_TYPE,
    "group_id": _ANY_TYPE,
}
"""The types that the decoder can make of each value of the envelope, the usual one first."""

_ATTRIBUTE = re.compile(r"attribute:[A-Za-z0-9_.-]{1,256}")
_MASK_ONLY = (
    "kind", "domain", "not_of_kind", "sentinels", "redact_to", "truncate_to", "keep_last", "round_to", "noise_scale",
    "noise", "subject", "shift_days", "without_subject", "alphabet",
)  # fmt: skip
_UNMASKED_ONLY = ("default", "type", "max_length")
_BODY_ONLY = ("from", "default")
_UNREADABLE_IN_KEY = re.compile(r'["\\\x00-\x1f]')  # the decoder's parser cannot look for such keys
_KEYS_OF_MASK: Final[dict[str, frozenset[str]]] = {
    "token": frozenset({"kind", "domain", "not_of_kind", "sentinels"}),
    "reversible": frozenset({"kind", "domain", "not_of_kind", "sentinels"}),
    "ip": frozenset({"kind", "domain", "not_of_kind", "sentinels"}),
    "ip_prefix": frozenset({"kind", "domain", "not_of_kind", "sentinels"}),
    "redact": frozenset({"redact_to", "sentinels"}),
    "truncate": frozenset({"kind", "not_of_kind", "sentinels", "redact_to", "truncate_to"}),
    "bucket": frozenset({"kind", "not_of_kind", "sentinels", "redact_to"}),
    "partial": frozenset({"kind", "not_of_kind", "sentinels", "redact_to", "keep_last"}),
    "round": frozenset({"kind", "not_of_kind", "sentinels", "round_to"}),
    "noise": frozenset({"kind", "domain", "not_of_kind", "sentinels", "round_to", "noise_scale", "noise"}),
    "date_shift": frozenset({"kind", "domain", "not_of_kind", "sentinels", "subject", "shift_days", "without_subject"}),
    "fpe": frozenset({"domain", "sentinels", "alphabet"}),
}
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_LONGEST_IDENTIFIER_BYTES = 63


def check_column(column: Part, report: Report) -> None:
    """Report everything that is wrong within the column."""
    for rule in _RULES:
        rule(column, report)


def title(column: Part) -> str:
    """How a finding names the column."""
    name = column.given.get("name")
    return f"column `{name}`" if isinstance(name, str) and name.isprintable() else "the column"


def as_settings(column: Part) -> ColumnSettings | None:
    """The column as its settings, or None where something about it is broken."""
    if column.broken or "name" not in column.given:
        return None
    return msgspec.convert(column.given, ColumnSettings)


def is_identifier(name: str) -> bool:
    """Whether Postgres can hold the name as it is; a longer one it would cut off without a word."""
    return name.isprintable() and '"' not in name and 0 < len(name.encode()) <= _LONGEST_IDENTIFIER_BYTES


def _check_name(column: Part, report: Report) -> None:
    name = column.given.get("name", "column")
    if not is_identifier(name):
        hint = "at most 63 bytes of UTF-8, no quotes, no control characters"
        report.error("bad_name", column.at("name"), "`name` cannot name a column in Postgres", hint=hint)
    elif name in _SYSTEM_COLUMNS:
        hint = "choose another name"
        report.error("bad_name", column.at("name"), f"`{name}` is a column that Postgres has in every table", hint=hint)


def _check_company(column: Part, report: Report) -> None:
    """Keys that exclude each other."""
    if column.has("mask"):
        _refuse(column, _UNMASKED_ONLY, report, why="a masked column cannot have `{}`", hint=_without_mask)
        _check_keys_of_mask(column, report)
        if column.given.get("personal") is False:
            _refuse(column, ("personal",), report, why="a masked column cannot have `{}` = false", hint=_without_mask)
    else:
        _refuse(column, _MASK_ONLY, report, why="`{}` does nothing without `mask`", hint=_with_mask)
    if column.has("value"):
        _refuse(column, _BODY_ONLY, report, why="a column with `value` cannot have `{}`", hint=_without_value)
    if column.has("default") and column.given.get("required") is True:
        hint = "a missing value is either rejected or replaced: drop one of the two"
        report.error(
            "keys_exclude", column.at("default"), f"{title(column)} has both `required` and `default`", hint=hint
        )


def _refuse(column: Part, keys: tuple[str, ...], report: Report, *, why: str, hint: Callable[[str], str]) -> None:
    for key in keys:
        if column.has(key):
            report.error("keys_exclude", column.at(key), f"{title(column)}: " + why.format(key), hint=hint(key))


def _without_mask(key: str) -> str:
    if key == "type":
        return "drop it: the mask decides the type"
    return f"drop `{key}`, or `mask` if the value is not personal"


def _with_mask(key: str) -> str:
    return f'add mask = "token" (or another), or drop `{key}`'


def _without_value(key: str) -> str:
    return f"`value` comes from the message's envelope, not its body: drop `{key}` or `value`"


def _check_keys_of_mask(column: Part, report: Report) -> None:
    mask = column.given.get("mask")
    if mask is None:
        return
    for key in _MASK_ONLY:
        if column.has(key) and key not in _KEYS_OF_MASK[mask]:
            others = [f'"{other}"' for other, keys in _KEYS_OF_MASK.items() if key in keys]
            hint = f"drop it; it is for mask = {' or '.join(others)}"
            report.error(
                "keys_exclude", column.at(key), f'{title(column)}: `{key}` does nothing for mask "{mask}"', hint=hint
            )


def _check_mask(column: Part, report: Report) -> None:
    settings = as_settings(column)
    if settings is not None and (reason := unsuited(settings)) is not None:
        report.error("bad_mask", column.at("mask"), f"{title(column)}: {reason.what}", hint=reason.hint)


def _check_only_kind(column: Part, report: Report) -> None:
    """What the default values stand for here must not be said: an address column takes addresses alone."""
    mask = column.given.get("mask")
    if mask in ONLY_KIND and column.given.get("kind") == "string":
        hint = f'drop it: the kind is "{ONLY_KIND[mask]}"'
        report.error("bad_mask", column.at("kind"), f'{title(column)}: mask "{mask}" takes no strings', hint=hint)
    if mask in ADDRESS_MASKS and column.given.get("not_of_kind") == "token":
        hint = "drop it: what is no address is rejected; name in `sentinels` what means nothing, as `unknown`"
        what = f"{title(column)} holds addresses, in which there is no room for a token"
        report.error("bad_mask", column.at("not_of_kind"), what, hint=hint)


def _check_few_values(column: Part, report: Report) -> None:
    """Refuse a token of what has few values, unless it is said to be meant."""
    if column.given.get("mask") not in {"token", "reversible", "fpe"} or column.given.get("personal") is True:
        return
    what = next(filter(None, (few_values(column.given.get(key, "")) for key in ("from", "name"))), None)
    if what is not None:
        hint = (
            'mask = "redact" if nobody needs it; without `mask` and with personal = false if it is not personal; '
            "personal = true if tokens are wanted all the same"
        )
        why = "has so few values that how often each token comes tells what it is"
        report.error("few_values", column.at("mask"), f"{title(column)} looks like {what}, which {why}", hint=hint)


def _check_from(column: Part, report: Report) -> None:
    text = column.given.get("from")
    steps: Path = (column.given.get("name", ""),)
    try:
        steps = steps if text is None else parse_path(text)
    except ValueError as error:
        report.error("bad_path", column.at("from"), f"{title(column)}: `from` {error}")
    if not column.has("value") and any(isinstance(key, str) and _UNREADABLE_IN_KEY.search(key) for key in steps):
        what = f"{title(column)}: no key with a quote, backslash or control character in it can be read"
        hint = "let the producer rename it, or load the object round it as jsonb"
        report.error("bad_path", column.at("from"), what, hint=hint)


def _check_value(column: Part, report: Report) -> None:
    value = column.given.get("value")
    if value is None or _ATTRIBUTE.fullmatch(value):
        return
    if value not in ENVELOPE_TYPES:
        otherwise = f"it is one of {', '.join(ENVELOPE_TYPES)}, attribute:NAME"
        hint = did_you_mean(value, ENVELOPE_TYPES, otherwise=otherwise)
        report.error(
            "bad_value", column.at("value"), f"{title(column)}: `value` names nothing of the envelope", hint=hint
        )
    elif "type" in column.given and column.given["type"] not in ENVELOPE_TYPES[value]:
        right = " or ".join(f'"{word}"' for word in ENVELOPE_TYPES[value])
        report.error(
            "bad_type", column.at("type"), f"{title(column)}: {value} is not of this type", hint=f"type = {right}"
        )


def _check_max_length(column: Part, report: Report) -> None:
    if "max_length" in column.given and not column.has("mask") and column.given.get("type", "text") != "text":
        hint = "drop it, or the `type`"
        report.error(
            "keys_exclude", column.at("max_length"), f"{title(column)}: `max_length` is for text only", hint=hint
        )


def _check_default(column: Part, report: Report) -> None:
    settings = as_settings(column)
    if settings is None or settings.default is None or settings.mask is not None or settings.value is not None:
        return
    try:
        default_cell(settings, LimitSettings())
    except ConfigError as error:
        report.error("bad_default", column.at("default"), error.what, hint=error.hint)


def _check_personal(column: Part, report: Report) -> None:
    """Warn of a column that looks personal and is loaded in the clear."""
    if any(column.has(key) for key in ("mask", "value", "personal")):
        return
    is_flag = column.given.get("type") == "bool"
    for key in ("from", "name"):
        personal = personal_by_name(column.given.get(key, ""))
        if personal is not None and (personal is SPECIAL or not is_flag):
            what = f"{title(column)} looks like {personal.what} and is not masked"
            hint = f'add mask = "{personal.mask}"; or personal = false if it holds nothing personal'
            report.warning("personal_unmasked", column.at(key), what, hint=hint)
            return


_RULES = (
    _check_name,
    _check_company,
    _check_mask,
    _check_only_kind,
    _check_few_values,
    _check_from,
    _check_value,
    _check_max_length,
    _check_default,
    _check_personal,
)
