"""Erasure: what is done to forget a person, in which order, and the receipt of it.

Owns the order: refuse what could not be finished, write the audit, destroy the keys, then the rows, then the
quarantine, write the audit again. Every step may be done twice, so that an erasure that was cut off is run again. It
must not do I/O: vault, tables, quarantine, audit and clock are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal, Protocol

from msgspec import Struct

from sofetch.columns import JOINABLE_MASKS
from sofetch.errors import ConfigError, KeyringError
from sofetch.governance.audit import AuditEntry, AuditKeys, AuditRow, Detail
from sofetch.governance.request import Purpose
from sofetch.governance.subject import Subject, body_matcher, find_subject, is_named_in, same_field, subject_column
from sofetch.mask.keyring import Keyrings
from sofetch.mask.seal import unseal
from sofetch.record import Private
from sofetch.settings import Settings

MOST_FINGERPRINTS: Final = 10_000
"""Tokens of one subject that an audit row names; more make it a row that nobody can load."""

Mode = Literal["delete", "randomise"]


class TablePlan(Struct, frozen=True, kw_only=True):
    """What is to be done in one table. ``columns`` are given random values in mode "randomise", the subject's too."""

    table: str
    subject_column: str
    mode: Mode
    columns: tuple[str, ...]


class SealedEntry(Private, frozen=True):
    """A quarantine entry as it is stored."""

    key: bytes
    kid: str
    sealed_body: bytes


class Gone(Protocol):
    """What is gone of a subject in the vault."""

    @property
    def keys(self) -> int:
        """Data keys."""

    @property
    def values(self) -> int:
        """Values that they sealed."""


class Kept(Protocol):
    """A value in the vault: its token, and the key that it is sealed under."""

    @property
    def token(self) -> str: ...  # noqa: D102
    @property
    def key_id(self) -> bytes: ...  # noqa: D102


class Vault(Protocol):
    """The vault, for one who may erase."""

    def list_subject(self, subject: str) -> Sequence[Kept]:
        """What there is of a subject, nothing of it readable: who erases need not be able to read."""

    def destroy_subject(self, subject: str) -> Gone:
        """Destroy a subject's keys; committed when it returns. Idempotent."""


class Tables(Protocol):
    """The tables and the quarantine. Each call is committed when it returns."""

    def require(self, plans: Sequence[TablePlan]) -> None:
        """Refuse what could not be done, before anything is: a missing table or column, a privilege, a type."""

    def count(self, plan: TablePlan, spellings: Sequence[str]) -> int:
        """Rows of the subject."""

    def erase(self, plan: TablePlan, spellings: Sequence[str], *, kid: str) -> int:
        """Do what the plan says; how many rows it was done to."""

    def quarantined(self) -> Iterator[Sequence[SealedEntry]]:
        """All entries of the pipeline, in bounded batches."""

    def purge(self, keys: Sequence[bytes]) -> int:
        """Delete quarantine entries."""


class AuditLog(Protocol):
    """Where what was done is written down."""

    def append(self, entry: AuditEntry) -> AuditRow:
        """Append a row; committed when it returns. Raises AuditUnavailable."""


class Means(Struct, frozen=True, kw_only=True):
    """What erasure works with. ``vault`` is None where no column keeps values; ``open_body`` takes off a kept body what
    is round its document.
    """

    settings: Settings
    rings: Keyrings
    audit: AuditLog
    audit_keys: AuditKeys
    tables: Tables
    vault: Vault | None
    now: Callable[[], datetime]
    open_body: Callable[[bytes], bytes]


class QuarantineResult(Struct, frozen=True, kw_only=True):
    """``unopened`` entries are sealed with a key that the keyring lacks; with a destroyed one nobody opens them."""

    examined: int
    purged: int
    unopened: int
    shredded: int


class Receipt(Struct, frozen=True, kw_only=True):
    """What was done, or (``dry_run``) would be. It names the subject by a fingerprint alone."""

    subject: str
    dry_run: bool
    complete: bool
    pipeline: str
    actor: str
    purpose: str
    ticket: str
    started_at: datetime
    finished_at: datetime
    mode: Mode
    vault: Mapping[str, int] | None
    tables: Mapping[str, int]
    quarantine: QuarantineResult
    backups_until: date | None
    not_covered: list[str]
    audit: list[str]


