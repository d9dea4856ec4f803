"""``sofetch quarantine requests``: what was asked for in the console, and carrying it out where the keys are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.cli.text import count, shown, table
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.errands import CarriedOut
    from sofetch.load.console.quarantine import Asked


@command(
    "requests",
    example="sofetch quarantine requests\nsofetch quarantine requests --carry-out",
    environment=(SINK_ENV, KEY_ENV, VAULT_ENV, OVERRIDE_ENV),
)
@click.option(
    "--carry-out", is_flag=True, help="Carry out those that are open, one after the other. Needs the keyring."
)
def requests(frame: Frame, *, carry_out: bool) -> None:
    """List the replays and purges that were asked for in the console, or carry them out.

    A console holds no key and may do neither; it writes down what is asked, by whom, and on which ticket. A
    worker does it where [quarantine] carry_out_requests is true. This command does it where no worker does. A purge
    writes an audit row first, with the one who asked as its actor. Exits with 5 if something of a request stayed in
    quarantine.
    """
    if carry_out:
        _carry_out(frame)
        return
    from sofetch.load.console.quarantine import read_quarantine
    from sofetch.load.dsn import resolve_dsn

    settings = frame.settings()
    found = read_quarantine(settings, dsn=resolve_dsn(settings.sink, environ=os.environ)).asked
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "requests": [msgspec.to_builtins(one) for one in found]})
    elif not found:
        frame.say("nobody has asked for a replay or a purge")
    else:
        rows = [[one.id, one.action, one.entries, shown(one.actor), shown(one.ticket), _state(one)] for one in found]
        for line in table(["no.", "what", "messages", "who", "ticket", "state"], rows):
            frame.say(line)


def _carry_out(frame: Frame) -> None:
    from sofetch.errands import DONE, carry_out_next

    settings = frame.settings()
    carried: list[CarriedOut] = []
    while (one := carry_out_next(settings, environ=os.environ)) is not None:
        carried.append(one)
        frame.say(
            f"request {one.id}: {one.action} of {count(one.messages, 'message')}: {one.done:,} out, {one.outcome}"
        )
    if frame.json:
        frame.data({"carried_out": [msgspec.to_builtins(one) for one in carried]})
    if not carried:
        frame.say("no request is open")
    if any(one.outcome != DONE for one in carried):
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _state(one: Asked) -> str:
    if one.done_at is not None:
        return f"{one.outcome}, {one.done or 0:,} out"
    return "under way" if one.taken_at is not None else "open"
