"""``sofetch dlq``: what no worker could finish, and the way back for it.

Owns what is asked and told. The calls are ``sofetch.source.redrive``'s; what a message's first key is, the masker's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING
from uuid import UUID

import click
import msgspec

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, QUEUE_ENV, Frame, command, group
from sofetch.cli.text import count, duration, terminal_safe
from sofetch.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from sofetch.settings import Settings, SourceSettings
    from sofetch.source.control import QueueAttributes, QueueControl
    from sofetch.source.redrive import Redriven

_DLQ_OPTION = click.option(
    "--dlq",
    "name",
    metavar="NAME",
    help="The dead-letter queue. Default: the one that the queue's RedrivePolicy names.",
)


@group("dlq", example="sofetch dlq status\nsofetch dlq redrive --dry-run", environment=(QUEUE_ENV, OVERRIDE_ENV))
def dlq() -> None:
    """Look into the dead-letter queue, and send its messages round again.

    SQS moves a message there that was received too often without being deleted. sofetch puts what does not fit into
    quarantine instead, so what is there was held by outages, killed workers, or other readers of the queue.
    """


@command(
    "status",
    example="sofetch dlq status\nsofetch dlq status --json | jq .dead_letter_queue.visible",
    environment=(QUEUE_ENV, OVERRIDE_ENV),
)
@_DLQ_OPTION
def status(frame: Frame, *, name: str | None) -> None:
    """Count what is in the dead-letter queue.

    The counts are SQS's approximations and lag by up to a minute. How old the oldest message is, SQS tells CloudWatch
    alone (ApproximateAgeOfOldestMessage); `sofetch dlq peek` shows the age of those it sees.
    """
    settings = frame.settings()
    with _both(settings, name) as (queue, dead_letters):
        own, theirs = queue.attributes(), dead_letters.attributes()
        if frame.json:
            frame.data(_status_as_json(queue, own, dead_letters, theirs))
            return
        for line in _status(queue, own, dead_letters, theirs):
            frame.say(line)
        if theirs.visible:
            frame.note("  → `sofetch dlq peek` shows some, `sofetch dlq redrive --dry-run` says what would go back")


@command(
    "peek",
    example="sofetch dlq peek -n 3",
    environment=(KEY_ENV, QUEUE_ENV, OVERRIDE_ENV),
)
@click.option(
    "-n", "--number", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most messages shown."
)
@click.option("--show-pii", is_flag=True, help="Show the bodies in the clear, personal fields included.")
@_DLQ_OPTION
def peek(frame: Frame, *, number: int, show_pii: bool, name: str | None) -> None:
    """Show messages of the dead-letter queue, without taking them, as `sofetch peek` does.

    Personal fields are masked, or hidden without a keyring. Each look raises the receive count of what it shows.
    """
    from sofetch.cli.peek import show_waiting

    settings = frame.settings()
    source = _dead_letters(settings, name)
    show_waiting(frame, msgspec.structs.replace(settings, source=source), number=number, show_pii=show_pii)


@command(
    "redrive",
    example="sofetch dlq redrive --dry-run\nsofetch dlq redrive --rate 100\n"
    "sofetch dlq redrive --since 2026-11-20 --limit 1000",
    environment=(QUEUE_ENV, OVERRIDE_ENV),
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Send at most so many. Default: all.")
@click.option("--rate", type=click.FloatRange(min=0.01), metavar="PER_SECOND", help="Send at most so many a second.")
@click.option(
    "--since", metavar="TIME", help="Only messages first sent at this time or later: ISO 8601, UTC if no zone."
)
@click.option("--only-key", "keys", multiple=True, metavar="KEY", help="Only this ledger key; repeatable.")
@click.option("--dry-run", is_flag=True, help="Receive and count; send and delete nothing.")
@_DLQ_OPTION
def redrive(
    frame: Frame,
    *,
    limit: int | None,
    rate: float | None,
    since: str | None,
    keys: tuple[str, ...],
    dry_run: bool,
    name: str | None,
) -> None:
    """Send messages of the dead-letter queue to their queue again, so that each is loaded once.

    A message sent again gets a new id. So the ledger key of its first delivery goes along as the message attribute
    `sofetch.first_key`: if that delivery was loaded after all, this one is a duplicate. AWS's own redrive does not do
    that; for it, choose `dedupe = "content"`. A message is deleted from the dead-letter queue only after the queue
    confirmed the new one; a kill between the two leaves both, with the same first key, and one row.

    Body and message attributes stay as they are; the sent time is that of the sending again, and `sent_time` and
    `sent_date` with it. A message with ten attributes has no room for one more and stays
    where it is. In a FIFO queue the group stays; SQS gives a message another sent time when it moves it to a FIFO
    dead-letter queue, so there the key is not that of the first delivery, and only `dedupe = "content"` is sure to
    know it again. To look at messages, SQS has to receive them: those that stay are hidden for a moment.

    Exit code 5 if some message could not be sent.
    """
    from sofetch.mask.identity import ledger_key
    from sofetch.record import FIRST_KEY_ATTRIBUTE
    from sofetch.source.redrive import Redrive, Wanted

    if rate is not None and not isfinite(rate):  # a range lets nan and inf through
        raise click.UsageError("--rate is a number of messages a second; without it they go as fast as they can")
    wanted = Wanted(keys=_keys(keys), since_ms=_milliseconds(since), limit=limit, per_second=rate)
    settings = frame.settings()
    source = _dead_letters(settings, name)
    with Redrive.open(settings.source, dlq=source, first_key=ledger_key, attribute=FIRST_KEY_ATTRIBUTE) as opened:
        done = opened.run(wanted, dry_run=dry_run, told=_told(frame))
    _tell(frame, done, settings.source, source, dry_run=dry_run)
    if done.crowded or done.refused:
        raise SystemExit(ExitCode.FINDINGS)


for member in (status, peek, redrive):
    dlq.add_command(member)


def _dead_letters(settings: Settings, name: str | None) -> SourceSettings:
    from sofetch.source.control import QueueControl
    from sofetch.source.redrive import dead_letters_of

    with QueueControl.open(settings.source) as queue:
        return dead_letters_of(queue, settings.source, name=name)


@contextmanager
def _both(settings: Settings, name: str | None) -> Iterator[tuple[QueueControl, QueueControl]]:
    from sofetch.source.control import QueueControl
    from sofetch.source.redrive import dead_letters_of

    with QueueControl.open(settings.source) as queue:
        source = dead_letters_of(queue, settings.source, name=name)
        with QueueControl.open(source) as dead_letters:
            yield queue, dead_letters


def _status_as_json(
    queue: QueueControl, own: QueueAttributes, dead_letters: QueueControl, theirs: QueueAttributes
) -> dict[str, object]:
    return {
        "queue": {"name": queue.name, **_counts(own)},
        "dead_letter_queue": {
            "name": dead_letters.name,
            **_counts(theirs),
            "retention_seconds": theirs.retention_seconds,
        },
        "max_receive_count": own.redrive.max_receive_count if own.redrive is not None else None,
    }


def _counts(attributes: QueueAttributes) -> dict[str, object]:
    return {"visible": attributes.visible, "in_flight": attributes.in_flight, "delayed": attributes.delayed}


def _status(
    queue: QueueControl, own: QueueAttributes, dead_letters: QueueControl, theirs: QueueAttributes
) -> Iterator[str]:
    yield (
        f"{terminal_safe(dead_letters.name)}: about {count(theirs.visible, 'message')}, {theirs.in_flight:,} more held "
        f"by someone; each is kept for {duration(theirs.retention_seconds)}"
    )
    yield f"{terminal_safe(queue.name)}: about {count(own.visible, 'message')} waiting, {own.in_flight:,} in flight"
    if own.redrive is not None:
        times = count(own.redrive.max_receive_count, "receive")
        yield f"a message goes to {terminal_safe(own.redrive.dead_letter_queue)} after {times} (maxReceiveCount)"
    else:
        yield "the queue has no RedrivePolicy: nothing goes to a dead-letter queue by itself"


def _keys(texts: tuple[str, ...]) -> frozenset[bytes] | None:
    if not texts:
        return None
    try:
        return frozenset(UUID(text).bytes for text in texts)
    except ValueError:
        raise ConfigError(
            "--only-key takes a ledger key: 32 hexadecimal digits, hyphens or not",
            hint="`sofetch dlq peek` shows the keys",
        ) from None


def _milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("--since is no time", hint="write 2026-11-20, or 2026-11-20T14:30:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def _told(frame: Frame) -> Callable[[Redriven], None] | None:
    """A note now and then, for someone who waits at a terminal."""
    if not sys.stderr.isatty():
        return None
    return lambda total: frame.note(f"{count(total.sent, 'message')} sent")


def _tell(frame: Frame, done: Redriven, queue: SourceSettings, dead_letters: SourceSettings, *, dry_run: bool) -> None:
    if frame.json:
        names = {"queue": queue.queue, "dead_letter_queue": dead_letters.queue, "dry_run": dry_run}
        frame.data({**names, **msgspec.structs.asdict(done)})
        return
    would = "would send" if dry_run else "sent"
    frame.say(
        f"{would} {count(done.sent, 'message')} from {terminal_safe(dead_letters.queue)} to "
        f"{terminal_safe(queue.queue)}"
    )
    for number, what in (
        (done.unmatched, "not asked for: left"),
        (done.returned, "came back while this ran: left"),
        (done.undeleted, "sent, but still in the dead-letter queue too: it loads once all the same"),
        (done.crowded, "with ten attributes and no room for one more: left"),
        (done.refused, "refused by the queue: left"),
    ):
        if number:
            frame.say(f"{count(number, 'message')} {what}")
