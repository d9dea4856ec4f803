"""``sofetch verify``: what was sent against what is there.

Owns what is asked and shown. What is found is ``sofetch.verify``'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.archive import ARCHIVE_ENV, bounds, first_option, last_option, opened
from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.text import count, table
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.archive.distinct import DistinctKeys
    from sofetch.load.reconciling import LedgerReader
    from sofetch.load.row_counts import Counted, NotCounted
    from sofetch.settings import Settings
    from sofetch.verify import Missing, Range, VerifiedHour

_HEAD = ("sent in", "sent", "loaded", "quarantined", "missing", "not yet", "never archived")
_ROWS = "rows"


@command(
    "verify",
    example="sofetch verify\nsofetch verify --from 2026-11-26T14 --to 2026-11-26T16 --json",
    environment=(SINK_ENV, ARCHIVE_ENV, OVERRIDE_ENV),
)
@first_option
@last_option
@click.option(
    "--settle-minutes",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    metavar="N",
    help="What was archived later than so long ago may still be in hand: not yet, not missing.",
)
@click.option(
    "--keys",
    "most_keys",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Show the ledger keys of at most so many missing messages.",
)
def verify(frame: Frame, *, first: str | None, last: str | None, settle_minutes: int, most_keys: int) -> None:
    """Hold what was sent, by the archive, against what is there, by the ledger: sent = loaded + quarantined.

    Hours are those of the *sending*, in UTC. A message counts once, however often it came. It changes nothing, needs no
    private key, and may run beside workers. A message is in the table or in quarantine exactly if the ledger has it, in
    every write mode; what was purged from quarantine counts as loaded. Rows that were erased or dropped since are not
    looked for. With write = "insert" and a column that tells the sent time, the table's rows of these hours are counted
    beside it, and a difference is told: it is no error, for a row may be gone by right.

    Without --from it begins where the ledger does ([sink] ledger_days); hours before that are told as not known.
    Without an archive nobody knows what was sent: then it shows what is there, of the last day unless --from says
    otherwise.

    Exit code 5 if something is missing.
    """
    from sofetch.archive.place import hour_text
    from sofetch.backfill import Memory
    from sofetch.clock import SystemClock
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.reconciling import LedgerReader
    from sofetch.load.row_counts import Counted, NotCounted
    from sofetch.verify import Verification, gather, require_comparable

    settings, now_ms = frame.settings(), SystemClock().now_ms()
    settled_ms = now_ms - settle_minutes * 60_000
    require_comparable(settings)
    keys: DistinctKeys | None = None
    passed_over: list[str] = []
    with ExitStack() as stack:
        ledger = stack.enter_context(LedgerReader(settings, dsn=resolve_dsn(settings.sink, environ=os.environ)))
        oldest_ms = Memory(settings, ledger.remembered()).oldest_ms
        wanted = _range(settings, first, last, now_ms=now_ms, oldest_ms=oldest_ms)
        if settings.archive.to is not None:
            frame.note("reading the archive …")
            _, place = stack.enter_context(opened(settings))
            gathered = gather(place, settings, wanted)
            keys, passed_over = gathered.keys, gathered.passed_over
            stack.callback(keys.close)
            wanted = wanted if first is not None else _narrowed(wanted, keys)
        rows = _rows(settings, ledger, wanted)
        verification = Verification(
            ledger,
            oldest_ms=oldest_ms,
            settled_ms=settled_ms,
            most_keys=most_keys,
            keys=keys,
            rows=rows.rows if isinstance(rows, Counted) else None,
        )
        found = list(verification.hours(wanted))
    missing = verification.missing
    if frame.json:
        frame.data(
            {
                "ok": not missing.messages,
                "archive": keys is not None,
                "hours": msgspec.to_builtins(found),
                "missing": msgspec.to_builtins(missing),
                "passed_over": passed_over,
                "rows_not_counted": rows.why if isinstance(rows, NotCounted) else None,
            }
        )
    for line in _in_words(settings, found, missing, passed_over, archived=keys is not None):
        frame.say(line)
    for line in _rows_in_words(rows, found, before=None if settle_minutes == 0 else hour_text(settled_ms)):
        frame.say(line)
    if missing.messages:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _range(settings: Settings, first: str | None, last: str | None, *, now_ms: int, oldest_ms: int) -> Range:
    from sofetch.archive.place import HOUR_MS
    from sofetch.verify import DAY_MS, Range

    begin = oldest_ms if settings.archive.to is not None else now_ms - DAY_MS
    end = now_ms + HOUR_MS
    hours = bounds(first, last)
    if hours["first"] is not None:
        begin = _begins_ms(hours["first"])
    if hours["last"] is not None:
        end = _begins_ms(hours["last"]) + HOUR_MS
    if end <= begin:
        raise click.UsageError("--to is before --from, or before what the ledger keeps")
    return Range(begin, end, timeless=first is None and last is None)


def _begins_ms(hour: str) -> int:
    return int(datetime.fromisoformat(hour if "T" in hour else f"{hour}T00").replace(tzinfo=UTC).timestamp()) * 1_000


def _narrowed(wanted: Range, keys: DistinctKeys) -> Range:
    """From the first message of the archive on: before it, nobody archived."""
    extent = keys.extent()
    if extent is None:
        return wanted
    return msgspec.structs.replace(wanted, first_ms=min(max(wanted.first_ms, extent[0]), wanted.end_ms))


def _in_words(
    settings: Settings, found: list[VerifiedHour], missing: Missing, passed_over: list[str], *, archived: bool
) -> Iterator[str]:
    yield from _table(found) if found else ["nothing was sent, and nothing is there"]
    if unknown := sum(not one.known for one in found):
        yield f"{count(unknown, 'hour')} older than [sink] ledger_days ({settings.sink.ledger_days}): not known"
    if settings.sink.write != "insert":
        yield f"write = {settings.sink.write}: loaded counts messages that were taken in, not rows of the table"
    if passed_over:
        yield f"{count(len(passed_over), 'file')} of the archive passed over: written under another dedupe"
    if not archived:
        yield "there is no [archive], so nothing says what was sent: this is what is there"
        yield "  → what waits or failed to come: sofetch check, sofetch dlq status"
    elif missing.messages:
        yield click.style(f"{count(missing.messages, 'message')} missing", fg="red", bold=True)
        if missing.keys:
            yield f"  keys: {', '.join(missing.keys)}{' …' if missing.messages > len(missing.keys) else ''}"
        span = f"--from {missing.first_archived} --to {missing.last_archived}"
        yield f"  → sofetch backfill --private-key archive.pem {span}"
    else:
        yield "nothing is missing"
    if waiting := sum(one.not_yet for one in found):
        yield f"{count(waiting, 'message')} not there yet: archived a moment ago, look again later"


def _table(found: list[VerifiedHour]) -> list[str]:
    counted = any(one.rows is not None for one in found)
    rows = [[*_cells(one), one.rows if one.known else "not known"] if counted else _cells(one) for one in found]
    return table((*_HEAD, _ROWS) if counted else _HEAD, rows)


def _cells(one: VerifiedHour) -> list[object]:
    if not one.known:
        return [one.hour, one.sent, *["not known"] * 5]
    return [one.hour, one.sent, one.loaded, one.quarantined, one.missing, one.not_yet, one.only_in_ledger]


def _rows(settings: Settings, ledger: LedgerReader, wanted: Range) -> Counted | NotCounted | None:
    """The table's rows of whole hours; None where they say nothing, since a row may stand for several messages."""
    from sofetch.archive.place import HOUR_MS

    if settings.sink.write != "insert":
        return None
    return ledger.rows(wanted.first_ms // HOUR_MS * HOUR_MS, -(-wanted.end_ms // HOUR_MS) * HOUR_MS)


def _rows_in_words(
    rows: Counted | NotCounted | None, found: list[VerifiedHour], *, before: str | None
) -> Iterator[str]:
    """A difference of rows and messages. Only hours ``before`` count: of later ones workers may have some in hand."""
    from sofetch.load.row_counts import NotCounted

    if isinstance(rows, NotCounted):
        yield f"rows of the table were not counted: {rows.why}"
    done = [one for one in found if one.rows is not None and (before is None or one.hour < before)]
    there, loaded = sum(one.rows or 0 for one in done), sum(one.loaded for one in done)
    if there != loaded:
        yield click.style(f"{count(there, 'row')} in the table, {count(loaded, 'message')} loaded", fg="yellow")
        yield "  → fewer: erased, dropped, purged since, or still being loaded? More: written by others?"
        yield "    If not, somebody changed the table"
