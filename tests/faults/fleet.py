"""Several real workers, as a supervisor runs them: whoever dies is started again, and everything they say is kept.

Owns the processes, and killing, freezing and stopping them. Knows nothing of messages.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

CRASH_POINTS = ("after_receive", "after_mask", "mid_write", "after_commit", "mid_delete")
_POLL_SECONDS = 0.02
_PAUSE_AFTER_A_SHORT_LIFE_SECONDS = 0.3
_GRACE_SECONDS = 30


class _Slot:
    """One place for a worker, whoever fills it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.crash_at = ""
        self.next_crash: list[str] = []
        self.told = False
        """It was sent a signal and ends by it: asked to stop once more, it would end at once and say so."""


class Fleet:
    """``size`` workers. The methods may be called from any thread."""

    def __init__(self, *, folder: Path, environ: Mapping[str, str], size: int, command: Sequence[str] = ()) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._command = [*(command or (sys.executable, "-m", "sofetch", "run")), "--json"]
        self._slots = [_Slot() for _ in range(size)]
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self.starts = 0
        self.exits: Counter[str] = Counter()
        """How workers ended: a signal's name, or ``exit N``."""
        self.crashed: Counter[str] = Counter()
        """Deaths at a named crash point."""
        self.output = folder / "workers.out"
        self.log = folder / "workers.log"

    def another(self, size: int) -> Fleet:
        """A fleet of the same kind."""
        return Fleet(folder=self._folder, environ=self._environ, size=size, command=self._command[:-1])

    def start(self) -> None:
        """Start every worker, and the supervisor."""
        for slot in self._slots:
            self._launch(slot)
        self._thread.start()

    def signal(self, at: int, number: signal.Signals) -> None:
        """Send a worker a signal."""
        with self._lock, suppress(ProcessLookupError):
            slot = self._slots[at]
            if slot.process is not None and slot.process.poll() is None:
                slot.told = True
                slot.process.send_signal(number)

    def freeze(self, at: int, *, seconds: float) -> None:
        """Stop a worker as a hypervisor may, and let it go on."""
        with self._lock:
            process = self._slots[at].process
        if process is None or process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)

    def crash(self, at: int, point: str) -> None:
        """Let the next process of this place die where it is said; whoever is there now drains and goes."""
        with self._lock:
            slot = self._slots[at]
            slot.next_crash.append(point)
            if not slot.crash_at:
                self.signal(at, signal.SIGTERM)

    def crashes_to_come(self) -> int:
        """Crash points that no process has met yet."""
        with self._lock:
            return sum(len(slot.next_crash) + bool(slot.crash_at) for slot in self._slots)

    def forget_crashes(self) -> None:
        """Let no further process be told to die, and replace those that were."""
        with self._lock:
            for at, slot in enumerate(self._slots):
                slot.next_crash.clear()
                if slot.crash_at:
                    self.signal(at, signal.SIGKILL)

    def stop(self) -> list[int]:
        """Let every worker drain and end; the exit codes of those that were not ending already. Whoever does not in
        time is killed.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        there = [(slot.process, slot.told) for slot in self._slots if slot.process is not None]
        for process, told in there:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                if not told:
                    process.terminate()
        codes = [(_wait(process), told) for process, told in there]
        return [code for code, told in codes if not told]

    def _supervise(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            with self._lock:
                for slot in self._slots:
                    if slot.process is not None and slot.process.poll() is not None:
                        self._bury(slot, slot.process)
                    if slot.process is None and time.monotonic() >= slot.started + _PAUSE_AFTER_A_SHORT_LIFE_SECONDS:
                        self._launch(slot)

    def _bury(self, slot: _Slot, process: subprocess.Popen[bytes]) -> None:
        code = process.returncode
        self.exits[signal.Signals(-code).name if code < 0 else f"exit {code}"] += 1
        if slot.crash_at and code == -signal.SIGKILL:
            self.crashed[slot.crash_at.partition(":")[0]] += 1
        slot.process, slot.crash_at = None, ""

    def _launch(self, slot: _Slot) -> None:
        slot.crash_at = slot.next_crash.pop(0) if slot.next_crash else ""
        slot.started, slot.told = time.monotonic(), False
        environ = self._environ | ({"SOFETCH_CRASH_AT": slot.crash_at} if slot.crash_at else {})
        with self.output.open("ab") as output, self.log.open("ab") as log:
            slot.process = subprocess.Popen(
                self._command, cwd=self._folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=log
            )
        self.starts += 1


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -signal.SIGKILL
