"""What can be counted of a running pipeline, and how Prometheus reads it.

Owns the closed vocabulary of metrics, the folding of events into them, and the text of the exposition. A label holds a
name of the configuration, a code or a number of a process, never anything of a message. Pure but for what it is given
to look at: no sockets, no files, no clock of its own.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal

from msgspec import Struct

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
from sofetch.observe.at_hand import AtHand
from sofetch.observe.procfs import ProcessUse
from sofetch.ports import Clock
from sofetch.record import DriftKind, Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]

_ALONE = 1
"""The number of the worker where there is one, and no supervisor."""


class Metric(Struct, frozen=True):
    """One metric of the vocabulary. ``label`` is its only label; ``values`` are what it may hold where that is known
    beforehand: they are shown as 0 from the start, so that a rate sees the first rise.
    """

    name: str
    kind: Kind
    about: str
    label: str | None = None
    values: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MESSAGES = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000)
_REASONS = tuple(reason.value for reason in Reason)
_DRIFTS = tuple(kind.value for kind in DriftKind)
_CALLS = {"receive": "receives", "delete": "deletes", "change_visibility": "visibility_changes"}

METRICS: tuple[Metric, ...] = (
    Metric("sofetch_messages_received_total", "counter", "Messages of batches that are done."),
    Metric("sofetch_rows_loaded_total", "counter", "Rows committed to the table."),
    Metric("sofetch_duplicates_total", "counter", "Messages that the ledger had already; they are deleted."),
    Metric("sofetch_quarantined_total", "counter", "Messages committed to quarantine.", "reason", _REASONS),
    Metric("sofetch_released_total", "counter", "Messages given back to the queue by a batch, to be tried again."),
    Metric("sofetch_body_bytes_total", "counter", "Body bytes of batches that are done."),
    Metric("sofetch_batches_total", "counter", "Batches committed."),
    Metric(
        "sofetch_batch_seconds", "histogram", "From taking a batch to its commit, outages included.", bounds=_SECONDS
    ),
    Metric("sofetch_batch_messages", "histogram", "Messages in a batch.", bounds=_MESSAGES),
    Metric("sofetch_last_commit_timestamp_seconds", "gauge", "When a batch was last committed; 0 before the first."),
    Metric(
        "sofetch_oldest_message_age_seconds",
        "gauge",
        "Age of the oldest message at hand, growing until it is done; 0 while none comes, left out while nobody knows.",
    ),
    Metric("sofetch_queue_calls_total", "counter", "Calls to the queue, failed ones included.", "call", tuple(_CALLS)),
    Metric("sofetch_empty_receives_total", "counter", "Receive calls that brought nothing."),
    Metric("sofetch_billed_requests_total", "counter", "What the calls are billed as: one more each 64 KiB."),
    Metric("sofetch_held_messages", "gauge", "Messages received and not yet deleted or given back."),
    Metric("sofetch_held_bytes", "gauge", "Their body bytes."),
    Metric("sofetch_breaker_open", "gauge", "Workers whose breaker is not closed.", "dependency", DEPENDENCIES),
    Metric("sofetch_outages_total", "counter", "Outages that began.", "dependency", DEPENDENCIES),
    Metric("sofetch_outage_attempts_total", "counter", "Attempts that failed in them.", "dependency", DEPENDENCIES),
    Metric("sofetch_damaged_messages_total", "counter", "Messages whose body is not what was sent; they come again."),
    Metric("sofetch_not_of_kind_total", "counter", "Personal values that are not of their column's kind.", "column"),
    Metric("sofetch_drifted_total", "counter", "Messages not as the configuration expects them.", "kind", _DRIFTS),
    Metric("sofetch_maintenance_failures_total", "counter", "Times that partitions could not be kept."),
    Metric(
        "sofetch_partitions_end_timestamp_seconds",
        "gauge",
        "Until when there are partitions, as last looked up; 0 where nobody looks.",
    ),
    Metric("sofetch_unexpected_errors_total", "counter", "Faults of the program."),
    Metric("sofetch_process_restarts_total", "counter", "Workers that a supervisor started again."),
    Metric("sofetch_workers", "gauge", "Workers that run."),
    Metric("sofetch_worker_resident_memory_bytes", "gauge", "Memory of a worker's process.", "process"),
    Metric("sofetch_worker_cpu_seconds_total", "counter", "CPU time of a worker's process.", "process"),
    Metric("sofetch_build_info", "gauge", "1, with the version.", "version", (__version__,)),
    Metric("process_resident_memory_bytes", "gauge", "Memory of the answering process."),
    Metric("process_cpu_seconds_total", "counter", "CPU time of the answering process."),
    Metric("process_open_fds", "gauge", "Its open files and connections."),
    Metric("process_max_fds", "gauge", "How many it may have."),
    Metric("process_start_time_seconds", "gauge", "When it was started, since the epoch."),
)
"""All there are, in the order in which they are shown."""


class Distribution(Struct, frozen=True):
    """A histogram: how many values fell to each bound or below (the last: all), and their sum."""

    cumulative: tuple[int, ...]
    total: float


Sample = tuple[str, str, float | Distribution]
"""A metric's name, its label's value ("" if it has none), and how it stands."""


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


def exposition(samples: Iterable[Sample]) -> bytes:
    """The samples as Prometheus reads them (text format 0.0.4), in the order of the vocabulary."""
    return _exposition({None: samples})


def exposition_of_several(samples: Mapping[str, Iterable[Sample]]) -> bytes:
    """The same of several pipelines: each sample has the label ``pipeline``, but for those of the process."""
    return _exposition(samples)


def _exposition(samples: Mapping[str, Iterable[Sample]] | Mapping[None, Iterable[Sample]]) -> bytes:
    by_name: dict[str, dict[tuple[str, str], list[str]]] = {}
    for pipeline, of_pipeline in samples.items():
        for name, label, value in of_pipeline:
            metric = _BY_NAME[name]
            whose = None if name.startswith(_OF_PROCESS) else pipeline
            lines = list(_lines(metric, label, value, pipeline=whose))
            by_name.setdefault(name, {}).setdefault((whose or "", label), lines)
    lines = []
    for metric in METRICS:
        if metric.name in by_name:
            lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [line for of_one in by_name[metric.name].values() for line in of_one]
    return ("\n".join(lines) + "\n").encode()


_BY_NAME = {metric.name: metric for metric in METRICS}
_OF_PROCESS = ("process_", "sofetch_process_", "sofetch_worker_", "sofetch_build_info")


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


def _lines(metric: Metric, label: str, value: float | Distribution, *, pipeline: str | None) -> Iterator[str]:
    whose = [("pipeline", pipeline)] if pipeline is not None else []
    own = [(metric.label, label)] if metric.label is not None else []
    if not isinstance(value, Distribution):
        yield f"{metric.name}{_labels([*whose, *own])} {_number(value)}"
        return
    for bound, count in zip((*map(_number, metric.bounds), "+Inf"), value.cumulative, strict=True):
        yield f"{metric.name}_bucket{_labels([*whose, ('le', bound)])} {count}"
    yield f"{metric.name}_sum{_labels(whose)} {_number(value.total)}"
    yield f"{metric.name}_count{_labels(whose)} {value.cumulative[-1]}"


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
