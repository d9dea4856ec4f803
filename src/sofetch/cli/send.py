"""``sofetch send``: lines onto the queue, as they are. For filling a queue to try things, and for replaying a file."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import OVERRIDE_ENV, QUEUE_ENV, Frame, command
from sofetch.cli.lines import Line, open_lines
from sofetch.cli.text import count
from sofetch.errors import ConfigError, SourceRefused

if TYPE_CHECKING:
    from sofetch.cli.progress import Told
    from sofetch.settings import SourceSettings
    from sofetch.source.control import QueueControl, SendReport

_NAMED_LINES = 5
"""Most lines that a warning or an error names."""


@command(
    "send",
    example="sofetch send events.jsonl\nhead -5 events.jsonl | sofetch send -\n"
    "sofetch send --synthetic 1000 --seed 7 --create-queue",
    environment=(QUEUE_ENV, OVERRIDE_ENV),
)
@click.argument("file", required=False, metavar="FILE|-")
@click.option("--synthetic", type=click.IntRange(min=1), metavar="N", help="Send N made-up logins instead of a file.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="S", help="A seed gives the same logins again.")
@click.option("--create-queue", is_flag=True, help="Create the queue if there is none.")
def send(frame: Frame, *, file: str | None, synthetic: int | None, seed: int, create_queue: bool) -> None:
    """Put the lines of a JSONL FILE (- for stdin) on the queue, one message a line, as they are.

    Blank lines are skipped. A line that is not JSON is sent too, with a warning: a worker will put it in quarantine.
    A line over 1 MiB, or not UTF-8, is refused by its number and its neighbours are sent; the command then exits
    with 2. Sending a file twice makes new messages: only `dedupe` by content or by fields tells them apart.
    """
    if (file is None) == (synthetic is None):
        raise click.UsageError("give a FILE (or - for stdin), or --synthetic N")
    settings = frame.settings()
    with _open(settings.source, create=create_queue) as queue, _lines(file, synthetic, seed) as lines:
        outgoing = Outgoing(lines)
        with _progress(frame) as on_sent:
            report = _send(queue, outgoing, on_sent)
    _say_result(frame, settings.source.queue, report, outgoing, kind="made-up message" if synthetic else "message")


class Outgoing:
    """Bodies on their way to the queue. Remembers which lines were odd, and which line each body was."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = lines
        self._line_of = array("Q")
        self.not_json = array("Q")
        self.unsendable: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            if line.problem is not None:
                self.unsendable.append((line.number, line.problem))
                continue
            if not _is_json(line.body):
                self.not_json.append(line.number)
            self._line_of.append(line.number)
            yield line.body

    def refused(self, report: SendReport) -> list[tuple[int, str]]:
        """Line and reason of everything that is not on the queue, whoever refused it."""
        by_queue = [(self._line_of[one.number - 1], one.code) for one in report.refused]
        return sorted([*self.unsendable, *by_queue])


def _open(source: SourceSettings, *, create: bool) -> QueueControl:
    from sofetch.source.control import QueueControl

    if create:
        return QueueControl.create(source)
    try:
        return QueueControl.open(source)
    except SourceRefused as error:
        if error.code != "queue_missing":
            raise
        hint = f"{error.hint}; --create-queue creates it"
        raise SourceRefused(error.what, hint=hint, code=error.code) from None


def _send(queue: QueueControl, outgoing: Outgoing, on_sent: Told | None) -> SendReport:
    from sofetch.source.control import MessagesRefused, SendReport

    try:
        return SendReport(queue.send(outgoing, on_sent=on_sent), ())
    except MessagesRefused as refused:
        return refused.report


@contextmanager
def _lines(file: str | None, synthetic: int | None, seed: int) -> Iterator[Iterable[Line]]:
    if file is not None:
        with open_lines(file) as lines:
            yield lines
        return
    from sofetch.presets.synthetic import synthetic_logins

    yield (Line(number, body, None) for number, body in enumerate(synthetic_logins(synthetic or 0, seed=seed), start=1))


def _progress(frame: Frame) -> AbstractContextManager[Told | None]:
    if frame.quiet or not sys.stderr.isatty():
        return nullcontext()
    from sofetch.cli.progress import sending

    return sending()


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _say_result(frame: Frame, queue: str, report: SendReport, outgoing: Outgoing, *, kind: str) -> None:
    refused = outgoing.refused(report)
    not_json = [str(line) for line in outgoing.not_json]
    if not_json:
        frame.warn(f"{count(len(not_json), 'line')} not JSON, sent all the same: {_some(not_json)}")
    if frame.json:
        listed = [{"line": line, "why": why} for line, why in refused]
        frame.data({"queue": queue, "sent": report.sent, "not_json": len(not_json), "refused": listed})
    frame.say(f"sent {count(report.sent, kind)} to {queue}")
    if refused:
        named = _some([f"{line} ({why})" for line, why in refused])
        hint = "SQS takes UTF-8 text of 1 byte to 1 MiB; all other lines are sent, do not send them again"
        raise ConfigError(f"{count(len(refused), 'line')} refused: {named}", hint=hint)


def _some(lines: list[str]) -> str:
    return ", ".join(lines[:_NAMED_LINES]) + (", …" if len(lines) > _NAMED_LINES else "")
