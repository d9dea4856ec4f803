"""``sofetch peek``: what waits in the queue, without taking it.

Owns the rule of what may be shown: masked columns masked or hidden, fields that no column names hidden, and a body in
the clear only with ``--show-pii``. It fails closed: what cannot be masked is not shown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, QUEUE_ENV, Frame, command
from sofetch.cli.text import count, duration, shown, terminal_safe
from sofetch.errors import KeyringError

if TYPE_CHECKING:
    from sofetch.cli.peeked import Peeked
    from sofetch.mask.keyring import Keyrings
    from sofetch.settings import Settings


@command(
    "peek",
    example="sofetch peek -n 3\nsofetch peek --json | jq '.messages[].columns'",
    environment=(KEY_ENV, QUEUE_ENV, OVERRIDE_ENV),
)
@click.option(
    "-n", "--number", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most messages shown."
)
@click.option("--show-pii", is_flag=True, help="Show the bodies in the clear, personal fields included.")
def peek(frame: Frame, *, number: int, show_pii: bool) -> None:
    """Show messages that wait in the queue, without taking them.

    Each is shown as the row it would become, personal fields masked. Without a keyring they are «hidden»; fields that
    no column names are hidden too. --show-pii shows whole bodies in the clear, on this terminal and wherever its
    output goes.

    SQS has no way to look without receiving. Each message shown is invisible to workers for a moment, and its receive
    count rises by one, for which SQS knows no way back: on a queue with a redrive policy, many peeks bring messages
    nearer to the dead-letter queue. The order shown is not the order of arrival.
    """
    show_waiting(frame, frame.settings(), number=number, show_pii=show_pii)


def show_waiting(frame: Frame, settings: Settings, *, number: int, show_pii: bool) -> None:
    """What waits in the queue that the settings name."""
    from sofetch.cli.peeked import look
    from sofetch.source.control import QueueControl

    keyring = None if show_pii else _keyring(frame, settings)
    if show_pii:
        frame.warn("personal data is shown in the clear (--show-pii)")
    with QueueControl.open(settings.source) as queue:
        waiting = queue.attributes().visible
        messages = queue.peek(number)
    seen = look(messages, settings=settings, keyring=keyring, in_the_clear=show_pii)
    if frame.json:
        _print_json(frame, settings, waiting, seen, show_pii=show_pii)
        return
    frame.say(_headline(settings, waiting, len(seen)))
    for position, one in enumerate(seen, start=1):
        frame.say()
        for line in _paragraph(position, one):
            frame.say(line)


def _keyring(frame: Frame, settings: Settings) -> Keyrings | None:
    from sofetch.keys import load_keyrings

    try:
        return load_keyrings(settings.keys, environ=os.environ)
    except KeyringError as error:
        frame.note(f"masked fields are hidden: {error.what}")
        return None


def _print_json(frame: Frame, settings: Settings, waiting: int, seen: Sequence[Peeked], *, show_pii: bool) -> None:
    messages = [_as_json(one) for one in seen]
    frame.data({"queue": settings.source.queue, "waiting": waiting, "pii_shown": show_pii, "messages": messages})


def _as_json(one: Peeked) -> dict[str, object]:
    message = one.message
    known = {
        "message_id": message.id,
        "key": one.key,
        "sent_time": _sent(message.sent_ms),
        "age_seconds": _age_seconds(one),
        "receive_count": message.receive_count,
    }
    if one.body is not None:
        return {**known, "body": one.body}
    rejection = {"reason": one.reason, "field": one.field} if one.columns is None else None
    return {**known, "columns": one.columns, "rejection": rejection, "other_fields": one.other_fields}


def _headline(settings: Settings, waiting: int, number: int) -> str:
    queue = terminal_safe(settings.source.queue)
    if number == 0:
        return f"{queue}: no message is visible now; one that a worker holds cannot be seen"
    return f"{queue}: about {count(max(waiting, number), 'message')} waiting, {number:,} shown, none taken"


def _paragraph(position: int, one: Peeked) -> list[str]:
    message = one.message
    age = _age_seconds(one)
    sent = "sent at an unknown time" if age is None else f"sent {_sent(message.sent_ms)} ({duration(age)} ago)"
    times = count(message.receive_count, "time")
    lines = [
        click.style(f"{position:>3}  {terminal_safe(message.id)}", bold=True),
        f"     {sent}, received {times}",
        *([f"     ledger key {one.key}"] if one.key is not None else []),
    ]
    if one.body is not None:
        return [*lines, *(f"     {terminal_safe(line)}" for line in one.body.splitlines() or [""])]
    return lines + _columns(one) + _hidden_fields(one)


def _columns(one: Peeked) -> list[str]:
    if one.columns is None:
        at = f" in {one.field}" if one.field else ""
        return [f"     does not fit: {one.reason}{at}; `sofetch run` would put it in quarantine"]
    width = max(map(len, one.columns))
    return [f"     {terminal_safe(name):<{width}}  {shown(value)}" for name, value in one.columns.items()]


def _hidden_fields(one: Peeked) -> list[str]:
    if not one.other_fields:
        return []
    what = count(one.other_fields, "field") if one.columns is None else count(one.other_fields, "more field")
    return [click.style(f"     {what} that no column names: hidden", dim=True)]


def _age_seconds(one: Peeked) -> float | None:
    if one.message.sent_ms is None:
        return None
    return max(0.0, (one.message.received_ms - one.message.sent_ms) / 1000)


def _sent(sent_ms: int | None) -> str | None:
    if sent_ms is None:
        return None
    return datetime.fromtimestamp(sent_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
