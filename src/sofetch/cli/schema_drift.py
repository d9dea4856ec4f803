"""``sofetch schema drift``: in what the messages were not as the configuration expects, since when, how often.

Owns how it is told. The counts are the workers'.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.text import ago, count, shown, table, terminal_safe
from sofetch.clock import SystemClock
from sofetch.record import DriftKind

if TYPE_CHECKING:
    from sofetch.load.drift import SeenDrift
    from sofetch.settings import DriftSettings, Settings

_EXAMPLE = """\
sofetch schema drift
sofetch schema drift --kind unknown_field
sofetch schema drift --json
sofetch schema drift --forget
"""
_HEADINGS = {
    DriftKind.UNKNOWN_FIELD: "fields that no column reads",
    DriftKind.MISSING_FIELD: "columns whose field was missing or null",
    DriftKind.TYPE_CHANGE: "columns whose value was of another type or form",
}


@command("drift", example=_EXAMPLE, environment=(SINK_ENV, OVERRIDE_ENV))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in DriftKind]),
    help="Only this kind; repeatable.",
)
@click.option("--forget", is_flag=True, help="Show it, remove it, and count anew: for when it is reconciled.")
def drift(frame: Frame, *, kinds: tuple[str, ...], forget: bool) -> None:
    """Show what the workers have counted of messages that are not as the configuration expects.

    `messages` counts those that came again each time. `first` and `last` say how long ago it was first and last written
    down, which is within a minute. A field whose name is not plain is shown as *, and so are those past the first 500
    of a kind. What is forgotten is told of as new when it comes again.

    What is looked for is for [drift] to say; types, and fields that are required, are counted always.
    """
    from sofetch.load.drift import forget_drift, read_drift
    from sofetch.load.dsn import resolve_dsn

    settings = frame.settings()
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    wanted = kinds or [kind.value for kind in DriftKind]
    if forget:
        found = forget_drift(settings, wanted, dsn=dsn)
    else:
        found = [one for one in read_drift(settings, dsn=dsn) if one.kind in wanted]
    if frame.json:
        told = [_as_json(one) for one in found]
        frame.data({"pipeline": settings.pipeline_name, "forgotten": forget, "drift": told})
        return
    lines = [line for kind in DriftKind for line in _lines(kind, [one for one in found if one.kind == kind])]
    frame.say("\n".join(lines[1:]) if lines else "no message was other than the configuration expects")
    if forget:
        frame.note(f"  → {count(len(found), 'field')} forgotten: what comes again is counted from one")
        return
    for note in _notes(settings, found):
        frame.note(f"  → {note}")


def _as_json(one: SeenDrift) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "field": one.field,
        "messages": one.messages,
        "first_seen": one.first_seen.isoformat(),
        "last_seen": one.last_seen.isoformat(),
    }


def _lines(kind: DriftKind, found: Sequence[SeenDrift]) -> Iterator[str]:
    if not found:
        return
    now = SystemClock().now_ms() / 1000
    rows = [
        [shown(terminal_safe(one.field)), one.messages, ago(one.first_seen, now), ago(one.last_seen, now)]
        for one in found
    ]
    yield ""
    yield click.style(_HEADINGS[kind], bold=True)
    yield from (f"  {line}" for line in table(["field", "messages", "first", "last"], rows))


def _notes(settings: Settings, found: Sequence[SeenDrift]) -> Iterator[str]:
    unlooked = _unlooked(settings.drift)
    if unlooked:
        yield f'not looked for: {" and ".join(unlooked)}; `[drift]` with "warn" counts them'
    if found:
        yield f"{count(len(found), 'field')} differ: `sofetch schema diff` shows what reconciles them"


def _unlooked(drift: DriftSettings) -> list[str]:
    """What the workers do not look for, so that an empty list says nothing of it."""
    policies = {"unknown fields": drift.unknown_fields, "missing fields that may be": drift.missing_fields}
    return [what for what, policy in policies.items() if policy == "ignore"]
