"""How a command ends badly: what stderr says and which exit code a script gets.

Owns the translation of exceptions. A user's mistake never shows a stack; an unexpected exception shows its type and
the place in our code, never its message, which could hold a value of a message or a password.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType

import click

from sofetch.cli.text import terminal_safe, to_json
from sofetch.errors import ExitCode, SofetchError

TRACEBACK_ENV = {"SOFETCH_TRACEBACK": "Set to 1: an unexpected error shows its stack, still without values."}

_PIPE_CLOSED = 141
"""What a shell reports for a program that SIGPIPE ended, which is what other Unix tools do."""


_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ROOM = "make room where it goes; what the command did before is done"


_PASSWORD = re.compile(r"(?<=://)[^/@\s]*(?=@)|(?<=password=)\S+")
"""What click repeats of a command line may be a connection string, and stderr goes into logs."""


_EXTRA = re.compile(r"(unexpected extra arguments?) \(.*\)", re.DOTALL)
"""It repeats what was typed, which may be whom to erase."""


class ReaderLeft(Exception):
    """Whoever read our output closed it."""


def report(error: BaseException, *, as_json: bool, colour: bool | None = None) -> int:
    """Say on stderr what went wrong and return the exit code. Knows every way a command can end.

    ``colour`` is None for "if stderr is a terminal".
    """
    with click.Context(click.Command("sofetch"), color=colour):
        return _report(error, as_json=as_json)


def hide_data_in_tracebacks() -> None:
    """Whatever escapes (a thread, the interpreter's end) is reported by type and place, as in ``report``."""
    sys.excepthook = lambda _type, error, _stack: _write_unexpected(error)
    threading.excepthook = lambda arguments: _write_unexpected(arguments.exc_value)
    sys.unraisablehook = lambda arguments: _write_unexpected(arguments.exc_value)


def hide_words_of_libraries() -> None:
    """A library that warns is named, once. What it says may hold a row: psycopg's warning of an error that it ignored
    has the error's text. Without a handler Python would write it to stderr.
    """
    logging.getLogger().handlers[:] = [_NamesOnly(logging.WARNING)]
    logging.captureWarnings(capture=True)


class _NamesOnly(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name not in self._told:
            self._told.add(record.name)
            with suppress(OSError, ValueError):  # nobody reads stderr, or it is closed
                click.echo(f"warning: {terminal_safe(record.name)} warns; its words may hold values", err=True)


def _report(error: BaseException, *, as_json: bool) -> int:
    match error:
        case BrokenPipeError() | ReaderLeft():
            _silence_closed_pipes()
            return _PIPE_CLOSED
        case KeyboardInterrupt() | click.Abort():
            _write("interrupted", "", code="interrupted", exit_code=ExitCode.INTERRUPTED, as_json=as_json)
            return ExitCode.INTERRUPTED
        case SofetchError():
            _write(error.what, error.hint, code=error.code, exit_code=error.exit_code, as_json=as_json)
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return ExitCode.USAGE
        case click.ClickException():
            hint = _usage_hint(error)
            _write(
                _EXTRA.sub(r"\1", _PASSWORD.sub("…", error.format_message())),
                hint,
                code="usage",
                exit_code=ExitCode.USAGE,
                as_json=as_json,
            )
            return ExitCode.USAGE
        case _:
            what, hint = _unexpected(error)
            _write(what, hint, code="unexpected", exit_code=ExitCode.UNEXPECTED, as_json=as_json)
            return ExitCode.UNEXPECTED


def _write_unexpected(error: BaseException | None) -> None:
    if error is not None:
        what, hint = _unexpected(error)
        _write(what, hint, code="unexpected", exit_code=ExitCode.UNEXPECTED, as_json=False)


def _write(what: str, hint: str, *, code: str, exit_code: int, as_json: bool) -> None:
    if as_json:
        body = {"code": code, "what": what, "hint": hint, "exit_code": int(exit_code)}
        click.echo(to_json({"error": body}), err=True)
        return
    click.echo(f"{click.style('error:', fg='red', bold=True)} {_safe_lines(what)}", err=True)
    if hint:
        click.echo(f"  → {_safe_lines(hint)}", err=True)


def _safe_lines(text: str) -> str:
    return "\n".join(terminal_safe(line) for line in text.splitlines())


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if isinstance(context, click.Context) else "sofetch --help"


def _unexpected(error: BaseException) -> tuple[str, str]:
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return f"the output cannot be written: {os.strerror(error.errno)}", _ROOM
    what = f"unexpected {type(error).__name__} at {_place(error.__traceback__)}; this is a fault of sofetch"
    if os.environ.get("SOFETCH_TRACEBACK"):
        return "\n".join([what, *_stack(error.__traceback__)]), "report it with this stack and `sofetch version`"
    return what, "run it again with SOFETCH_TRACEBACK=1 for the stack (it holds no values), and report it"


def _place(stack: TracebackType | None) -> str:
    """The innermost line of our own code, as ``module:line``."""
    place = "an unknown place"
    for frame, line in traceback.walk_tb(stack):
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "sofetch":
            place = f"{module}:{line}"
    return place


def _stack(stack: TracebackType | None) -> Iterator[str]:
    for frame, line in traceback.walk_tb(stack):
        yield f"    {frame.f_globals.get('__name__', '?')}:{line} in {frame.f_code.co_name}"


def _silence_closed_pipes() -> None:
    """Python flushes the streams once more at its end; let it flush into nothing."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        try:
            (sys.stdout if descriptor == 1 else sys.stderr).flush()
        except BrokenPipeError:
            os.dup2(nothing, descriptor)
