"""Showing and destroying quarantined bodies, with an audit row before either.

Owns the order: the row is committed, and only then is a body given or an entry deleted. It must not do I/O of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from sofetch.errors import NotApproved
from sofetch.governance.audit import AuditEntry, AuditRow, Detail
from sofetch.governance.request import Purpose
from sofetch.mask.keyring import Keyring
from sofetch.mask.seal import unseal
from sofetch.record import Private
from sofetch.settings import Settings


class AuditLog(Protocol):
    """Where audit rows go."""

    def append(self, entry: AuditEntry) -> AuditRow:
        """Append a row; committed when it returns. Raises AuditUnavailable."""
        ...


class SealedBody(Private, frozen=True):
    """One quarantined body. ``key`` is its ledger key, to which it is bound."""

    key: UUID
    kid: str
    sealed: bytes


class Revealed(Private, frozen=True):
    """A body in the clear, and the audit row that says who was shown it."""

    body: bytes
    row: AuditRow


class Purged(Struct, frozen=True):
    """How many entries are gone, and the audit row that was written before, if one was asked for."""

    entries: int
    row: AuditRow | None


def reveal(one: SealedBody, by: Purpose, *, settings: Settings, keyring: Keyring, audit: AuditLog) -> Revealed:
    """Open one body. That it opens is tried first, so that no row tells of what could not be shown.

    Raises NotApproved where the configuration asks for others' approval, KeyringError, and AuditUnavailable; then
    nothing is given.
    """
    if settings.recovery.approvals:
        raise NotApproved(
            "recoveries need the approval of others here, and a revealed body is a recovery that nobody approved",
            hint="`sofetch quarantine replay` needs no look at a body; an export can be opened by those who may",
        )
    body = unseal(one.sealed, key=one.key.bytes, kid=one.kid, pipeline=settings.pipeline_name, keyring=keyring)
    detail: dict[str, Detail] = {"pipeline": settings.pipeline_name, "count": 1, "key": str(one.key)}
    return Revealed(body, audit.append(_entry("reveal_quarantined", by, detail)))


def purge(
    destroy: Callable[[], int],
    *,
    settings: Settings,
    by: Purpose | None,
    audit: AuditLog | None,
    what: dict[str, Detail],
) -> Purged:
    """Destroy entries; ``what`` says in the audit which were selected, and how many they were."""
    row = None
    if by is not None and audit is not None:
        row = audit.append(_entry("purge_quarantine", by, {"pipeline": settings.pipeline_name, **what}))
    return Purged(destroy(), row)


def _entry(action: str, by: Purpose, detail: dict[str, Detail]) -> AuditEntry:
    return AuditEntry(actor=by.actor, action=action, purpose=by.purpose, ticket=by.ticket, detail=detail)
