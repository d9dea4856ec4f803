"""A thread that runs only while it is told to: straight-line code, like the worker's loop, stepped from outside.

Exactly one of the two sides runs at any time, so what happens depends on the order of the steps alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Killed(BaseException):
    """Ends an actor at its pause, as SIGKILL would: no ``except Exception`` on its way takes notice."""


class Actor:
    """Runs ``work`` up to its next ``pause`` with every ``step``."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._killed = False
        self._until: Callable[[], bool] | None = None
        self.over = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Let it run up to its next pause or its end, if it does not wait for something that is not so yet."""
        if not self.over and (self._killed or self._until is None or self._until()):
            self._go.release()
            self._back.acquire()

    def pause(self, until: Callable[[], bool] | None = None) -> None:
        """Called by the work: let everything else go on until the next step; with ``until``, as long as that is not so.

        ``until`` is asked by whoever steps: going there and back only to look costs more than all the rest.
        """
        self._until = until
        self._back.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def kill(self) -> None:
        """End it where it pauses."""
        self._killed = True
        self.step()
        self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._killed:
                self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # raised again by whoever steps
            self.error = error
        self.over = True
        self._back.release()
