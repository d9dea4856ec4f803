"""Several workers, a process each: started, watched, restarted, stopped together.

Owns what the end of a worker's process means, and the sum of what the workers did. Must not know what a worker does:
each is a command that relays its events. Workers share nothing but the queue and the database, which keep them apart.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path

from sofetch.backoff import backoff_seconds
from sofetch.calls import Calls
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import BatchDone, Event, Events, Failed, MessagesQuarantined, ProcessEnded, ProcessStarted, Stopped
from sofetch.ports import Clock
from sofetch.relay import Received
from sofetch.stopping import Stop
from sofetch.worker import Summary

FUTILE_STARTS = 5
"""So many ends in a row of workers that loaded nothing: the program is broken, and starting it again will not help."""

_LOOK_SECONDS = 0.2
_READ_BYTES = 65_536
_CALLS = Calls.__struct_fields__


class End(Enum):
    """What the end of a worker's process asks for."""

    DONE = auto()
    """It did what it was started for, or was asked to stop."""
    AGAIN = auto()
    """It was killed or broke: another takes its place, and finds what it left in the queue."""
    ALL = auto()
    """What ended it would end every other, too: a setting, a key, a table. All stop, with its exit code."""


def meaning_of(returncode: int, *, stopping: bool, in_good_order: bool) -> End:
    """What an exit code means; negative ones are signals, as ``subprocess`` has them.

    A worker that was stopped while a dependency was away ends in good order, and says so with ``UNAVAILABLE``.
    """
    if returncode == ExitCode.OK or (stopping and in_good_order and returncode == ExitCode.UNAVAILABLE):
        return End.DONE
    if returncode < 0 or returncode == ExitCode.UNEXPECTED:
        return End.DONE if stopping else End.AGAIN
    return End.ALL


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the CPU quota of its control group (v2) where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or "max"
        return cores


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


