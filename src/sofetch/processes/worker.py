"""One worker's process, as its supervisor holds it, and as the worker notices that its supervisor is gone.

Owns the two pipes between them. What the end of a process means is ``supervisor``'s, what it did ``account``'s.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from sofetch.errors import ExitCode
from sofetch.events import Event, Failed, PipelineEnded
from sofetch.processes.relay import Received
from sofetch.stopping import Stop

_READ_BYTES = 65_536


class WorkerProcess:
    """One running worker, and what must be known of it when it ends."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.events, theirs = os.pipe()
        # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which asks each worker once.
        self._running = subprocess.Popen(
            [*command, "--relay-to", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs],
            start_new_session=True,
        )
        os.close(theirs)
        self._received = Received()
        self._reload_due = False
        self._asked_to_stop = False
        self.gives_way = False
        """Another is to take its place when it has ended."""
        self.began = False
        """It has told of a pipeline by its name, and minds signals."""
        self.over = False
        """A pipeline of it has ended, and it was told of how."""
        self.fault = False
        """One of those ended by a fault of the program."""
        self.failed: Failed | None = None
        """What ended it as a whole."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    def hear(self) -> Iterator[Event] | None:
        """The events that came, once there is something to read; None at its end."""
        data = os.read(self.events, _READ_BYTES)
        return self._noted(data) if data else None

    def ask_to_stop(self) -> None:
        """As whoever runs a worker does, and once: a second signal would end it at once."""
        if not self._asked_to_stop:
            self._asked_to_stop = True
            self._running.send_signal(signal.SIGTERM)

    def give_way(self) -> None:
        """End in good order, for another that starts with the configuration as it is now."""
        self.gives_way = True
        self.ask_to_stop()

    def ask_to_reload(self) -> None:
        """Now or, since SIGHUP would end one that is only starting, as soon as it minds it."""
        self._reload_due = not self.began
        if self.began:
            self._running.send_signal(signal.SIGHUP)

    def close(self) -> int:
        """Wait for its end and give back its pipes; the exit code."""
        os.close(self.events)
        assert self._running.stdin is not None  # noqa: S101  # it was asked for
        self._running.stdin.close()
        return self._running.wait()

    def _noted(self, data: bytes) -> Iterator[Event]:
        for event in self._received.feed(data):
            self._note(event)
            yield event
        if self.began and self._reload_due:
            self.ask_to_reload()

    def _note(self, event: Event) -> None:
        if event.pipeline is not UNSET:
            self.began = True
        match event:
            case PipelineEnded():
                self.over = True
                self.fault = self.fault or event.exit_code == ExitCode.UNEXPECTED
            case Failed() if event.pipeline is UNSET:
                self.failed = event
            case _:
                pass


def stop_when_alone(stop: Stop, *, descriptor: int) -> None:
    """In a worker: when the supervisor's end of the pipe closes, stop in good order; at once if that was asked before.

    The kernel closes it however the supervisor dies, so that no worker is left behind.
    """

    def watch() -> None:
        while os.read(descriptor, 1):
            pass
        if stop.asked:
            os._exit(ExitCode.INTERRUPTED)
        stop.ask("supervisor_gone")

    threading.Thread(target=watch, name="sofetch-supervised", daemon=True).start()
