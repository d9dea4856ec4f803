"""Several workers, a process each: started, watched, restarted, stopped together.

Owns what the end of a worker's process means for it and for the others. Must not know what a worker does: each is a
command that relays its events. Workers share nothing but the queue and the database, which keep them apart.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable, Sequence
from enum import Enum, auto

from msgspec.structs import replace

from sofetch.backoff import LONGEST_SECONDS, backoff_seconds
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import BatchDone, Event, Events, Failed, ProcessEnded, ProcessStarted
from sofetch.pipelines import Done
from sofetch.ports import Clock
from sofetch.processes.account import FleetAccount
from sofetch.processes.worker import WorkerProcess
from sofetch.stopping import Stop

FUTILE_STARTS = 5
"""So many ends in a row of workers that loaded nothing: the program is broken, and starting it again will not help."""

_LOOK_SECONDS = 0.2


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


class Supervisor:
    """Keeps ``processes`` workers running until they are done or ``stop`` is asked. ``run`` may be called once.

    Every event of every worker is emitted on ``events``, with the number of its process, so that there is one log, one
    live line and one set of counters, whatever the number of workers.
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
        several: bool = False,
        may_reload: Callable[[], bool] = lambda: False,
    ) -> None:
        """``hear`` is told every event with the number of the process that it is of or about.

        ``several``: a worker runs several pipelines, names them in its events, and exchanges them itself at SIGHUP;
        one that runs a single pipeline is exchanged as a whole. ``may_reload`` says whether the configuration is sound
        as it is now and asks for that, and tells of it where not.
        """
        self._command = command
        self._processes = processes
        self._clock = clock
        self._events = events
        self._stop = stop
        self._hear_of = hear
        self._several = several
        self._may_reload = may_reload
        self._account = FleetAccount(clock=clock, several=several)
        self._selector = selectors.DefaultSelector()
        self._running: list[WorkerProcess] = []
        self._due = [(0.0, number) for number in range(1, processes + 1)]
        self._futile = 0
        self._error: SofetchError | None = None
        self._reload = False

    def reload(self) -> None:
        """Have all workers take in the configuration anew, soon. Fit for a signal's handler."""
        self._reload = True

    def run(self) -> Done:
        """Work until all workers are done. Raises the error of a worker that a person must see to, after all ended;
        that of one pipeline among several ends that alone, and is in what is returned.
        """
        try:
            while self._running or self._due:
                if self._stopping:
                    self._tell_to_stop()
                elif self._reload:
                    self._reload = False
                    self._pass_on_reload()
                self._start_due()
                for key, _ in self._selector.select(_LOOK_SECONDS):
                    self._hear(key.data)
        finally:
            self._abandon()
        if self._error is not None:
            raise self._error
        return self._account.done(self._stop.reason if self._stop.asked else "")

    @property
    def _stopping(self) -> bool:
        return self._stop.asked or self._error is not None

    def _start_due(self) -> None:
        now = self._clock.monotonic()
        due = [number for at, number in self._due if at <= now]
        self._due = [(at, number) for at, number in self._due if at > now]
        for number in due:
            process = WorkerProcess(number, self._command)
            self._running.append(process)
            self._selector.register(process.events, selectors.EVENT_READ, process)
            self._tell(number, ProcessStarted(process=number, pid=process.pid))

    def _hear(self, process: WorkerProcess) -> None:
        told = process.hear()
        if told is None:
            self._ended(process)
            return
        for event in told:
            if isinstance(event, BatchDone):
                self._futile = 0
            if event is not process.failed:  # it becomes the error of the whole, and is told once
                self._tell(process.number, replace(event, process=process.number))

    def _tell(self, number: int, event: Event) -> None:
        self._account.hear(number, event)
        if self._hear_of is not None:
            self._hear_of(number, event)
        self._events.emit(event)

    def _pass_on_reload(self) -> None:
        """To those that run; those that have ended meanwhile start again, as a pipeline would."""
        if not self._may_reload():
            return
        for process in self._running:
            if self._several:
                process.ask_to_reload()
            else:
                process.give_way()
        running = {process.number for process in self._running}
        self._due = [(0.0, number) for number in range(1, self._processes + 1) if number not in running]

    def _ended(self, process: WorkerProcess) -> None:
        self._selector.unregister(process.events)
        self._running.remove(process)
        returncode = process.close()
        pause: float | None = None
        match self._meaning(process, returncode):
            case End.AGAIN:
                self._futile += 1
                if self._futile >= FUTILE_STARTS:
                    self._error = _futile(returncode)
                else:
                    pause = backoff_seconds(self._futile)
            case End.ALL if self._others_go_on(process):
                pause = LONGEST_SECONDS
                self._tell_error(process, returncode)
            case End.ALL:
                self._error = self._error or _error_of(process, returncode)
            case End.DONE if process.gives_way and not self._stopping:
                pause = 0.0
                if process.failed is not None:
                    self._tell_error(process, returncode)
            case End.DONE:
                pass
        if pause is not None:
            self._due.append((self._clock.monotonic() + pause, process.number))
        ended = ProcessEnded(
            process=process.number,
            exit_code=returncode,
            restart_in_seconds=None if pause is None else round(pause, 3),
            reload=process.gives_way and pause is not None,
        )
        self._tell(process.number, ended)

    def _tell_error(self, process: WorkerProcess, returncode: int) -> None:
        """What it failed by, which is not the end of the others."""
        error = _error_of(process, returncode)
        told = Failed(process=process.number, code=error.code, what=error.what, hint=error.hint)
        self._tell(process.number, told)

    def _meaning(self, process: WorkerProcess, returncode: int) -> End:
        if self._several and process.over and process.failed is None and returncode > 0:
            if not process.fault and returncode != ExitCode.UNEXPECTED:
                return End.DONE  # its pipelines ended, each by itself: the account has their errors
            returncode = ExitCode.UNEXPECTED
        if process.gives_way:
            return End.DONE  # in whatever way: what would end another, too, its successor meets
        return meaning_of(returncode, stopping=self._stopping, in_good_order=process.failed is None)

    def _others_go_on(self, process: WorkerProcess) -> bool:
        """Whether it cannot start with the configuration as it is now, and others run with the one before: then it
        is tried again, and the others are left alone.
        """
        others = any(one.began and not one.gives_way for one in self._running)
        return others and not self._stopping and not process.began

    def _tell_to_stop(self) -> None:
        self._due.clear()
        for process in self._running:
            process.ask_to_stop()

    def _abandon(self) -> None:
        """An error of our own: the workers notice that they are alone, and end in good order."""
        for process in self._running:
            process.ask_to_stop()
            process.close()
        self._selector.close()


def _error_of(process: WorkerProcess, returncode: int) -> SofetchError:
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
