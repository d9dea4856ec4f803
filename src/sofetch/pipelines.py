"""The pipelines of a process: a thread each, started, stopped and exchanged apart from each other.

Owns which of them run, what the end of one means for the others, and what a new configuration changes. Must not know
what a pipeline does: it is given how one is run. They share nothing but the process, so that the outage, the refusal or
the backlog of one is no other's.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue

from msgspec import Struct
from msgspec.structs import replace

from sofetch.calls import Calls
from sofetch.errors import ExitCode, SofetchError, place_of
from sofetch.events import Events, Failed, Reloaded, ReloadRefused, Unexpected
from sofetch.observe.board import Showing
from sofetch.settings import Settings
from sofetch.stopping import LOOK_SECONDS, Stop
from sofetch.worker import Summary


class Planned(Struct, frozen=True):
    """A pipeline as it is to run. ``mark`` stands for its keys and connections: where it differs, they do."""

    name: str
    settings: Settings
    mark: bytes = b""


class Done(Struct, frozen=True):
    """What each pipeline did, by name, and what those ended by that did not end well."""

    summaries: dict[str, Summary]
    errors: dict[str, BaseException]


RunOne = Callable[[Settings, Events, Stop], Summary]
"""Opens a pipeline, runs it until it is done or asked to stop, and closes it. Called in a thread of its own."""


class Change(Struct, frozen=True):
    """What a new configuration asks for, by name."""

    end: tuple[str, ...]
    start: tuple[Planned, ...]
    unchanged: tuple[str, ...]


def change_of(standing: Mapping[str, Planned], wanted: Sequence[Planned]) -> Change:
    """Those that differ or are gone end; those that differ, are new or have ended meanwhile start.

    ``standing`` are those that run or, once another of their name has ended, will.
    """
    named = {one.name: one for one in wanted}
    unchanged = tuple(name for name, one in standing.items() if named.get(name) == one)
    return Change(
        end=tuple(name for name in standing if name not in unchanged),
        start=tuple(one for one in wanted if one.name not in unchanged),
        unchanged=unchanged,
    )


class _Running:
    """One pipeline's thread, and how it ended."""

    def __init__(
        self, planned: Planned, run: RunOne, *, events: Events, alone: bool, news: SimpleQueue[_Running | None]
    ) -> None:
        self.planned = planned
        self.stop = Stop()
        self.over = False
        self.summary: Summary | None = None
        self.error: BaseException | None = None
        self._run = run
        self._alone = alone
        self._events = Events(events.emit, pipeline=None if alone else planned.name)
        self._news = news
        self.thread = threading.Thread(target=self._work, name=f"sofetch-pipeline-{planned.name}", daemon=True)
        self.thread.start()

    @property
    def goes_on(self) -> bool:
        """Neither asked to stop nor at its end."""
        return not (self.over or self.stop.asked)

    def _work(self) -> None:
        try:
            self.summary = self._run(self.planned.settings, self._events, self.stop)
        except BaseException as error:  # noqa: BLE001  # told here or by who runs it alone
            self.error = error
        self.over = True  # before it is told: whoever reads that may mend it and send SIGHUP at once
        try:
            if self.error is not None and not self._alone:
                self._tell(self.error)
        finally:
            self._news.put(self)

    def _tell(self, error: BaseException) -> None:
        if not isinstance(error, SofetchError):
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
        elif not (self.stop.asked and error.retryable):
            self._events.emit(Failed(code=error.code, what=error.what, hint=error.hint))


