"""The workers: one that lives all the time, and one that is killed now and then. Owns their processes and logs."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker's end: when, by which signal, and what it came to (its exit code, negative for a signal)."""

    at_seconds: float
    signal: str
    exit_code: int


class Worker:
    """A worker that can be started again."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, name: str) -> None:
        self._folder, self._environ = folder, environ
        self._log = folder / f"{name}.log"
        self.name = name
        self.start()

    @property
    def pid(self) -> int:
        """The process that runs now, or ran last."""
        return self._process.pid

    def start(self) -> None:
        """Start it; what it says goes into a file."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sofetch", "run"],
                cwd=self._folder,
                env=dict(self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Let it drain and end; its exit code."""
        self._process.terminate()
        return self._process.wait(_GRACE_SECONDS)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


@dataclass(slots=True)
class Killer:
    """Ends one worker at times drawn from a seed, and starts it again as soon as it has ended.

    ``tick`` is called often and never waits: a worker that was told to end may take its time.
    """

    worker: Worker
    every_seconds: float
    chance: random.Random
    began: float = field(default_factory=time.monotonic)
    kills: list[Kill] = field(default_factory=list)
    _due: float = 0.0
    _sent: tuple[float, signal.Signals] | None = None

    def __post_init__(self) -> None:
        self._plan_next()

    def tick(self) -> None:
        """Do what is due. Raises RuntimeError if the worker ended by itself, or does not end in time."""
        now = time.monotonic()
        code = self.worker.exit_code()
        if self._sent is None:
            if code is not None:
                raise RuntimeError(f"the worker ended by itself, exit code {code}")
            if now >= self._due:
                number = self.chance.choice([signal.SIGKILL, signal.SIGTERM])
                self.worker.signal(number)
                self._sent = (now, number)
        elif code is not None:
            at, number = self._sent
            self.kills.append(Kill(round(at - self.began, 1), number.name, code))
            self._sent = None
            self.worker.start()
            self._plan_next()
        elif now > self._sent[0] + _GRACE_SECONDS:
            raise RuntimeError("the worker did not end within its grace time")

    def finish(self) -> None:
        """Wait for an end that is under way, so that the worker runs."""
        while self._sent is not None:
            self.tick()
            time.sleep(0.05)

    def _plan_next(self) -> None:
        self._due = time.monotonic() + self.every_seconds * (0.5 + self.chance.random())
