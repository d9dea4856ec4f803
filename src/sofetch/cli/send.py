"""``sofetch send``: lines onto the queue, as they are. For filling a queue to try things, and for replaying a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import OVERRIDE_ENV, QUEUE_ENV, Frame, command
from sofetch.cli.lines import open_lines
from sofetch.cli.text import count

if TYPE_CHECKING:
    from sofetch.cli.progress import Advance
    from sofetch.source.control import QueueControl

_CHUNK_MESSAGES = 100
_NAMED_LINES = 5
"""Most line numbers that a warning lists."""


@command(
    "send",
    example="sofetch send events.jsonl\nhead -5 events.jsonl | sofetch send -\n"
    "sofetch send --synthetic 1000 --seed 7 --create-queue",
    environment=(QUEUE_ENV, OVERRIDE_ENV),
)
@click.argument("file", required=False, metavar="FILE|-")
@click.option("--synthetic", type=click.IntRange(min=1), metavar="N", help="Send N made-up logins instead of a file.")
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="S", help="The same seed gives the same logins."
)
@click.option("--create-queue", is_flag=True, help="Create the queue if there is none.")
def send(frame: Frame, *, file: str | None, synthetic: int | None, seed: int, create_queue: bool) -> None:
    """Put the lines of a JSONL FILE (- for stdin) on the queue, one message a line, as they are.

    Blank lines are skipped. A line that is not JSON is sent too, with a warning: a worker will put it in quarantine.
    A line over 1 MiB ends the command with its number; what was sent before it stays sent. Sending the same file
    twice makes new messages: only `dedupe` by content or by fields tells them apart from others.
    """
    if (file is None) == (synthetic is None):
        raise click.UsageError("give a FILE (or - for stdin), or --synthetic N")
    settings = frame.settings()
    from sofetch.source.control import QueueControl

    with QueueControl.open(settings.source, create=create_queue) as queue, _bodies(file, synthetic, seed) as bodies:
        sent, odd_lines = _send(frame, queue, bodies)
    _say_result(frame, settings.source.queue, sent, odd_lines, synthetic=synthetic is not None)


@contextmanager
def _bodies(file: str | None, synthetic: int | None, seed: int) -> Iterator[Iterable[tuple[int, bytes]]]:
    if file is not None:
        with open_lines(file) as lines:
            yield lines
        return
    from sofetch.synthetic import synthetic_logins

    yield enumerate(synthetic_logins(synthetic or 0, seed=seed), start=1)


def _send(frame: Frame, queue: QueueControl, bodies: Iterable[tuple[int, bytes]]) -> tuple[int, list[int]]:
    """How many were sent, and the lines that are not JSON."""
    sent = 0
    odd_lines: list[int] = []
    numbered = iter(bodies)
    with _progress(frame) as advance:
        while chunk := list(islice(numbered, _CHUNK_MESSAGES)):
            queue.send([body for _, body in chunk])
            odd_lines += [number for number, body in chunk if not _is_json(body)]
            sent += len(chunk)
            advance(len(chunk))
    return sent, odd_lines


def _progress(frame: Frame) -> AbstractContextManager[Advance]:
    if frame.quiet or not sys.stderr.isatty():
        return nullcontext(lambda _done: None)
    from sofetch.cli.progress import sending

    return sending()


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _say_result(frame: Frame, queue: str, sent: int, odd_lines: list[int], *, synthetic: bool) -> None:
    if odd_lines:
        named = ", ".join(map(str, odd_lines[:_NAMED_LINES])) + (", …" if len(odd_lines) > _NAMED_LINES else "")
        frame.warn(f"{count(len(odd_lines), 'line')} sent that are not JSON, for quarantine: line {named}")
    if frame.json:
        frame.data({"queue": queue, "sent": sent, "not_json": len(odd_lines)})
        return
    made_up = "made-up " if synthetic else ""
    frame.say(f"sent {sent:,} {made_up}{'message' if sent == 1 else 'messages'} to {queue}")
