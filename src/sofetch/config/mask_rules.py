"""Rules about masks that look beyond their column: whose dates are shifted, and whether `fpe` may be used.

Owns what columns and [masks] say of each other.
"""

from __future__ import annotations

from sofetch.config.column_rules import as_settings, title
from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part
from sofetch.config.vault_rules import SUBJECT_TYPES


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
