"""``sofetch quarantine purge``: bodies past their day, gone for good.

Owns the question before it, and when an audit row is asked for.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.asked import PURPOSE_ENV, asked_by, purpose_options
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.governed import opened_audit
from sofetch.cli.selected import keys_argument, reason_option, selection
from sofetch.cli.text import count

if TYPE_CHECKING:
    from sofetch.governance.audit import Detail
    from sofetch.governance.quarantine import Purged
    from sofetch.governance.request import Purpose
    from sofetch.load.quarantine.selection import Selection
    from sofetch.settings import Settings

_EXAMPLE = """\
sofetch quarantine purge --dry-run
sofetch quarantine purge --yes
sofetch quarantine purge --reason not_json --actor ana --purpose cleanup --ticket OPS-4
"""


@command("purge", example=_EXAMPLE, environment=(SINK_ENV, KEY_ENV, PURPOSE_ENV, OVERRIDE_ENV))
@keys_argument
@reason_option
@click.option("--expired", is_flag=True, help="Every entry past its day. The default where nothing else is named.")
@purpose_options(required=False)
@click.option("--dry-run", is_flag=True, help="Count what would go; remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(
    frame: Frame,
    *,
    keys: tuple[str, ...],
    reasons: tuple[str, ...],
    expired: bool,
    actor: str | None,
    purpose: str | None,
    ticket: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove quarantined messages and their bodies for good: those past their day, or those named.

    Their keys stay in the ledger. So another delivery of such a message is a duplicate and is not loaded, and the
    message is then neither in the table nor in quarantine.

    What is past its day goes by rule ([quarantine] expire_days) and needs no reason given. To remove an entry before
    its day is somebody's decision: --actor, --purpose and --ticket are needed then, and an audit row is written first.
    Given for expired entries, they are audited too. An audit row needs the keyring.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import count_quarantine
    from sofetch.load.quarantine.selection import Selection

    chosen = selection(keys, reasons, other=expired, other_name="--expired") or Selection(expired=True)
    by = asked_by(actor=actor, purpose=purpose, ticket=ticket) if purpose or ticket else None
    settings = frame.settings()
    found = count_quarantine(settings, chosen, dsn=resolve_dsn(settings.sink, environ=os.environ))
    if dry_run:
        _tell_dry(frame, found.entries, found.unexpired)
        return
    if found.unexpired and by is None:
        by = asked_by(actor=actor, purpose=purpose, ticket=ticket)  # which says what is missing
    if found.entries:
        _confirm(found.entries, yes=yes)
    what: dict[str, Detail] = {"count": found.entries, "unexpired": found.unexpired, **_selected(chosen)}
    _tell(frame, _purge(settings, chosen, by, what if found.entries else None))


def _purge(settings: Settings, chosen: Selection, by: Purpose | None, what: dict[str, Detail] | None) -> Purged:
    from sofetch.governance import quarantine
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import purge_quarantine

    def destroy() -> int:
        return purge_quarantine(settings, chosen, dsn=resolve_dsn(settings.sink, environ=os.environ))

    if what is None:
        return quarantine.Purged(0, None)
    if by is None:
        chosen = msgspec.structs.replace(chosen, expired=True)  # what came since it was counted is not meant
        return quarantine.purge(destroy, settings=settings, by=None, audit=None, what=what)
    with opened_audit(settings, os.environ) as (_, audit):
        return quarantine.purge(destroy, settings=settings, by=by, audit=audit, what=what)


def _selected(chosen: Selection) -> dict[str, Detail]:
    """For the audit. What is no key was typed by someone: it is not repeated there."""
    from sofetch.load.quarantine.selection import as_key

    return {
        "keys": [str(key) for name in chosen.names if (key := as_key(name))] if chosen.names is not None else None,
        "reasons": [reason.value for reason in chosen.reasons] if chosen.reasons is not None else None,
    }


def _confirm(entries: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to confirm: add --yes, or see first with --dry-run")
    what = count(entries, "quarantined message")
    click.confirm(f"Remove {what} for good? They cannot be replayed or opened after it.", abort=True, err=True)


def _tell_dry(frame: Frame, entries: int, unexpired: int) -> None:
    if frame.json:
        frame.data({"dry_run": True, "entries": entries, "unexpired": unexpired})
    early = f", {unexpired:,} of them before their day" if entries else ""
    frame.say(f"Dry run: {count(entries, 'entry', 'entries')} would be removed{early}")


def _tell(frame: Frame, purged: Purged) -> None:
    row = purged.row
    if frame.json:
        audit = {"seq": row.seq, "digest": row.digest.hex(), "at": row.at} if row is not None else None
        frame.data({"dry_run": False, "removed": purged.entries, "audit": audit})
    if row is not None:
        frame.note(f"audit row {row.seq} says who removed them; head {row.head}")
    if not purged.entries:
        frame.say("removed 0 entries: none is meant by this")
        return
    keys = "its key stays" if purged.entries == 1 else "their keys stay"
    frame.say(f"removed {count(purged.entries, 'entry', 'entries')}; {keys} in the ledger")
