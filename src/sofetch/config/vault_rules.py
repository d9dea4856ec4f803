"""Rules about the vault: columns that keep values need a subject, and a recovery key to seal them for.

Owns what [vault] and the columns say of each other. Where the vault is, is not asked here: that is often said by a
variable of the machine that loads.
"""

from __future__ import annotations

from typing import Final

from sofetch.config.column_rules import as_settings, title
from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part

SUBJECT_TYPES: Final = ("text", "int", "bigint", "uuid")
"""Types that an unmasked subject column can have: their values have one text each."""


def check_vault(draft: Draft, report: Report) -> None:
    """Report what keeps the vault from working, and a vault that nothing goes into."""
    vault = draft.sections["vault"]
    keeping = [column for column in draft.columns if column.given.get("vault") is True]
    if not keeping:
        if vault.given or vault.broken:
            what = "no column has vault = true: nothing goes into the vault"
            hint = "put vault = true beside the mask of a column, or drop the section"
            report.warning("vault_unused", vault.path, what, hint=hint)
        return
    _check_subject(draft, keeping[0], report)
    if not vault.has("recovery_public_key"):
        what = f"{title(keeping[0])} keeps values, and there is no key to seal them for"
        hint = "name the file as [vault] recovery_public_key; `sofetch keys recovery-new` makes a pair"
        report.error("vault_key", keeping[0].at("vault"), what, hint=hint)


def _check_subject(draft: Draft, keeping: Part, report: Report) -> None:
    vault = draft.sections["vault"]
    if not vault.has("subject"):
        what = f"{title(keeping)} keeps values, and nothing says whom they are about"
        hint = 'name a column: [vault] subject = "user_id"'
        report.error("vault_subject", keeping.at("vault"), what, hint=hint)
        return
    subject = vault.given.get("subject")
    if subject is None:
        return
    named = {column.given.get("name"): column for column in draft.columns}
    if subject not in named:
        hint = did_you_mean(subject, [name for name in named if name], otherwise="name a column by its `name`")
        what = f"`subject` names {shown(subject)}, and there is no such column"
        report.error("vault_subject", vault.at("subject"), what, hint=hint)
        return
    if names_collecting(draft, subject, vault.at("subject"), report):
        return
    column = as_settings(named[subject])
    if column is not None and column.mask is None and column.type not in SUBJECT_TYPES:
        what = f"{title(named[subject])} is of type {column.type} and cannot name a subject"
        report.error("vault_subject", vault.at("subject"), what, hint=f"types that can: {', '.join(SUBJECT_TYPES)}")
