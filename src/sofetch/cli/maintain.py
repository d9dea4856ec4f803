"""``sofetch maintain``: partitions made ahead, and those past keeping dropped, as a schedule runs it.

Owns what is shown of it. What is done is ``sofetch.load.partitions.maintain``'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.text import count, terminal_safe
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.load.partitions.maintain import Maintenance
    from sofetch.settings import Settings


@command(
    "maintain",
    example="sofetch maintain --dry-run\nsofetch maintain --json    # from cron, once a day or more often",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@click.option("--dry-run", is_flag=True, help="Say what would be made and dropped; change nothing.")
def maintain(frame: Frame, *, dry_run: bool) -> None:
    """Make the table's partitions ahead, drop those past keeping, and keep the ledger's.

    Where [sink] partition_by is set, there is a partition for now and for each of the partition_ahead days or months
    after it. Rows that came before their partition are moved out of the default one. With partition_retention_days,
    partitions that are wholly older are dropped with their rows, and rows as old are removed from the default one.

    It takes the rights of the table's owner, never waits for a lock longer than half a second, and holds up no worker.
    If another one is under way it says so and ends with 0. It ends with 5 if something was put off: run it again.
    A worker that has these rights does the same once an hour, in brief where it is never idle.
    """
    configured = frame.pipelines()
    done = {one.pipeline_name: _maintained(one, dry_run=dry_run) for one in configured.pipelines}
    if frame.json:
        shown = {name: msgspec.to_builtins(one) | {"complete": one.complete} for name, one in done.items()}
        frame.data({"pipelines": shown} if configured.several else next(iter(shown.values())))
    for name, one in done.items():
        if configured.several:
            frame.say(click.style(terminal_safe(name), bold=True))
        for line in _lines(one):
            frame.say(terminal_safe(line))
        if one.hint:
            frame.note(f"  → {terminal_safe(one.hint)}")
    if not all(one.complete for one in done.values()):
        frame.note("  → run it again: a lock was in the way, or another relation has the name")
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _maintained(settings: Settings, *, dry_run: bool) -> Maintenance:
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.partitions.maintain import maintain

    return maintain(settings, dsn=resolve_dsn(settings.sink, environ=os.environ), dry_run=dry_run)


def _lines(done: Maintenance) -> Iterator[str]:
    if done.busy:
        yield "another maintenance of this database is under way: nothing to do here"
        return
    would = "would be " if done.dry_run else ""
    if done.left_alone is not None:
        yield f"the table's partitions are left alone: {done.left_alone}"
    for name in done.made:
        yield f"{would}made       {name}"
    for name in done.dropped:
        yield f"{would}dropped    {name}"
    for name in done.postponed:
        yield f"{would}postponed  {name}"
    if done.moved_rows:
        yield f"{count(done.moved_rows, 'row')} moved out of the default partition"
    if done.expired_rows:
        yield f"{count(done.expired_rows, 'row')} past keeping {would}removed from the default partition"
    if done.left_alone is None and not (done.made or done.dropped or done.postponed or done.expired_rows):
        yield "nothing to do: every partition is there"
    if not done.dry_run:
        yield "the ledger is kept" if done.ledger_done else "the ledger needs another round"
