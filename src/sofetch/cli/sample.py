"""Messages to look at: the first lines of a file, or what waits in the queue, opened as the configuration says.

Owns where they come from and how many are taken. None is taken off the queue, and none is written anywhere.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from sofetch.cli.lines import open_lines
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.record import Message, Rejection
    from sofetch.settings import Settings

LINES = 1_000
WAITING = 100
MOST_WAITING = 1_000
"""More would be received, and so hidden from the workers, than is polite for a look."""


def refuse_more_than_is_looked_at(number: int | None) -> None:
    """Raises UsageError where ``number`` is above MOST_WAITING: what a command does not look at it must not seem to."""
    if (number or 0) > MOST_WAITING:
        raise click.UsageError(f"at most {MOST_WAITING:,} messages of a queue are looked at: use -n {MOST_WAITING}")


def sampled(settings: Settings, path: str | None, number: int | None = None) -> tuple[list[Message], list[Rejection]]:
    """At most ``number`` messages of the file, or of the queue if ``path`` is None: what is in them, and what does not
    open. ``number`` is at most MOST_WAITING for a queue. Raises ConfigError if there is none.
    """
    from sofetch.source import open_object_store
    from sofetch.unwrapping import open_some

    messages = _waiting(settings, number or WAITING) if path is None else _lines(path, settings, number or LINES)
    return open_some(messages, settings, open_store=open_object_store, most=max(LINES, number or 0))


def _waiting(settings: Settings, number: int) -> list[Message]:
    from sofetch.source.control import QueueControl

    with QueueControl.open(settings.source) as control:
        messages = control.peek(number)
    if not messages:
        raise ConfigError(f"no message waits in {settings.source.queue}", hint="send some, or use --from FILE")
    return messages


def _lines(path: str, settings: Settings, number: int) -> list[Message]:
    from sofetch.cases.case import MESSAGE_ID, SENT_MS
    from sofetch.record import Message

    with open_lines(path) as lines:
        bodies = [line.body for line in itertools.islice(lines, number) if line.problem is None]
    if not bodies:
        raise ConfigError(f"{path} holds no message", hint="give at least one line of JSON")
    return [
        Message(id=MESSAGE_ID, body=body, queue=settings.source.queue, sent_ms=SENT_MS, received_ms=SENT_MS)
        for body in bodies
    ]