def plan_tables(settings: Settings) -> list[TablePlan]:
    """The sink's table and those that [erasure] names. Raises ConfigError where nothing says whom a row is about."""
    named = subject_column(settings)
    tokens = [column.name for column in settings.column if column.mask in JOINABLE_MASKS]
    mode = settings.erasure.mode
    plans = [_plan(settings.sink.table, named.name, [*same_field(settings, named), *tokens], mode)]
    return plans + [
        _plan(table.name, table.subject_column, table.token_columns, mode) for table in settings.erasure.table
    ]


def left_collected(settings: Settings) -> str | None:
    """The column of collected fields, if an erasure leaves it as it is in the subject's rows; None if there is none, or
    it goes with the rows.
    """
    return settings.drift.collect_into if settings.erasure.mode == "randomise" else None


def erase(value: str, by: Purpose, means: Means, *, dry_run: bool = False) -> Receipt:
    """Erase the subject that ``value`` names; with ``dry_run`` only count.

    Raises ConfigError for what names nobody, SinkRefused where a step could not be done, AuditUnavailable; then nothing
    was erased. SinkUnavailable on the way: run it again, what is done stays done.
    """
    subject = find_subject(means.settings, value, rings=means.rings, keys=means.audit_keys)
    _require_unnamed(value, by, means.settings)
    plans, matches = plan_tables(means.settings), body_matcher(means.settings, value)
    means.tables.require(plans)
    started, fingerprints = means.now(), _fingerprints(subject, means)
    first = means.audit.append(_before(subject, by, means, plans, fingerprints, dry_run=dry_run))
    vault = _vault(subject, means, dry_run=dry_run)
    tables = {plan.table: _table(plan, subject, means, dry_run=dry_run) for plan in plans}
    quarantine = _quarantine(matches, means, dry_run=dry_run)
    last = first if dry_run else means.audit.append(_after(subject, by, vault, tables, quarantine))
    return Receipt(
        subject=subject.fingerprint,
        dry_run=dry_run,
        complete=not dry_run and quarantine.unopened == 0,
        pipeline=means.settings.pipeline_name,
        actor=by.actor,
        purpose=by.purpose,
        ticket=by.ticket,
        started_at=started,
        finished_at=means.now(),
        mode=means.settings.erasure.mode,
        vault=vault,
        tables=tables,
        quarantine=quarantine,
        backups_until=_backups_until(means),
        not_covered=_not_covered(means.settings, quarantine),
        audit=[str(row.head) for row in ([first] if dry_run else [first, last])],
    )


def _require_unnamed(value: str, by: Purpose, settings: Settings) -> None:
    """The audit is never erased, so it must not be what remembers them."""
    if is_named_in(settings, value, f"{by.purpose}\n{by.ticket}"):
        hint = "say it in other words: a case number, and the article of law"
        raise ConfigError("purpose or ticket name the subject, and the audit would keep that for good", hint=hint)


def _plan(table: str, named: str, tokens: Sequence[str], mode: Mode) -> TablePlan:
    columns = tuple(dict.fromkeys([named, *tokens]))
    return TablePlan(table=table, subject_column=named, mode=mode, columns=columns)


def _fingerprints(subject: Subject, means: Means) -> list[str]:
    """Of the tokens whose values go: what a later recovery of one of them is told by."""
    if means.vault is None:
        return []
    tokens = {stored.token for name in subject.vault_tokens for stored in means.vault.list_subject(name)}
    return [means.audit_keys.fingerprint("token", token) for token in sorted(tokens)[:MOST_FINGERPRINTS]]


def _before(
    subject: Subject,
    by: Purpose,
    means: Means,
    plans: Sequence[TablePlan],
    fingerprints: list[str],
    *,
    dry_run: bool,
) -> AuditEntry:
    detail: dict[str, Detail] = {
        "pipeline": means.settings.pipeline_name,
        "subject": subject.fingerprint,
        "mode": means.settings.erasure.mode,
        "in_tables": [plan.table for plan in plans],
    }
    if (column := left_collected(means.settings)) is not None:
        detail["not_randomised"] = [column]
    if not dry_run:
        detail["tokens"] = fingerprints
    return _entry(by, "preview" if dry_run else "erase", detail)


