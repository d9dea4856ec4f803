"""What the workers of several processes did, of each pipeline: the sums, and the errors that stand at the end.

Owns how what they relay becomes one account. What the end of a process means is ``supervisor``'s. A run that was cut
off counts with the batches that it told of; its messages that were not told of are still in the queue, or are found in
the ledger when they come again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import UNSET

from sofetch.calls import Calls
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import (
    BatchDone,
    Draining,
    Event,
    MessagesQuarantined,
    PipelineEnded,
    PipelineStarted,
    ProcessEnded,
    ProcessStarted,
    Stopped,
    WorkerStarted,
)
from sofetch.pipelines import Done
from sofetch.ports import Clock
from sofetch.worker import Summary

ALONE = ""
"""What the pipeline is called in the account where there is only one, whose events bear no name."""

_CALLS = Calls.__struct_fields__


class _Run:
    """One run of one pipeline in one process."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.away: list[str] = []
        self.ended_by = ""
        self.worked = False

    def note(self, event: Event) -> None:
        """Count what it did; its own closing count, once it has told it, is the better one."""
        match event:
            case WorkerStarted():
                self.worked = True
            case BatchDone():
                self.counts += Counter(
                    received=event.messages,
                    loaded=event.loaded,
                    duplicates=event.duplicates,
                    quarantined=event.quarantined,
                    released=event.retried,
                    batches=1,
                )
            case MessagesQuarantined():
                self.reasons[event.reason] += event.count
            case Draining():
                self.ended_by = event.signal
            case Stopped():
                self.worked = True  # or was stopped before it could, and has told so
                self.counts |= Counter(received=event.received, released=event.released)
                self.counts += Counter({name: getattr(event, name) for name in _CALLS})
                self.away = event.away.split(", ") if event.away else []
            case _:
                pass


class _Sum:
    """One pipeline, over its runs in all processes. ``last`` are the latest runs that have ended, by process."""

    def __init__(self, began: float) -> None:
        self.began = self.ended = began
        self.running: dict[int, _Run] = {}
        self.last: dict[int, _Run] = {}
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._worked = False

    def finish(self, process: int, *, now: float) -> None:
        run = self.running.pop(process, None)
        if run is not None:
            self.ended = now
            self.last[process] = run
            self._counts += run.counts
            self._reasons += run.reasons
            self._worked |= run.worked

    def summary(self, stopped_by: str) -> Summary:
        away = dict.fromkeys(name for run in self.last.values() for name in run.away)
        return Summary(
            received=self._counts["received"],
            loaded=self._counts["loaded"],
            duplicates=self._counts["duplicates"],
            quarantined=self._counts["quarantined"],
            released=self._counts["released"],
            batches=self._counts["batches"],
            away=list(away),
            seconds=round(self.ended - self.began, 3),
            stopped_by=stopped_by,
            quarantined_by_reason=dict(self._reasons),
            calls=Calls(**{name: self._counts[name] for name in _CALLS}),
        )

    def ended_by(self, asked: str) -> str:
        """What ended the latest runs: what was ``asked`` of the whole where any of them was asked, else the reload
        that removed it, else nothing: its queue was empty.
        """
        told = {run.ended_by for run in self.last.values()}
        others = sorted(told - {"", "reload"})
        return (asked or others[0]) if others else "reload" if "reload" in told else "drained"

    @property
    def worked(self) -> bool:
        """Whether it ever reached its queue and its database, or was stopped in good order before."""
        return self._worked


class FleetAccount:
    """Hears what each worker relays, in one thread. ``several``: each process runs several pipelines, and says of which
    an event is.
    """

    def __init__(self, *, clock: Clock, several: bool) -> None:
        self._clock = clock
        self._several = several
        self._sums: dict[str, _Sum] = {} if several else {ALONE: _Sum(clock.monotonic())}
        self._errors: dict[tuple[str, int], SofetchError] = {}

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a worker's process."""
        match event:
            case ProcessStarted() if not self._several:
                self._begin(ALONE, process)
            case ProcessEnded():
                self._end_all(process, again=event.restart_in_seconds is not None)
            case PipelineStarted():
                self._begin(event.pipeline, process)
            case PipelineEnded():
                self._end(process, event)
            case _:
                for run in self._runs_of(process, event):
                    run.note(event)

    def done(self, asked: str) -> Done:
        """The account, once all have ended. ``asked``: what asked all to stop, "" where nothing did.

        A pipeline that ended by an error before it reached its queue and its database has no summary.
        """
        if not self._several:
            return Done({ALONE: self._sums[ALONE].summary(asked or "drained")}, {})
        errors: dict[str, BaseException] = {}
        for (name, _), error in self._errors.items():
            errors.setdefault(name, error)
        summaries = {name: one.summary(one.ended_by(asked)) for name, one in sorted(self._sums.items()) if one.worked}
        return Done(summaries, errors)

    def _begin(self, name: str, process: int) -> None:
        now = self._clock.monotonic()
        self._errors.pop((name, process), None)
        one = self._sums.setdefault(name, _Sum(now))
        one.finish(process, now=now)
        one.running[process] = _Run()

    def _end(self, process: int, event: PipelineEnded) -> None:
        name = event.pipeline
        if name in self._sums:
            self._sums[name].finish(process, now=self._clock.monotonic())
        self._errors.pop((name, process), None)
        if event.code is not None:
            error = SofetchError(event.what, hint=event.hint, code=event.code)
            error.exit_code = ExitCode(event.exit_code)
            self._errors[name, process] = error

    def _end_all(self, process: int, *, again: bool) -> None:
        """With ``again`` its successor tries anew what it failed in."""
        for one in self._sums.values():
            one.finish(process, now=self._clock.monotonic())
        if again:
            self._errors = {key: error for key, error in self._errors.items() if key[1] != process}

    def _runs_of(self, process: int, event: Event) -> Iterator[_Run]:
        name = event.pipeline if self._several else ALONE
        if name is not UNSET and name in self._sums:
            run = self._sums[name].running.get(process)
            if run is not None:
                yield run
