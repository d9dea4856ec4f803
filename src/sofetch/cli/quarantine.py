"""``sofetch quarantine``: which messages did not fit, and why; what one held only with ``--reveal``, audited.

Owns listing and showing. Replaying, purging and exporting are in modules of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

import click

from sofetch.cli.asked import PURPOSE_ENV, asked_by, purpose_options
from sofetch.cli.export import export
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, Frame, command, group
from sofetch.cli.purge import purge
from sofetch.cli.replay import replay
from sofetch.cli.requests import requests
from sofetch.cli.reveal import described, entry_as_json, show_body
from sofetch.cli.selected import reason_option
from sofetch.cli.text import ago, count, shown, table
from sofetch.clock import SystemClock
from sofetch.errors import ConfigError
from sofetch.record import Reason

if TYPE_CHECKING:
    from sofetch.load.quarantine.entries import Quarantined


@group(
    "quarantine",
    example="sofetch quarantine list\nsofetch quarantine show 019ab0c4-…\nsofetch quarantine replay --all --dry-run",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
def quarantine() -> None:
    """Show, replay, export and purge the messages that did not fit.

    A message goes to quarantine when it can never become a row: it is not JSON, misses a required field, or the
    database refuses its values. Its body is kept encrypted until it is replayed or purged.
    """


@command(
    "list",
    example="sofetch quarantine list\nsofetch quarantine list --reason missing_field --json",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@reason_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Most entries.")
def list_(frame: Frame, *, reasons: tuple[str, ...], limit: int) -> None:
    """List the newest entries, by reason.

    `first` and `last` say how long ago the message was first and last refused; `expires` is the day from which its
    body may be purged.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import list_quarantine

    settings = frame.settings()
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    found = list_quarantine(settings, dsn=dsn, reasons=[Reason(reason) for reason in reasons], limit=limit + 1)
    entries = found[:limit]
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "entries": [entry_as_json(entry) for entry in entries]})
        return
    if not entries:
        frame.say("the quarantine is empty: every message so far became a row" if not reasons else "no such entry")
        return
    for line in _grouped(entries):
        frame.say(line)
    if len(found) > limit:
        frame.note(f"\n  → older ones are not shown; more than --limit {limit} shows them")


@command(
    "show",
    example="sofetch quarantine show 019ab0c4-5e1c-7c2e-9f8e-2b1d4a6f8c01\n"
    "sofetch quarantine show 019ab0c4-… --reveal --actor ana --purpose support --ticket OPS-4",
    environment=(SINK_ENV, KEY_ENV, PURPOSE_ENV, OVERRIDE_ENV),
)
@click.argument("key", metavar="KEY|MESSAGE_ID")
@click.option("--reveal", is_flag=True, help="Show the body in the clear. Audited; needs the keyring.")
@purpose_options(required=False)
def show(frame: Frame, *, key: str, reveal: bool, actor: str | None, purpose: str | None, ticket: str | None) -> None:
    """Show one entry, by its key (from `quarantine list`) or by the message's id.

    The body is sealed and is not shown, but with --reveal: then the audit says who asked, why, and on which ticket,
    before anything is shown. If that row cannot be written, nothing is. What is shown is personal data; it goes to
    standard output alone. Where [recovery] approvals asks for others' approval, no body is revealed.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import show_quarantine

    by = asked_by(actor=actor, purpose=purpose, ticket=ticket) if reveal else None
    settings = frame.settings()
    entries = show_quarantine(settings, key, dsn=resolve_dsn(settings.sink, environ=os.environ))
    if not entries:
        raise ConfigError("no entry has this key or message id", hint="`sofetch quarantine list` lists them")
    if by is not None:
        show_body(frame, settings, entries, by=by)
        return
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "entries": [entry_as_json(entry) for entry in entries]})
        return
    frame.say("\n\n".join("\n".join(described(entry)) for entry in entries))


for member in (list_, show, replay, export, purge, requests):
    quarantine.add_command(member)


def _grouped(entries: Iterable[Quarantined]) -> list[str]:
    lines: list[str] = []
    now = SystemClock().now_ms() / 1000
    for (reason, field), held in groupby(sorted(entries, key=_cause), key=_cause):
        members = list(held)
        where = f" in {shown(field)}" if field else ""
        lines += ["", click.style(f"{shown(reason)}{where}: {count(len(members), 'message')}", bold=True)]
        rows = [_row(entry, now) for entry in members]
        lines += [f"  {line}" for line in table(["key", "attempts", "first", "last", "expires"], rows)]
    return lines[1:]


def _cause(entry: Quarantined) -> tuple[str, str]:
    return entry.reason, entry.field or ""


def _row(entry: Quarantined, now: float) -> list[object]:
    first, last = (ago(moment, now) for moment in (entry.first_seen, entry.last_seen))
    return [str(entry.key), entry.attempts, first, last, entry.expires_at.date()]