def _after(
    subject: Subject,
    by: Purpose,
    vault: Mapping[str, int] | None,
    tables: Mapping[str, int],
    quarantine: QuarantineResult,
) -> AuditEntry:
    detail: dict[str, Detail] = {
        "subject": subject.fingerprint,
        "vault": dict(vault) if vault is not None else None,
        "rows": dict(tables),
        "purged": quarantine.purged,
        "unopened": quarantine.unopened,
    }
    return _entry(by, "erased", detail)


def _entry(by: Purpose, action: str, detail: Mapping[str, Detail]) -> AuditEntry:
    return AuditEntry(actor=by.actor, action=action, purpose=by.purpose, ticket=by.ticket, detail=detail)


def _vault(subject: Subject, means: Means, *, dry_run: bool) -> dict[str, int] | None:
    if means.vault is None:
        return None
    if dry_run:
        stored = [one for name in subject.vault_tokens for one in means.vault.list_subject(name)]
        return {"keys": len({one.key_id for one in stored}), "values": len(stored)}
    gone = [means.vault.destroy_subject(name) for name in subject.vault_tokens]
    return {"keys": sum(one.keys for one in gone), "values": sum(one.values for one in gone)}


def _table(plan: TablePlan, subject: Subject, means: Means, *, dry_run: bool) -> int:
    if dry_run:
        return means.tables.count(plan, subject.spellings)
    return means.tables.erase(plan, subject.spellings, kid=means.rings.tokens.primary.kid)


def _quarantine(matches: Callable[[bytes], bool], means: Means, *, dry_run: bool) -> QuarantineResult:
    examined = purged = unopened = shredded = 0
    for batch in means.tables.quarantined():
        found: list[bytes] = []
        for entry in batch:
            body = _opened(entry, means)
            examined += 1
            unopened += body is None
            shredded += body == b"" and _is_destroyed(entry.kid, means.rings)
            if body and matches(means.open_body(body)):
                found.append(entry.key)
        purged += len(found) if dry_run or not found else means.tables.purge(found)
    return QuarantineResult(examined=examined, purged=purged, unopened=unopened, shredded=shredded)


def _opened(entry: SealedEntry, means: Means) -> bytes | None:
    """The body; empty where its key is destroyed, so that there is nothing left to find; None if it does not open."""
    if _is_destroyed(entry.kid, means.rings):
        return b""
    try:
        ring = means.rings.holding(entry.kid)
        pipeline = means.settings.pipeline_name
        return unseal(entry.sealed_body, key=entry.key, kid=entry.kid, pipeline=pipeline, keyring=ring)
    except KeyringError:
        return None


def _is_destroyed(kid: str, rings: Keyrings) -> bool:
    keys = (*rings.tokens.keys, *rings.reversible.keys)
    return any(key.kid == kid and key.status == "destroyed" for key in keys)


def _backups_until(means: Means) -> date | None:
    days = means.settings.erasure.backup_days
    return None if days is None else (means.now() + timedelta(days=days)).date()


def _not_covered(settings: Settings, quarantine: QuarantineResult) -> list[str]:
    notes = ["messages about the subject that are still in the queue or its dead-letter queue: drain first"]
    if settings.erasure.backup_days is None:
        notes.append("backups and archived logs: [erasure] backup_days is not set, so nobody said how long they last")
    else:
        notes.append("backups and archived logs, which last until the day named")
    if settings.archive.to is not None:
        kept = settings.archive.keep_days
        until = "nobody said for how long ([archive] keep_days)" if kept is None else f"for {kept} days"
        notes.append(f"the archive, which keeps messages as they came {until}; a backfill brings the subject back")
    if (column := left_collected(settings)) is not None:
        notes.append(f"the column {column} of their rows: what was collected of unknown fields stays in it, as tokens")
    if not {"s3_pointer", "s3_objects"}.isdisjoint(settings.unwrap.layers):
        notes.append("objects in S3 that messages point to, and quarantined messages that say no more than where")
    if settings.drift.unknown_fields != "ignore":
        notes.append("names of fields in sofetch.drift and in the log, where one of them is the subject's name")
    notes.append("other pipelines, their tables and quarantine: run it for each that gets messages about the subject")
    notes.append("tables that the configuration does not name, and what was exported before")
    if settings.sink.dedupe != "message":
        notes.append("keyed hashes of their messages in sofetch.ledger_content, until the ledger drops their day")
    if quarantine.unopened:
        notes.append(f"{quarantine.unopened} quarantined bodies that the keyring has no key for")
    return notes
