"""What the events come to: counters, gauges and histograms, as they stand when they are asked for.

Owns the folding of events into samples. Pure but for what it is given to look at: no sockets, no files, no clock of
its own.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from sofetch import __version__
from sofetch.breaker import DEPENDENCIES
from sofetch.calls import Calls
from sofetch.events import (
    BatchDone,
    BreakerChanged,
    Event,
    Failed,
    Heartbeat,
    PartitionsSeen,
    ProcessEnded,
    ProcessStarted,
    Stopped,
)
from sofetch.observe.metrics.at_hand import AtHand
from sofetch.observe.metrics.vocabulary import METRICS, Distribution, Metric, Sample
from sofetch.observe.procfs import ProcessUse
from sofetch.ports import Clock

_ALONE = 1
"""The number of the worker where there is one, and no supervisor."""
_CALLS = {"receive": "receives", "delete": "deletes", "change_visibility": "visibility_changes"}
"""The field of ``Calls`` for each kind of call."""


class _Histogram:
    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def standing(self) -> Distribution:
        return Distribution(tuple(accumulate(self._counts)), self._total)


class _Worker:
    """What is known of one running worker."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.held_messages = self.held_bytes = 0
        self.calls = Calls()
        self.away: set[str] = set()
        self.at_hand = AtHand()

    def oldest_seconds(self, *, now: float) -> float | None:
        """Age of its oldest message at hand. Of what it cannot receive nobody knows the age."""
        if "queue" in self.away and not self.at_hand.any:
            return None
        return self.at_hand.seconds(now=now)


class Metrics:
    """Hears the events of one worker, or with ``hear`` those of several. ``samples`` may be called from any thread.

    ``counters`` are those of the events (``Events.counters``); ``use`` says what a process uses, by its id; ``pid`` is
    this process. ``supervising``: the workers are other processes, which come and go.
    """

    def __init__(
        self,
        counters: Callable[[], Mapping[tuple[str, str], float]],
        *,
        clock: Clock,
        use: Callable[[int], ProcessUse | None],
        pid: int,
        supervising: bool = False,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._use = use
        self._pid = pid
        self._lock = threading.Lock()
        self._workers = {} if supervising else {_ALONE: _Worker(pid)}
        self._ended = Calls()
        self._histograms = {one.name: _Histogram(one.bounds) for one in METRICS if one.kind == "histogram"}
        self._committed_seconds = self._partitions_end_seconds = 0.0

    def __call__(self, event: Event) -> None:
        """Take notice of an event of the only worker."""
        self.hear(_ALONE, event)

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a worker's process."""
        with self._lock:
            match event:
                case ProcessStarted():
                    self._workers[process] = _Worker(event.pid)
                case ProcessEnded():
                    self._forget(process)
                case BatchDone():
                    self._note_batch(event)
                case PartitionsSeen():
                    self._partitions_end_seconds = event.ends_ms / 1_000
                case _:
                    pass
            if process in self._workers:
                _note(self._workers[process], event, now=self._clock.monotonic())

    def samples(self) -> list[Sample]:
        """How everything stands now, what is known to be possible included."""
        found: dict[tuple[str, str], float | Distribution] = dict(self._counters())
        with self._lock:
            found.update({(name, label): value for name, label, value in self._of_events()})
            workers = dict(self._workers)
        found.update({(name, label): value for name, label, value in self._of_processes(workers)})
        known = [(one.name, value) for one in METRICS if one.kind == "counter" for value in one.values or _none(one)]
        return [(name, label, value) for (name, label), value in (dict.fromkeys(known, 0.0) | found).items()]

    def _forget(self, process: int) -> None:
        """What it asked of the queue was asked all the same."""
        worker = self._workers.pop(process, None)
        if worker is not None:
            self._ended = _together([self._ended, worker.calls])

    def _note_batch(self, batch: BatchDone) -> None:
        for name, value in observations(batch):
            self._histograms[name].observe(value)
        if batch.loaded or batch.duplicates or batch.quarantined:
            self._committed_seconds = self._clock.now_ms() / 1_000

    def _of_events(self) -> Iterator[Sample]:
        workers = self._workers.values()
        for name, histogram in self._histograms.items():
            yield name, "", histogram.standing()
        yield "sofetch_last_commit_timestamp_seconds", "", self._committed_seconds
        now = self._clock.monotonic()
        ages = [age for worker in workers if (age := worker.oldest_seconds(now=now)) is not None]
        if ages:
            yield "sofetch_oldest_message_age_seconds", "", max(ages)
        yield "sofetch_partitions_end_timestamp_seconds", "", self._partitions_end_seconds
        calls = _together([self._ended, *(worker.calls for worker in workers)])
        for call, field in _CALLS.items():
            yield "sofetch_queue_calls_total", call, getattr(calls, field)
        yield "sofetch_empty_receives_total", "", calls.empty_receives
        yield "sofetch_billed_requests_total", "", calls.requests
        yield "sofetch_held_messages", "", sum(worker.held_messages for worker in workers)
        yield "sofetch_held_bytes", "", sum(worker.held_bytes for worker in workers)
        for dependency in DEPENDENCIES:
            yield "sofetch_breaker_open", dependency, sum(dependency in worker.away for worker in workers)
        yield "sofetch_workers", "", len(workers)
        yield "sofetch_build_info", __version__, 1

    def _of_processes(self, workers: Mapping[int, _Worker]) -> Iterator[Sample]:
        for number, worker in sorted(workers.items()):
            use = self._use(worker.pid)
            if use is not None:
                yield "sofetch_worker_resident_memory_bytes", str(number), use.resident_bytes
                yield "sofetch_worker_cpu_seconds_total", str(number), use.cpu_seconds
        own = self._use(self._pid)
        if own is not None:
            yield "process_resident_memory_bytes", "", own.resident_bytes
            yield "process_cpu_seconds_total", "", own.cpu_seconds
            yield "process_open_fds", "", own.open_files
            yield "process_start_time_seconds", "", own.started_seconds
            if own.max_files is not None:
                yield "process_max_fds", "", own.max_files


def observations(batch: BatchDone) -> tuple[tuple[str, float], ...]:
    """What a batch adds to the histograms, by name."""
    return ("sofetch_batch_seconds", batch.milliseconds / 1_000), ("sofetch_batch_messages", batch.messages)


def _note(worker: _Worker, event: Event, *, now: float) -> None:
    match event:
        case BatchDone():
            worker.at_hand.batch(event)
        case BreakerChanged(state="closed"):
            worker.away.discard(event.dependency)
        case BreakerChanged():
            worker.away.add(event.dependency)
        case Heartbeat():
            worker.held_messages, worker.held_bytes = event.held_messages, event.held_bytes
            worker.calls = _calls_of(event)
            worker.at_hand.beat(event, now=now)
        case Stopped():
            worker.calls = _calls_of(event)
            worker.at_hand = AtHand()
        case Failed():
            worker.at_hand = AtHand()
        case _:
            pass


def _calls_of(event: Heartbeat | Stopped) -> Calls:
    return Calls(**{field: getattr(event, field) for field in Calls.__struct_fields__})


def _together(several: Sequence[Calls]) -> Calls:
    return Calls(**{field: sum(getattr(one, field) for one in several) for field in Calls.__struct_fields__})


def _none(metric: Metric) -> tuple[str, ...]:
    """A metric without a label has one value from the start; one whose label's values nobody knows has none."""
    return ("",) if metric.label is None and metric.name.startswith("sofetch_") else ()
