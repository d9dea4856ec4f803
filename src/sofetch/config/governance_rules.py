"""Rules about recovery and erasure: approvals that can be had, approvers' keys that are keys, a subject that is there.

Owns what [recovery], [erasure] and the columns say of each other, so that it is found by `check` and not on the day on
which somebody is to be erased.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Final

from sofetch.config.drift_rules import names_collecting
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part

# What every Ed25519 public key in DER begins with (RFC 8410); 32 bytes follow. Not asked of `cryptography`, which would
# slow down every command.
_ED25519: Final = bytes.fromhex("302a300506032b6570032100")
_KEY_BYTES: Final = 32


def check_governance(draft: Draft, report: Report) -> None:
    """Report what would keep a recovery from being approved, or an erasure from finding anybody."""
    _check_approvers(draft, report)
    _check_subject(draft, report)
    _check_tables(draft, report)


def _check_approvers(draft: Draft, report: Report) -> None:
    recovery = draft.sections["recovery"]
    approvers = recovery.get("approver")
    for approver in approvers:
        if not _is_public_key(approver["public_key"]):
            what = f"approver {shown(approver['name'])}: `public_key` is not an Ed25519 public key"
            hint = "`openssl pkey -in approver.pem -pubout` prints it: the line between BEGIN and END"
            report.error("bad_approver", recovery.at("approver"), what, hint=hint)
    people = {" ".join(approver["name"].casefold().split()) for approver in approvers}
    needed = recovery.get("approvals")
    if needed > len(people):
        what = f"`approvals` is {needed} and there are {len(people)} approvers"
        hint = "name more as [[recovery.approver]], or ask for fewer"
        report.error("approvals_unreachable", recovery.at("approvals"), what, hint=hint)


def _check_subject(draft: Draft, report: Report) -> None:
    erasure = draft.sections["erasure"]
    subject = erasure.given.get("subject")
    names = [column.given["name"] for column in draft.columns if "name" in column.given]
    if subject is not None and subject not in names:
        what = f"`subject` names {shown(subject)}, and there is no such column"
        hint = did_you_mean(subject, names, otherwise="name a column by its `name`")
        report.error("erasure_subject", erasure.at("subject"), what, hint=hint)
        return
    if not names_collecting(draft, subject, erasure.at("subject"), report):
        _check_one_subject(draft, subject, report)


def _check_tables(draft: Draft, report: Report) -> None:
    """Of the sink's own table the columns are known, whatever else [erasure] says of it."""
    sink, erasure = draft.sections["sink"], draft.sections["erasure"]
    for at, table in enumerate(erasure.get("table")):
        if table["name"].removeprefix("public.") == str(sink.given.get("table")).removeprefix("public."):
            path = (*erasure.at("table"), at)
            names_collecting(draft, table.get("subject_column"), (*path, "subject_column"), report)
            for place, name in enumerate(table.get("token_columns") or ()):
                names_collecting(draft, name, (*path, "token_columns", place), report)


def _check_one_subject(draft: Draft, subject: str | None, report: Report) -> None:
    """The vault is asked for the value that names the rows: of another field it would know nobody by it."""
    vault = draft.sections["vault"].given.get("subject")
    columns = {column.given["name"]: column for column in draft.columns if "name" in column.given}
    if subject is None or vault is None or vault not in columns or _source(columns[subject]) == _source(columns[vault]):
        return
    what = f"`subject` is made of another field than that of [vault], {shown(vault)}: its keys would not be destroyed"
    hint = f"leave it out, or name a column that is made of the field that {shown(vault)} is made of"
    report.error("erasure_subject", draft.sections["erasure"].at("subject"), what, hint=hint)


def _source(column: Part) -> tuple[object, object]:
    return column.given.get("value"), column.given.get("from", column.given["name"])


def _is_public_key(text: str) -> bool:
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(_ED25519) and len(data) == len(_ED25519) + _KEY_BYTES
