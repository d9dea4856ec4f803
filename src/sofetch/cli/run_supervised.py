"""``sofetch run`` as a worker that has a supervisor, at the worker's end: what it is started with, and what it tells.

Owns the options that a supervisor gives. What is relayed is ``processes.relay``'s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import Frame
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.config import Configured
    from sofetch.events import Events
    from sofetch.settings import Settings
    from sofetch.stopping import Stop


def worker_command(frame: Frame, names: Sequence[str], *, drain: bool, apply_schema: bool, several: bool) -> list[str]:
    """How a worker is started, but for the pipe that it relays to."""
    command = [sys.executable, "-m", "sofetch", "run", *names]
    command += ["-c", frame.config] if frame.config else []
    command += ["--pipeline", frame.pipeline] if frame.pipeline is not None else []
    command += ["--drain"] if drain else []
    command += ["--apply-schema"] if apply_schema else []  # an advisory lock keeps the workers from doing it twice
    command += ["--several"] if several else []
    return command


def configured_for(frame: Frame, names: Sequence[str], *, relay_to: int, several: bool) -> Configured:
    """What the worker runs. An error is relayed, and ends it with its exit code."""
    from sofetch.events import Events, Failed
    from sofetch.processes.relay import relay_to as relay

    try:
        configured = frame.pipelines(names)
        if configured.several and not several:
            hint = "stop `sofetch run` and start it again"
            raise ConfigError("the configuration holds several pipelines now", hint=hint, code="restart_needed")
    except ConfigError as error:
        Events(relay(relay_to)).emit(Failed(code=error.code, what=error.what, hint=error.hint))
        raise click.exceptions.Exit(error.exit_code) from None
    return configured


def supervised(settings: Settings) -> Settings:
    """Its supervisor answers for it, and sends the metrics of all."""
    from msgspec.structs import replace

    http, telemetry = replace(settings.http, listen=None), replace(settings.telemetry, metrics=False)
    return replace(settings, http=http, telemetry=telemetry)


@contextmanager
def relayed(stop: Stop, descriptor: int) -> Iterator[tuple[Events, None]]:
    """The events of a worker that has a supervisor: it tells them on, and shows nothing itself."""
    from sofetch.events import Events
    from sofetch.observe.log import contain_stray_output
    from sofetch.processes.relay import relay_to
    from sofetch.processes.worker import stop_when_alone

    stop_when_alone(stop, descriptor=sys.stdin.fileno())
    events = Events(relay_to(descriptor))
    contain_stray_output(events)
    yield events, None
