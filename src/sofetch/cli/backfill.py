"""``sofetch backfill``: an archive, or files of JSON lines, into the table.

Owns what is asked, the progress and the summary. What is done is ``sofetch.backfill``'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.allocator import give_large_blocks_back
from sofetch.cli.archive import ARCHIVE_ENV, bounds, first_option, last_option, opened, private_keys
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.cli.run_shown import shown, wants_panel
from sofetch.cli.text import count
from sofetch.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from sofetch.backfill import Backfilled
    from sofetch.load.remembering import Remembered
    from sofetch.record import Message
    from sofetch.settings import Settings
    from sofetch.source.jsonl import LinesFile

    Batches = Iterator[tuple[str | None, list[Message]]]

_EXAMPLE = """\
sofetch backfill --private-key archive.pem --from 2026-11-26T00 --dry-run
sofetch backfill --private-key archive.pem --from 2026-11-26T00
sofetch backfill events.jsonl.gz --sent-at 2026-11-01
"""


def _checked_time(_context: click.Context, _parameter: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter("write a time as 2026-11-26T19:30:00Z, or a day") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


@command("backfill", example=_EXAMPLE, environment=(SINK_ENV, KEY_ENV, VAULT_ENV, ARCHIVE_ENV, OVERRIDE_ENV))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@first_option
@last_option
@click.option(
    "--private-key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The archive key's private half. May be given more than once, where the key was changed.",
)
@click.option("--sent-at", callback=_checked_time, metavar="TIME", help="When the lines of FILEs count as sent (UTC).")
@click.option("--dry-run", is_flag=True, help="Read, decode and mask; load nothing.")
@click.option("--force", is_flag=True, help="Load also what the ledger no longer knows: rows of it may double.")
def backfill(
    frame: Frame,
    *,
    files: tuple[Path, ...],
    first: str | None,
    last: str | None,
    keys: tuple[Path, ...],
    sent_at: int | None,
    dry_run: bool,
    force: bool,
) -> None:
    """Load the archive, or FILEs of JSON lines (plain or gzip), into the table, as a worker would have.

    Messages go through the same decoding, masking and loading: the same rows, the same tokens. What is there already
    is found in the ledger and not loaded again, so it may be stopped, killed, and run again; workers may run meanwhile.
    What does not fit goes to quarantine.

    --from and --to choose hours of the archive by when messages were *archived*, in UTC. Messages that are older than
    [sink] ledger_days are not loaded, since the ledger has forgotten whether they were; --force loads them, and
    doubles those that are in the table.

    A line of a FILE is known by the file's content and the line's number: the same file again loads nothing twice, a
    file with one line more loads all its lines again, unless `dedupe` goes by content or fields.

    Exit code 5 if something was passed over or could not be accounted for, 3 if it was stopped before its end. With
    --dry-run everything readable counts as loaded: the database is not asked what is there already.
    """
    if files and (first or last or keys):
        raise click.UsageError("--from, --to and --private-key are for the archive: not with FILEs")
    if not files and not keys:
        raise click.UsageError("name the archive key's private half (--private-key), or FILEs of JSON lines")
    if not files and sent_at is not None:
        raise click.UsageError("--sent-at is for FILEs: the archive knows when its messages were sent")
    give_large_blocks_back()
    settings = frame.settings()
    lines = _lines_files(settings, files, sent_at=sent_at)
    cut_off: list[str] = []
    with ExitStack() as stack:
        if files:
            batches = _of_files(settings, lines)
        else:
            batches = stack.enter_context(
                _of_archive(settings, keys, first=first, last=last, dry_run=dry_run, force=force, cut_off=cut_off)
            )
        done = _run(frame, settings, batches, dry_run=dry_run, force=force)
    _tell(frame, done, lines, cut_off)


def _run(frame: Frame, settings: Settings, batches: Batches, *, dry_run: bool, force: bool) -> Backfilled:
    from sofetch import backfill as filling
    from sofetch.clock import SystemClock
    from sofetch.stopping import Stop, stop_on_signals

    stop, clock = Stop(), SystemClock()
    panel = wants_panel(frame, settings.log, plain=False)
    with (
        shown(frame, settings.log, [], panel=panel, title=f"backfill → {settings.sink.table}") as (events, _),
        stop_on_signals(stop),
    ):
        return filling.backfill(
            settings, batches, clock=clock, events=events, stop=stop, environ=os.environ, dry_run=dry_run, force=force
        )


@contextmanager
def _of_archive(
    settings: Settings,
    keys: tuple[Path, ...],
    *,
    first: str | None,
    last: str | None,
    dry_run: bool,
    force: bool,
    cut_off: list[str],
) -> Iterator[Batches]:
    from sofetch.backfill import Memory, archived, selected

    held = private_keys(keys)
    with opened(settings) as (_, place):
        found = selected(settings, place, **bounds(first, last))
        if not force:
            Memory(settings, _remembered(settings, dry_run=dry_run)).require_recent(found)
        yield archived(settings, place, found, keys=held, cut_off=cut_off)


def _remembered(settings: Settings, *, dry_run: bool) -> Remembered:
    """What the ledger says; a dry run asks no database, and goes by the configuration."""
    from sofetch.clock import SystemClock
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.remembering import Remembered, remembered

    if dry_run:
        return Remembered(now_ms=SystemClock().now_ms())
    return remembered(settings, dsn=resolve_dsn(settings.sink, environ=os.environ))


def _lines_files(settings: Settings, files: tuple[Path, ...], *, sent_at: int | None) -> list[LinesFile]:
    from sofetch.clock import SystemClock
    from sofetch.source.jsonl import LinesFile

    needing = [one.name for one in settings.column if one.value in {"sent_time", "sent_date"}]
    if files and needing and sent_at is None:
        raise ConfigError(
            f"{', '.join(needing)} is the time of sending, and a file does not say it",
            hint="say when its lines were sent: --sent-at 2026-11-26",
        )
    queue = settings.source.queue.rstrip("/").rpartition("/")[2]
    now_ms, most = SystemClock().now_ms(), settings.limits.max_body_bytes
    return [LinesFile(path, queue=queue, sent_ms=sent_at, received_ms=now_ms, max_bytes=most) for path in files]


def _of_files(settings: Settings, lines: list[LinesFile]) -> Batches:
    from sofetch.backfill import gathered

    for batch in gathered(([message] for file in lines for message in file.messages()), settings):
        yield None, batch


def _tell(frame: Frame, done: Backfilled, lines: list[LinesFile], cut_off: list[str]) -> None:
    too_long = sum(len(file.too_long) for file in lines)
    if frame.json:
        frame.data(msgspec.to_builtins(done) | {"too_long": too_long, "cut_off": cut_off})
    for line in _in_words(done, too_long, cut_off):
        frame.say(line)
    if not done.complete:
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)
    if done.too_old or done.left or too_long:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _in_words(done: Backfilled, too_long: int, cut_off: list[str]) -> Iterator[str]:
    if done.dry_run:
        yield click.style("Dry run: nothing was changed", bold=True)
    would = "would be " if done.dry_run else ""
    yield f"read         {count(done.read, 'message')}"
    yield f"{would}loaded       {done.loaded:,}" + (", less what is there already" if done.dry_run else "")
    if not done.dry_run:
        yield f"duplicates   {done.duplicates:,}  (in the table or in quarantine already)"
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(done.quarantined_by_reason.items()))
    yield f"{would}quarantined  {done.quarantined:,}{'  ' + reasons if reasons else ''}"
    if done.too_old:
        yield (
            f"passed over  {done.too_old:,} older than [sink] ledger_days: the ledger no longer knows whether they "
            "were loaded; --force loads them, and doubles those that were"
        )
    if done.left:
        yield f"left         {count(done.left, 'message')} not accounted for: run it again"
    if too_long:
        yield f"too long     {count(too_long, 'line')} over [limits] max_body_bytes, passed over"
    if cut_off:
        yield f"cut off      {count(len(cut_off), 'file')} by a crash; what was cut off was not deleted from the queue"
    if not done.complete:
        again = f" --from {done.last_hour}" if done.last_hour else ""
        yield f"stopped before its end; go on with: sofetch backfill{again} …"