class _Process:
    """One running worker, the ends of its two pipes, and what it has told of its work."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.events, theirs = os.pipe()
        # A session of its own: Ctrl-C in a terminal reaches the supervisor alone, which asks each worker once.
        self.running = subprocess.Popen(
            [*command, "--relay-to", str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs],
            start_new_session=True,
        )
        os.close(theirs)
        self.received = Received()
        self.counts: Counter[str] = Counter()
        self.away: list[str] = []
        self.failed: Failed | None = None

    def note(self, event: Event) -> None:
        """Count what it did; its own closing count, once it has told it, is the better one."""
        match event:
            case BatchDone():
                self.counts += Counter(
                    received=event.messages,
                    loaded=event.loaded,
                    duplicates=event.duplicates,
                    quarantined=event.quarantined,
                    released=event.retried,
                    batches=1,
                )
            case Stopped():
                self.counts |= Counter(received=event.received, released=event.released)
                self.counts += Counter({name: getattr(event, name) for name in _CALLS})
                self.away = event.away.split(", ") if event.away else []
            case Failed():
                self.failed = event
            case _:
                pass

    def close(self) -> int:
        """Wait for its end and give back its pipes; the exit code."""
        os.close(self.events)
        assert self.running.stdin is not None  # noqa: S101  # it was asked for
        self.running.stdin.close()
        return self.running.wait()


class Supervisor:
    """Keeps ``processes`` workers running until they are done or ``stop`` is asked. ``run`` may be called once.

    Every event of every worker is emitted on ``events``, so that there is one log, one live line and one set of
    counters, whatever the number of workers.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        processes: int,
        clock: Clock,
        events: Events,
        stop: Stop,
        hear: Callable[[int, Event], None] | None = None,
    ) -> None:
        """``hear`` is told every event with the number of the process that it is of or about."""
        self._command = command
        self._clock = clock
        self._events = events
        self._stop = stop
        self._hear_of = hear
        self._selector = selectors.DefaultSelector()
        self._running: list[_Process] = []
        self._due = [(0.0, number) for number in range(1, processes + 1)]
        self._futile = 0
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._away: list[str] = []
        self._error: SofetchError | None = None
        self._told_to_stop = False

    def run(self) -> Summary:
        """Work until all workers are done. Raises the error of a worker that a person must see to, after all ended."""
        started = self._clock.monotonic()
        try:
            while self._running or self._due:
                self._start_due()
                for key, _ in self._selector.select(_LOOK_SECONDS):
                    self._hear(key.data)
                if self._stop.asked or self._error is not None:
                    self._tell_to_stop()
        finally:
            self._abandon()
        if self._error is not None:
            raise self._error
        return self._summary(self._clock.monotonic() - started)

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        due = [number for at, number in self._due if at <= now]
        self._due = [(at, number) for at, number in self._due if at > now]
        for number in due:
            process = _Process(number, self._command)
            self._running.append(process)
            self._selector.register(process.events, selectors.EVENT_READ, process)
            self._tell(number, ProcessStarted(process=number, pid=process.running.pid))

    def _hear(self, process: _Process) -> None:
        data = os.read(process.events, _READ_BYTES)
        for event in process.received.feed(data):
            process.note(event)
            self._pass_on(process.number, event)
        if not data:
            self._ended(process)

    def _pass_on(self, number: int, event: Event) -> None:
        if isinstance(event, BatchDone):
            self._futile = 0
        if isinstance(event, MessagesQuarantined):
            self._reasons[event.reason] += event.count
        if not isinstance(event, Failed):  # it becomes the error of the whole, and is told once
            self._tell(number, event)

    def _tell(self, number: int, event: Event) -> None:
        if self._hear_of is not None:
            self._hear_of(number, event)
        self._events.emit(event)

    def _ended(self, process: _Process) -> None:
        self._selector.unregister(process.events)
        self._running.remove(process)
        returncode = process.close()
        self._counts += process.counts
        self._away += [dependency for dependency in process.away if dependency not in self._away]
        stopping = self._stop.asked or self._error is not None
        pause: float | None = None
        match meaning_of(returncode, stopping=stopping, in_good_order=process.failed is None):
            case End.AGAIN:
                self._futile += 1
                if self._futile >= FUTILE_STARTS:
                    self._error = _futile(returncode)
                else:
                    pause = backoff_seconds(self._futile)
                    self._due.append((self._clock.monotonic() + pause, process.number))
            case End.ALL:
                self._error = self._error or _error_of(process, returncode)
            case End.DONE:
                pass
        self._tell(
            process.number,
            ProcessEnded(
                process=process.number,
                exit_code=returncode,
                restart_in_seconds=None if pause is None else round(pause, 3),
            ),
        )

    def _tell_to_stop(self) -> None:
        self._due.clear()
        if not self._told_to_stop:
            self._told_to_stop = True
            for process in self._running:
                process.running.send_signal(signal.SIGTERM)

    def _abandon(self) -> None:
        """An error of our own: the workers notice that they are alone, and end in good order."""
        for process in self._running:
            process.running.send_signal(signal.SIGTERM)
            process.close()
        self._selector.close()

    def _summary(self, seconds: float) -> Summary:
        return Summary(
            received=self._counts["received"],
            loaded=self._counts["loaded"],
            duplicates=self._counts["duplicates"],
            quarantined=self._counts["quarantined"],
            released=self._counts["released"],
            batches=self._counts["batches"],
            away=self._away,
            seconds=round(seconds, 3),
            stopped_by=self._stop.reason if self._stop.asked else "drained",
            quarantined_by_reason=dict(self._reasons),
            calls=Calls(**{name: self._counts[name] for name in _CALLS}),
        )


def _error_of(process: _Process, returncode: int) -> SofetchError:
    """The worker's own error, as it told it; what it could not tell is named by its exit code."""
    told = process.failed
    error = (
        SofetchError(told.what, hint=told.hint, code=told.code)
        if told is not None
        else SofetchError(f"a worker ended with exit code {returncode}", hint="see its lines in the log above")
    )
    error.exit_code = ExitCode(returncode) if returncode in list(ExitCode) else ExitCode.UNEXPECTED
    return error


def _futile(returncode: int) -> SofetchError:
    how = f"killed by signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
    return SofetchError(
        f"workers ended {FUTILE_STARTS} times in a row without loading a batch (the last: {how})",
        hint="see the lines in the log above; `sofetch run` with one process shows more",
        code="workers_end",
    )
