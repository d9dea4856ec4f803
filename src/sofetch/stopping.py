"""Asking a worker to stop, and the signals that do.

Owns SIGTERM, SIGINT (Ctrl-C) and SIGHUP while a worker runs: the first asks it to drain, the second ends the process
at once. Outside of a terminal SIGHUP may ask to read the configuration anew instead. Ending at once loses nothing: what
was not committed is still in the queue.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from sofetch.errors import ExitCode

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


LOOK_SECONDS = 0.5
"""How long a signal may go unheard, at worst: one that comes between Python's last look and the wait for a lock is
noted and wakes nobody. Its handler runs once the main thread does."""


class Stop:
    """A request to stop, shared by a worker and whoever may ask it."""

    def __init__(self) -> None:
        # With a lock that its own thread may take again: a signal's handler asks in the middle of whatever it met.
        self._changed = threading.Condition(threading.RLock())
        self._asked = False
        self._reason = ""
        self._then: Callable[[], None] = lambda: None

    def then(self, call: Callable[[], None]) -> None:
        """Call this whenever anyone asks, in the thread and maybe the signal's handler that does."""
        self._then = call

    def ask(self, reason: str = "requested") -> None:
        """Ask; the first reason given is the one that is told."""
        self._reason = self._reason or reason
        with self._changed:
            self._asked = True
            self._changed.notify_all()
        self._then()

    @property
    def asked(self) -> bool:
        """True once anyone asked."""
        return self._asked

    @property
    def reason(self) -> str:
        """Who or what asked: a signal's name, or ``requested``."""
        return self._reason

    def wait(self, seconds: float) -> bool:
        """Sleep for ``seconds`` or until asked; True if asked."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._asked and (left := end - time.monotonic()) > 0:
                self._changed.wait(min(left, LOOK_SECONDS))
        return self._asked


@contextmanager
def stop_on_signals(stop: Stop, *, reload: Callable[[], None] | None = None) -> Iterator[None]:
    """While inside: the first signal asks ``stop``, with its name; the second ends the process at once.

    A signal that whoever started us had us ignore stays ignored: ``nohup``, and Ctrl-C in a shell's background.
    Only in the main thread, as the operating system's signals demand. The handler does nothing but ask: a log line
    written here could meet the one that it interrupted. With ``reload`` SIGHUP calls that instead, which must do no
    more than take note; in a terminal it stops all the same, for there it means that the terminal is gone.
    """
    reloads = reload if reload is not None and not in_terminal() else None

    def handle(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and reloads is not None:
            reloads()
            return
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


def in_terminal() -> bool:
    """Whether this process belongs to a terminal, wherever its output goes: one whose end sends SIGHUP."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return os.isatty(_STDERR)
    return True


def _give_back_cursor() -> None:
    """The live line hides the cursor, and nothing runs after this that would show it again."""
    with suppress(OSError):
        if os.isatty(_STDERR):
            os.write(_STDERR, b"\x1b[?25h\n")


_STDERR = 2
