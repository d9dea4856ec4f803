"""Rules about masks that look beyond their column: whose dates are shifted, whether `fpe` may be used, and whether
another column gives away what a masked one hides.

Owns what columns and [masks] say of each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from sofetch.columns import token_domain
from sofetch.config.column_rules import as_settings, title
from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part
from sofetch.config.vault_rules import SUBJECT_TYPES
from sofetch.paths import Path, parse_path
from sofetch.settings import ColumnSettings


def check_masks(draft: Draft, report: Report) -> None:
    """Report columns whose mask cannot work in this configuration."""
    named = {column.given["name"]: column for column in draft.columns if "name" in column.given}
    for column in draft.columns:
        if column.given.get("mask") == "date_shift" and "subject" in column.given:
            _check_subject(draft, column, named, report)
        if column.given.get("mask") == "fpe" and draft.sections["masks"].get("allow_fpe") is not True:
            hint = "read docs/masks.md first: what it makes looks real, and patents have been claimed on it"
            what = f"{title(column)}: the mask fpe is off unless [masks] allow_fpe = true"
            report.error("bad_mask", column.at("mask"), what, hint=hint)
    sound = [(column, one) for column in draft.columns if (one := as_settings(column)) is not None]
    _check_clear(sound, draft.sections["drift"].given.get("collect_into"), report)
    _check_noise(sound, report)


_Sound = Sequence[tuple[Part, ColumnSettings]]


def _check_clear(columns: _Sound, collecting: object, report: Report) -> None:
    """Refuse a column that loads in the clear what another one masks, unless that is said to be meant.

    An object that is loaded whole holds each of its members; what is collected is masked by itself.
    """
    masked = [(one, _source(one)) for _, one in columns if one.mask is not None]
    for column, plain in columns:
        if plain.mask is not None or plain.personal is False or plain.name == collecting:
            continue
        source = _source(plain)
        hidden = next((one for one, of in masked if source and of and _holds(plain, source, of)), None)
        if hidden is not None and hidden.name != plain.name:  # two of one name are reported already
            what = f"{title(column)} loads in the clear what `{hidden.name}` masks"
            hint = (
                "drop it, mask it, or load only the parts that are needed, each from a path of its own; "
                "personal = false if it may be seen all the same"
            )
            at = next((key for key in ("from", "value") if column.has(key)), "name")
            report.error("masked_in_the_clear", column.at(at), what, hint=hint)


def _holds(plain: ColumnSettings, source: Path, masked: Path) -> bool:
    return source == masked or (plain.type == "jsonb" and source == masked[: len(source)])


def _source(column: ColumnSettings) -> Path:
    """Where in a message the column's value stands; empty for a path that is none."""
    if column.value is not None:
        return (0, column.value)  # no path into a body begins with a position
    try:
        return (column.name,) if column.from_ is None else parse_path(column.from_)
    except ValueError:
        return ()


def _check_noise(columns: _Sound, report: Report) -> None:
    """One number with two noises that are drawn alike is two equations for two unknowns: the number is known."""
    first: dict[str, ColumnSettings] = {}
    for column, one in columns:
        if one.mask != "noise":
            continue
        other = first.setdefault(token_domain(one), one)
        if other is not one:
            what = f"{title(column)} draws its noise as `{other.name}` does, so that who sees both knows the numbers"
            at = column.at("domain" if column.has("domain") else "mask")
            report.error("shared_noise", at, what, hint="give it a `domain` of its own")


def _check_subject(draft: Draft, column: Part, named: dict[str, Part], report: Report) -> None:
    subject = column.given["subject"]
    if subject not in named:
        hint = did_you_mean(subject, named, otherwise="name a column by its `name`")
        what = f"{title(column)}: `subject` names {shown(subject)}, and there is no such column"
        report.error("bad_mask", column.at("subject"), what, hint=hint)
        return
    if names_collecting(draft, subject, column.at("subject"), report):
        return
    other = as_settings(named[subject])
    if other is not None and other.mask is None and other.type not in SUBJECT_TYPES:
        what = f"{title(column)}: {title(named[subject])} is of type {other.type} and cannot name a subject"
        report.error("bad_mask", column.at("subject"), what, hint=f"types that can: {', '.join(SUBJECT_TYPES)}")
