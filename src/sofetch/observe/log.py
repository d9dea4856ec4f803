"""Log lines on standard error: one event a line, as JSON or for a person's eyes.

Owns the format and the filter by level. What may stand in a line is decided by the event types (``sofetch.events``).
Other libraries' log records are reduced to the name of their logger: their texts may hold values.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

import msgspec

from sofetch.cores import leave_no_core
from sofetch.errors import place_of
from sofetch.events import Event, Events, LibraryWarning, Unexpected
from sofetch.ports import Clock
from sofetch.settings import LogSettings

_LEVELS = ("debug", "info", "warning", "error")
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31"}


def log_writer(settings: LogSettings, *, clock: Clock, stream: TextIO) -> Callable[[Event], None]:
    """A listener for ``Events`` that writes lines of at least the configured level to ``stream``.

    A line that cannot be written, on a full disk say, is dropped: the loading goes on. A reader that left is told, by
    BrokenPipeError, for it was who wanted to see.
    """
    threshold = _LEVELS.index(settings.level)
    terminal = stream.isatty()
    pretty = settings.format == "pretty" or (settings.format == "auto" and terminal)
    render = _pretty(colour=terminal and not os.environ.get("NO_COLOR")) if pretty else _json

    def write(event: Event) -> None:
        if _LEVELS.index(event.level) >= threshold:
            try:
                stream.write(render(event, clock.now_ms()) + "\n")
                stream.flush()
            except BrokenPipeError:
                raise
            except OSError:
                pass

    return write


def _json(event: Event, now_ms: int) -> str:
    fields = msgspec.to_builtins(event)
    line = {"time": _iso(now_ms), "level": event.level, "event": fields.pop("event"), **fields}
    return msgspec.json.encode(line).decode()


def _pretty(*, colour: bool) -> Callable[[Event, int], str]:
    def render(event: Event, now_ms: int) -> str:
        fields = msgspec.to_builtins(event)
        name = fields.pop("event").replace("_", " ")
        told = "  ".join(f"{key}={value}" for key, value in fields.items() if value not in {None, ""})
        level = f"\x1b[{_COLOURS[event.level]}m{event.level:7}\x1b[0m" if colour else f"{event.level:7}"
        return f"{_iso(now_ms)[11:19]} {level} {name}  {told}".rstrip()

    return render


def _iso(now_ms: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def contain_stray_output(events: Events) -> None:
    """Make sure that nothing but events reaches standard error: libraries' logs, stray exceptions, warnings.

    A crash leaves no core file either: it would hold the batch in hand, in the clear. For processes of our own (the
    command line, not a program that uses the library): it replaces the process' hooks.
    """
    leave_no_core()
    root = logging.getLogger()
    root.handlers[:] = [_NamesOnly(events)]
    logging.captureWarnings(capture=True)

    def on_stray(kind: type[BaseException], trace: TracebackType | None) -> None:
        events.emit(Unexpected(error=kind.__name__, place=place_of(trace)))

    sys.excepthook = lambda kind, _value, trace: on_stray(kind, trace)
    threading.excepthook = lambda stray: on_stray(stray.exc_type, stray.exc_traceback)
    sys.unraisablehook = lambda stray: on_stray(stray.exc_type, stray.exc_traceback)


class _NamesOnly(logging.Handler):
    """Tells which library warned, and not what it said."""

    def __init__(self, events: Events) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        self._events.emit(LibraryWarning(logger=record.name))
