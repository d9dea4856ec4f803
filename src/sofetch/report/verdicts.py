"""The verdict on a column: whether it is right as it is, and what to do if not.

Owns the rules and their thresholds. A verdict holds names, numbers and words of ours, never a value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from sofetch.columns import JOINABLE_MASKS
from sofetch.detect import DETECTORS, Sign
from sofetch.detect.personal import advice
from sofetch.findings import Severity

if TYPE_CHECKING:
    from sofetch.load.profile import Groups
    from sofetch.settings import ColumnSettings

_TOKEN_SCHEMES: Final = frozenset({"token", "reversible"})
_ENOUGH_ROWS = 50
"""Fewer rows say nothing about frequencies."""

_FEW_VALUES = 10
_COMMON_SHARE = 0.5
_SINGLING_SHARE = 0.5
_SMALL_GROUP = 5
_WITHOUT_FORM: Final = frozenset({"device", "secret", "special", "income"})
"""What any value is in a field that is named for it: a share of the values would say nothing."""


class Verdict(Struct, frozen=True, kw_only=True):
    """``what`` is so, and ``hint`` is what to do (empty where nothing is)."""

    severity: Severity
    what: str
    hint: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """What is known of a column: signs and tokens among ``values`` looked at, and how all ``rows`` group."""

    signs: list[Sign]
    values: int
    tokens: int
    rows: int
    groups: Groups | None


def judge_column(column: ColumnSettings | None, seen: Seen) -> Verdict:
    """The verdict on one column; ``column`` is None for one that the configuration does not fill."""
    if seen.rows == 0:
        return Verdict(severity="ok", what="the table is empty: there is nothing to judge yet")
    if column is not None and column.mask is not None:
        return _masked(column.mask, seen)
    personal = next((sign for sign in seen.signs if sign.personal), None)
    if personal is not None:
        return _personal(column, personal, seen)
    return _in_the_clear(column, seen)


def singles_out(groups: Groups) -> bool:
    """Whether most values occur once, in rows enough to say so."""
    return groups.rows >= _ENOUGH_ROWS and groups.singles > _SINGLING_SHARE * groups.rows


def judge_together(columns: Sequence[str], groups: Groups | None, *, rows: int) -> Verdict:
    """The verdict on the columns in the clear taken together."""
    if not columns or not rows:
        return Verdict(severity="ok", what="there is nothing to combine")
    if groups is None:
        return Verdict(
            severity="warning",
            what="counting them took longer than a statement may",
            hint="sample fewer rows (--sample), or raise [sink] statement_timeout_seconds",
        )
    if groups.smallest is not None and groups.smallest >= _SMALL_GROUP:
        return Verdict(
            severity="ok", what=f"every combination stands in at least {groups.smallest} rows (k = {groups.smallest})"
        )
    few, alone = _percent(groups.below_5, rows), _percent(groups.singles, rows)
    return Verdict(
        severity="warning",
        what=f"{few} of the rows share their combination with fewer than four others, {alone} with none at all: who "
        "knows these fields of a person can find the person's row",
        hint="coarsen what is not needed in full (a month for a date, a main version, a language without its country), "
        "or let only few people read it",
    )


def _masked(mask: str, seen: Seen) -> Verdict:
    if seen.groups is not None and seen.groups.rows == 0:
        return _EMPTY
    others = seen.values - seen.tokens
    if mask in _TOKEN_SCHEMES and others:
        return Verdict(
            severity="error",
            what=f"configured as masked, but {_percent(others, seen.values)} of the values looked at are no tokens",
            hint="they were loaded before the mask was set, or by another program: mask or delete them",
        )
    if mask == "redact" and seen.groups is not None and seen.groups.groups > 1:
        return Verdict(
            severity="error",
            what="configured as redacted, but it holds more than the one constant",
            hint="the rest was loaded before the mask was set, or by another program: overwrite it",
        )
    if mask in {"partial", "round"} and seen.groups is not None and singles_out(seen.groups):
        return Verdict(
            severity="warning",
            what=f"{_percent(seen.groups.singles, seen.groups.rows)} of what is kept occurs once: it points to one row",
            hint="keep less of it: a smaller `keep_last`, a larger `round_to`",
        )
    return _frequencies(mask, seen) or Verdict(severity="ok", what=_WHAT_MASKS_DO.get(mask, f"masked by {mask}"))


_EMPTY: Final = Verdict(
    severity="warning",
    what="nothing is in it: it is NULL in every row, so nothing shows that its mask does what it should",
    hint="unless no message has it: look at the field's path (`from`), its `kind` and its `sentinels`, at what "
    "`sofetch peek` makes of it, and whether its messages are in quarantine (`sofetch quarantine list`)",
)

_WHAT_MASKS_DO: Final = {
    "token": "tokens: equal values can be counted and joined, and cannot be read",
    "redact": "nothing of the value is kept",
    "truncate": "only the leading part of the value is kept",
    "bucket": "only the group that the value falls into is kept",
    "partial": "only a part of the value is kept, its end or an e-mail's initial and domain: with other fields it may "
    "still tell whose it is",
    "round": "only about how large the number is is kept",
    "noise": "numbers that are off by noise: sums and means are about right, a single one is not, and many of one "
    "person's come near the true one",
    "date_shift": "dates moved by as many days as all of their subject: the days between them are true, and who knows "
    "one true date of a subject knows them all",
    "fpe": "values of the same form: equal ones can be joined; only a holder of the key can read them; nothing tells "
    "them from real ones",
    "reversible": "tokens: equal values can be counted and joined; only a holder of the key can read them",
    "ip": "encrypted addresses: equal ones can be joined; only a holder of the key can read them",
    "ip_prefix": "encrypted addresses that keep their networks together; only a holder of the key can read them",
}


def _frequencies(mask: str, seen: Seen) -> Verdict | None:
    """Few or very common tokens tell by their frequency what they stand for."""
    groups = seen.groups
    if groups is None or groups.rows < _ENOUGH_ROWS or mask not in JOINABLE_MASKS:
        return None
    if groups.groups <= _FEW_VALUES:
        return Verdict(
            severity="warning",
            what=f"only {groups.groups} different tokens: who knows how often each value occurs can tell them apart",
            hint="a value with so few choices is not hidden by a token: leave the column out, or redact it",
        )
    if (groups.largest or 0) > _COMMON_SHARE * groups.rows:
        return Verdict(
            severity="warning",
            what=f"one token stands in {_percent(groups.largest or 0, groups.rows)} of the rows with one: "
            "its value is easily guessed",
            hint="is it a placeholder, as `unknown`? Name it in the column's `sentinels`, and it is stored as NULL",
        )
    return None


def _personal(column: ColumnSettings | None, sign: Sign, seen: Seen) -> Verdict:
    finds = DETECTORS[sign.detector].finds
    if sign.matches and sign.detector not in _WITHOUT_FORM:
        what = f"{_percent(sign.matches, seen.values)} of the values looked at have the form of {finds}"
    else:
        what = f"its name says that it holds {finds}"
    if column is not None and column.personal is False:
        return Verdict(severity="warning", what=f"declared as not personal, but {what}", hint="look at it once more")
    hint = "nothing that sofetch loads: mask it where it is written, or drop it" if column is None else _remedy(sign)
    return Verdict(severity="error", what=f"in the clear, and {what}", hint=hint)


def _remedy(sign: Sign) -> str:
    fitting = advice(sign.detector)
    if fitting is None:
        return "give the column a `mask`"
    settings = {
        "mask": fitting.mask,
        "kind": fitting.kind,
        "domain": fitting.domain,
        "truncate_to": fitting.truncate_to,
    }
    wanted = {name: value for name, value in settings.items() if value not in {None, "string"}}
    written = ", ".join(f"{name} = {json.dumps(value)}" for name, value in wanted.items())
    return f"mask it ({written}) and the rows that are there already, or leave it out"


def _in_the_clear(column: ColumnSettings | None, seen: Seen) -> Verdict:
    groups = seen.groups
    identifier = next((sign for sign in seen.signs if sign.counts), None)
    if identifier is not None:
        return Verdict(
            severity="warning",
            what=f"in the clear, and {_percent(identifier.matches, seen.values)} of the values looked at are UUIDs, "
            "which link the rows to whatever else holds them",
            hint='if they are of persons or their devices: mask = "token", kind = "uuid"',
        )
    if groups is not None and groups.rows == 0:
        return Verdict(severity="ok", what="in the clear; it holds no value yet")
    if groups is None:
        return Verdict(
            severity="warning",
            what="counting its values took longer than a statement may",
            hint="sample fewer rows (--sample), or raise [sink] statement_timeout_seconds",
        )
    if singles_out(groups):
        return Verdict(
            severity="warning",
            what=f"in the clear, and {_percent(groups.singles, groups.rows)} of its values occur once: "
            "each points to one row",
            hint="if others know it too (an order, a session), give it a mask or make it coarser",
        )
    whose = "" if column is not None else "; the configuration does not fill it"
    return Verdict(severity="ok", what=f"in the clear; nothing personal was recognised{whose}")


def _percent(part: int, whole: int) -> str:
    return percent(part / whole if whole else 0.0)


def percent(share: float) -> str:
    """A share in words: never 0% for something, nor 100% for less than all."""
    if 0 < share < 0.01:
        return "less than 1%"
    if 0.99 < share < 1:
        return "more than 99%"
    return f"{share:.0%}"
