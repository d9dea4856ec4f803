"""Asking a worker to stop, and the signals that do.

Owns SIGTERM, SIGINT (Ctrl-C) and SIGHUP while a worker runs: the first asks it to drain, the second ends the process
at once. Ending at once loses nothing: what was not committed is still in the queue.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from sofetch.errors import ExitCode

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """A request to stop, shared by a worker and whoever may ask it."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._reason = ""

    def ask(self, reason: str = "requested") -> None:
        """Ask; the first reason given is the one that is told."""
        self._reason = self._reason or reason
        self._asked.set()

    @property
    def asked(self) -> bool:
        """True once anyone asked."""
        return self._asked.is_set()

    @property
    def reason(self) -> str:
        """Who or what asked: a signal's name, or ``requested``."""
        return self._reason

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds`` or until asked; True if asked."""
        return self._asked.wait(seconds)


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """While inside: the first signal asks ``stop``, with its name; the second ends the process at once.

    A signal that whoever started us had us ignore stays ignored: ``nohup``, and Ctrl-C in a shell's background.
    Only in the main thread, as the operating system's signals demand. The handler does nothing but ask: a log line
    written here could meet the one that it interrupted.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            _give_back_cursor()
            os._exit(ExitCode.INTERRUPTED)
        stop.ask(signal.Signals(number).name)

    ours = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _give_back_cursor() -> None:
    """The live line hides the cursor, and nothing runs after this that would show it again."""
    with suppress(OSError):
        if os.isatty(_STDERR):
            os.write(_STDERR, b"\x1b[?25h\n")


_STDERR = 2
