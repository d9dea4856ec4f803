"""``sofetch archive``: what is in the archive, whether it is sound, and an end to what is old.

Owns what is shown of it. Nothing here shows a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.findings import finding_lines
from sofetch.cli.frame import OVERRIDE_ENV, Frame, command, group
from sofetch.cli.text import count, table
from sofetch.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from sofetch.archive.place import Place
    from sofetch.archive.reading import HourFiles
    from sofetch.archive.sealing import ArchiveKey
    from sofetch.settings import Settings

ARCHIVE_ENV = {
    "SOFETCH_ARCHIVE_TO": "Folder or bucket; overrides [archive] to.",
    "AWS_PROFILE, AWS_REGION, …": "Credentials and region, where it is a bucket.",
}


@group("archive", example="sofetch archive list\nsofetch archive check --private-key archive.pem")
def archive() -> None:
    """Look after the archive of messages that [archive] keeps beside the load.

    Hours are those of the archiving, in UTC. `sofetch backfill` loads an archive into the table.
    """


def _checked_hour(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    if given is None:
        return None
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}(T\d{2})?", given):
        raise click.BadParameter("write a day or an hour in UTC: 2026-11-26 or 2026-11-26T19")
    try:
        datetime.strptime(given, "%Y-%m-%dT%H" if "T" in given else "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter("there is no such day or hour") from None
    return given


first_option = click.option(
    "--from", "first", callback=_checked_hour, metavar="HOUR", help="First hour, as 2026-11-26T19, or first day."
)
last_option = click.option("--to", "last", callback=_checked_hour, metavar="HOUR", help="Last hour or day, included.")


def bounds(first: str | None, last: str | None) -> dict[str, str | None]:
    """The hours from and to, a day being all of its hours."""
    whole_day = last is not None and "T" not in last
    return {"first": first, "last": f"{last}T23" if whole_day else last}


@command(
    "list",
    example="sofetch archive list\nsofetch archive list --from 2026-11-26 --json",
    environment=(ARCHIVE_ENV, OVERRIDE_ENV),
)
@first_option
@last_option
def list_(frame: Frame, *, first: str | None, last: str | None) -> None:
    """List the archive's hours: files, messages, bytes, and when the messages were sent.

    It reads manifests only. An hour that goes on, or whose worker was killed, has none yet for some of its files:
    `sofetch archive manifest` makes it. Messages are counted as archived; one that came twice counts twice.
    """
    with opened(frame.settings()) as (settings, place):
        rows = [_row(place, one) for one in _hours(settings, place, first, last)]
    if frame.json:
        frame.data({"hours": rows})
        return
    if not rows:
        frame.say("the archive has nothing in these hours")
        return
    head = ["hour", "files", "messages", "redelivered", "bytes", "first sent", "last sent", "without manifest"]
    for line in table(head, [_cells(row) for row in rows]):
        frame.say(line)


@command(
    "check",
    example="sofetch archive check\nsofetch archive check --private-key archive.pem --from 2026-11-26",
    environment=(ARCHIVE_ENV, OVERRIDE_ENV),
)
@first_option
@last_option
@click.option(
    "--private-key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The archive key's private half: open everything too. May be given more than once.",
)
def check(frame: Frame, *, first: str | None, last: str | None, keys: tuple[Path, ...]) -> None:
    """Read the whole archive and hold it against its manifests: every file there, every byte as it was written.

    With --private-key each frame is opened too, which shows that nothing was altered, moved or left out. Nothing of a
    message is shown. Exits with 5 if there is one ✗. A file that a crash cut off is no error: what was cut off was
    never deleted from the queue.
    """
    from sofetch.archive.checking import check_hour

    held = private_keys(keys)
    errors = files = 0
    found = []
    with opened(frame.settings()) as (settings, place):
        for one in _hours(settings, place, first, last):
            files += len(one.files)
            for finding in check_hour(place, one, keys=held):
                errors += finding.severity == "error"
                found.append(
                    {
                        "severity": finding.severity,
                        "code": finding.code,
                        "where": finding.where,
                        "what": finding.what,
                        "hint": finding.hint,
                    }
                )
                for line in finding_lines([finding]):
                    frame.say(line)
    if frame.json:
        frame.data({"ok": not errors, "files": files, "opened": bool(held), "findings": found})
    opened_too = "opens" if held else "is as it was written; without --private-key nothing was opened"
    frame.say(f"{count(files, 'file')}: {f'{errors} not sound' if errors else f'everything {opened_too}'}")
    if errors:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


@command("manifest", example="sofetch archive manifest", environment=(ARCHIVE_ENV, OVERRIDE_ENV))
@first_option
@last_option
def manifest(frame: Frame, *, first: str | None, last: str | None) -> None:
    """Make the manifests that killed workers left out, from the files. It takes no key.

    The hour that goes on is left alone. A worker that is at work on an earlier one still writes its own when it closes
    it, which then takes the place of this one.
    """
    from sofetch.archive.place import hour_text
    from sofetch.archive.reading import make_manifest
    from sofetch.clock import SystemClock

    now = hour_text(SystemClock().now_ms())
    made = []
    with opened(frame.settings()) as (settings, place):
        for one in _hours(settings, place, first, last):
            for writer in one.without_manifest if one.hour.text < now else ():
                done = make_manifest(place, one, writer)
                if done is not None:
                    made.append(
                        {"hour": done.hour, "writer": writer, "files": len(done.files), "messages": done.messages}
                    )
                    frame.say(
                        f"{done.hour}  {writer}: {count(done.messages, 'message')} in {count(len(done.files), 'file')}"
                    )
    if frame.json:
        frame.data({"made": made})
    frame.say(f"{count(len(made), 'manifest')} made")


@command(
    "expire",
    example="sofetch archive expire --dry-run\nsofetch archive expire --older-than 30    # from cron, once a day",
    environment=(ARCHIVE_ENV, OVERRIDE_ENV),
)
@click.option("--older-than", type=click.IntRange(min=1), metavar="DAYS", help="Default: [archive] keep_days.")
@click.option("--dry-run", is_flag=True, help="Say which hours would be deleted; delete nothing.")
def expire(frame: Frame, *, older_than: int | None, dry_run: bool) -> None:
    """Delete hours that are wholly older than DAYS, with everything in them. They hold personal values.

    There is no way back, except for what a bucket's versions or a backup keep.
    """
    from sofetch.archive.place import HOUR_MS
    from sofetch.clock import SystemClock

    deleted, files = [], 0
    with opened(frame.settings()) as (settings, place):
        days = older_than or settings.archive.keep_days
        if days is None:
            raise ConfigError("nothing says how old an hour may be", hint="--older-than DAYS, or [archive] keep_days")
        oldest_ms = SystemClock().now_ms() - days * 86_400_000
        for one in list(_hours(settings, place, None, None)):
            if one.hour.begins_ms + HOUR_MS <= oldest_ms:
                names = [listed.name for listed in (*one.files, *one.manifests)]
                if not dry_run:
                    place.remove(names)
                deleted.append(one.hour.text)
                files += len(names)
    if frame.json:
        frame.data({"dry_run": dry_run, "hours": deleted, "files": files})
    would = "would be deleted" if dry_run else "deleted"
    span = f" ({deleted[0]} to {deleted[-1]})" if deleted else ""
    frame.say(f"{count(len(deleted), 'hour')} of {count(files, 'file')} {would}{span}")


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Settings, Place]]:
    """The configured archive, closed afterwards."""
    from sofetch.archive.opening import open_place

    with closing(open_place(settings.archive)) as place:
        yield settings, place


def private_keys(paths: tuple[Path, ...]) -> list[ArchiveKey]:
    """The private halves in these files. Raises KeyringError."""
    from sofetch.keys.archive import load_archive_key

    return [load_archive_key(path) for path in paths]


def _hours(settings: Settings, place: Place, first: str | None, last: str | None) -> Iterator[HourFiles]:
    from sofetch.archive.reading import hours

    return hours(place, settings.pipeline_name, **bounds(first, last))


def _row(place: Place, one: HourFiles) -> dict[str, object]:
    from sofetch.archive.reading import read_manifest

    manifests = [read_manifest(place, listed.name) for listed in one.manifests]
    first = [made.first_sent_ms for made in manifests if made.first_sent_ms is not None]
    last = [made.last_sent_ms for made in manifests if made.last_sent_ms is not None]
    return {
        "hour": one.hour.text,
        "files": len(one.files),
        "messages": sum(made.messages for made in manifests),
        "redelivered": sum(made.redelivered for made in manifests),
        "bytes": sum(listed.bytes for listed in one.files),
        "first_sent_ms": min(first, default=None),
        "last_sent_ms": max(last, default=None),
        "writers_without_manifest": one.without_manifest,
    }


def _cells(row: dict[str, object]) -> list[str]:
    def time(milliseconds: object) -> str:
        if not isinstance(milliseconds, int):
            return ""
        return datetime.fromtimestamp(milliseconds / 1_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")

    numbers = [f"{row[name]:,}" for name in ("files", "messages", "redelivered", "bytes")]
    without = row["writers_without_manifest"]
    lacking = count(len(without), "writer") if isinstance(without, list) and without else ""
    return [str(row["hour"]), *numbers, time(row["first_sent_ms"]), time(row["last_sent_ms"]), lacking]


for _command in (list_, check, manifest, expire):
    archive.add_command(_command)
