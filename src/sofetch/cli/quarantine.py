"""``sofetch quarantine``: which messages did not fit, and why. Never what they held: bodies stay sealed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command, group
from sofetch.cli.text import count, duration, shown, table
from sofetch.clock import SystemClock
from sofetch.errors import ConfigError
from sofetch.record import Reason

if TYPE_CHECKING:
    from sofetch.load.quarantine import Quarantined


@group(
    "quarantine",
    example="sofetch quarantine list\nsofetch quarantine show 019ab0c4-…",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
def quarantine() -> None:
    """Show the messages that did not fit: reason, attempts, times; never a body.

    A message goes to quarantine when it can never become a row: it is not JSON, misses a required field, or the
    database refuses its values. Its body is kept encrypted until it expires.
    """


@command(
    "list",
    example="sofetch quarantine list\nsofetch quarantine list --reason missing_field --json",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    metavar="REASON",
    help="Only this reason; repeatable.",
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Most entries.")
def list_(frame: Frame, *, reasons: tuple[str, ...], limit: int) -> None:
    """List the newest entries, by reason.

    `first` and `last` say how long ago the message was first and last refused; `expires` is the day from which its
    body may be purged.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine import list_quarantine

    settings = frame.settings()
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    entries = list_quarantine(settings, dsn=dsn, reasons=[Reason(reason) for reason in reasons], limit=limit)
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "entries": [_as_json(entry) for entry in entries]})
        return
    if not entries:
        frame.say("the quarantine is empty: every message so far became a row" if not reasons else "no such entry")
        return
    for line in _grouped(entries):
        frame.say(line)
    if len(entries) == limit:
        frame.note(f"\n  → the newest {limit:,} are shown; --limit shows more")


@command(
    "show",
    example="sofetch quarantine show 019ab0c4-5e1c-7c2e-9f8e-2b1d4a6f8c01",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@click.argument("key", metavar="KEY|MESSAGE_ID")
def show(frame: Frame, *, key: str) -> None:
    """Show one entry, by its key (from `quarantine list`) or by the message's id.

    The body is sealed and is not shown.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine import show_quarantine

    settings = frame.settings()
    entries = show_quarantine(settings, key, dsn=resolve_dsn(settings.sink, environ=os.environ))
    if not entries:
        raise ConfigError("no entry has this key or message id", hint="`sofetch quarantine list` lists them")
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "entries": [_as_json(entry) for entry in entries]})
        return
    frame.say("\n\n".join("\n".join(_described(entry)) for entry in entries))


quarantine.add_command(list_)
quarantine.add_command(show)


def _as_json(entry: Quarantined) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


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
    first, last = (_ago(moment, now) for moment in (entry.first_seen, entry.last_seen))
    return [str(entry.key), entry.attempts, first, last, entry.expires_at.date()]


def _ago(moment: datetime, now: float) -> str:
    """In one unit, so that a line stays short."""
    amount, unit = duration(max(0.0, now - moment.timestamp())).split(" ")[:2]
    return f"{amount} {unit}"


def _described(entry: Quarantined) -> list[str]:
    fields: dict[str, object] = {
        "key": entry.key,
        "message id": entry.message_id,
        "reason": entry.reason,
        "field": entry.field,
        "attempts": f"{entry.attempts} (received {count(entry.receive_count, 'time')} when first refused)",
        "sent": entry.sent_at,
        "first seen": entry.first_seen,
        "last seen": entry.last_seen,
        "expires": entry.expires_at,
        "body": f"sealed with key {entry.kid}, {count(entry.sealed_bytes, 'byte')}; not shown",
    }
    return [f"{name:<12}{shown(value)}" for name, value in fields.items()]