class Pipelines:
    """Keeps pipelines running until all are done or ``stop`` is asked. ``run`` may be called once.

    ``read`` gives the configuration anew; it raises SofetchError where that is wrong. So does ``rehearse`` where a
    pipeline would be refused that is to take the place of one that runs. With ``alone`` there is one pipeline and will
    be: its events bear no name, and its error is for the caller to tell.
    """

    def __init__(
        self,
        run_one: RunOne,
        *,
        read: Callable[[], Sequence[Planned]],
        events: Events,
        stop: Stop,
        board: Showing,
        rehearse: Callable[[Settings], None] = lambda _settings: None,
        alone: bool = False,
    ) -> None:
        self._run_one = run_one
        self._read = read
        self._rehearse = rehearse
        self._events = events
        self._stop = stop
        self._board = board
        self._alone = alone
        self._running: dict[str, _Running] = {}
        self._waiting: dict[str, Planned] = {}
        self._leaving: set[str] = set()
        # None wakes it. A SimpleQueue, for its put may interrupt its get: a signal's handler calls it.
        self._news: SimpleQueue[_Running | None] = SimpleQueue()
        self._reload = False
        self._summaries: dict[str, list[Summary]] = {}
        self._errors: dict[str, BaseException] = {}
        stop.then(self._wake)

    def reload(self) -> None:
        """Read the configuration anew, soon. Fit for a signal's handler."""
        self._reload = True
        self._wake()

    def run(self, planned: Sequence[Planned]) -> Done:
        """Run them, and return once all have ended.

        One that a person must see to ends alone, and the others go on. A fault of the program ends all in good order:
        whoever restarts the process then does so.
        """
        try:
            for one in planned:
                self._start(one)
            while self._running:
                if self._stop.asked:
                    self._stop_all()
                elif self._reload:
                    self._reload = False
                    self._exchange()
                news = self._next_news()
                if news is not None:
                    self._note_end(news)
        finally:
            self._stop_all()
            for left in self._running.values():
                left.thread.join()
        return Done({name: together(summaries) for name, summaries in self._summaries.items()}, dict(self._errors))

    def _next_news(self) -> _Running | None:
        """The end of one, or None where it is time to look at what is asked."""
        try:
            return self._news.get(timeout=LOOK_SECONDS)
        except Empty:
            return None

    def _wake(self) -> None:
        self._news.put(None)

    def _start(self, planned: Planned) -> None:
        self._errors.pop(planned.name, None)
        self._running[planned.name] = _Running(
            planned, self._run_one, events=self._events, alone=self._alone, news=self._news
        )

    def _exchange(self) -> None:
        wanted = self._wanted()
        if wanted is None:
            return
        names = {one.name for one in wanted}
        change = change_of(self._going_on() | self._waiting, wanted)
        for name in change.end:
            self._running[name].stop.ask("reload")
        self._leaving = self._running.keys() - names
        for name in {*self._errors, *self._summaries} - names - self._running.keys():
            self._errors.pop(name, None)
            self._board.drop(name)
        # One of the same name starts once the other has ended: never two of them on one queue.
        due = {name: one for name, one in self._waiting.items() if name in names}
        self._waiting = due | {one.name: one for one in change.start if one.name in self._running}
        for one in change.start:
            if one.name not in self._waiting:
                self._start(one)
        self._events.emit(Reloaded(started=len(change.start), ended=len(change.end), unchanged=len(change.unchanged)))

    def _going_on(self) -> dict[str, Planned]:
        return {name: one.planned for name, one in self._running.items() if one.goes_on}

    def _wanted(self) -> Sequence[Planned] | None:
        """What is configured now; None where that cannot be known or would not run, and all goes on as it is.

        None as well where a stop is asked meanwhile: to try one takes as long as its database may take to answer.
        """
        try:
            wanted, standing = self._read(), self._going_on()
            for one in wanted:
                if self._stop.asked:
                    return None
                if one.name in standing and one != standing[one.name]:
                    self._rehearse(one.settings)
            return wanted
        except SofetchError as error:
            self._events.emit(ReloadRefused(code=error.code, what=error.what))
        except Exception as error:  # noqa: BLE001  # told; a fault in reading must not end what runs
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
        return None

    def _stop_all(self) -> None:
        for one in self._running.values():
            one.stop.ask(self._stop.reason or "fault")

    def _note_end(self, ended: _Running) -> None:
        ended.thread.join()
        name = ended.planned.name
        del self._running[name]
        following = self._waiting.pop(name, None)
        if ended.summary is not None:
            # What was to follow does not: it is the stop, and not the reload, that ended the pipeline.
            cut_short = following is not None and self._stop.asked
            summary = replace(ended.summary, stopped_by=self._stop.reason) if cut_short else ended.summary
            self._summaries.setdefault(name, []).append(summary)
        if ended.error is not None and _is_fault(ended.error):
            self._note_error(name, ended.error)
            self._stop.ask("fault")
        elif following is not None and not self._stop.asked:
            self._start(following)
        elif name in self._leaving:
            self._board.drop(name)
        else:
            self._note_error(name, ended.error)

    def _note_error(self, name: str, error: BaseException | None) -> None:
        self._board.ended(name, error)
        if error is not None:
            self._errors[name] = error


def _is_fault(error: BaseException) -> bool:
    return not isinstance(error, SofetchError) or error.exit_code == ExitCode.UNEXPECTED


def together(summaries: Sequence[Summary]) -> Summary:
    """The sum of one pipeline's runs, one after the other. What ended the last ended them; what was away then, is."""
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for one in summaries:
        total.update({name: getattr(one, name) for name in _COUNTS})
        reasons.update(one.quarantined_by_reason)
        calls.update({name: getattr(one.calls, name) for name in Calls.__struct_fields__})
    return Summary(
        **{name: total[name] for name in _COUNTS},
        seconds=round(sum(one.seconds for one in summaries), 3),
        stopped_by=summaries[-1].stopped_by,
        quarantined_by_reason=dict(reasons),
        calls=Calls(**calls),
        away=summaries[-1].away,
    )


_COUNTS = ("received", "loaded", "duplicates", "quarantined", "released", "batches")
