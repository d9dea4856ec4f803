"""The loop: outages are borne, stopping is orderly, and every message is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from msgspec.structs import replace

from sofetch.ack import Acknowledgement
from sofetch.backoff import LONGEST_SECONDS, backoff_seconds
from sofetch.calls import Calls
from sofetch.errors import (
    ArchiveUnavailable,
    SinkRefused,
    SinkUnavailable,
    SofetchError,
    SourceRefused,
    SourceUnavailable,
)
from sofetch.events import BatchDone, BreakerChanged, Event, Events, Outage, Recovered
from sofetch.pipeline import Steps, Unwrap
from sofetch.record import (
    Decoded,
    Duplicate,
    Loaded,
    LoadResult,
    Masked,
    MaskedRecord,
    Message,
    Opened,
    Reason,
    Record,
    Rejected,
    Rejection,
    SealedRejection,
)
from sofetch.settings import BatchSettings
from sofetch.stopping import Stop
from sofetch.worker import DRAIN_PATIENCE_SECONDS, Archive, Summary, Worker


def message(number: int) -> Message:
    return Message(id=f"m{number}", body=b"{}", queue="q", sent_ms=1_000 + number, received_ms=2_000)


@dataclass
class ScriptedSource:
    """Gives what the script says, one entry a call; an error in the script is raised; empty at its end."""

    script: list[list[Message] | SofetchError]
    acknowledged: list[Acknowledgement] = field(default_factory=list)
    asked_for: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        self.asked_for.append(max_messages)
        if not self.script:
            return []
        step = self.script.pop(0)
        if isinstance(step, SofetchError):
            raise step
        return step

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        self.acknowledged.append(acknowledgement)

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def flush(self, *, timeout_seconds: float) -> bool:
        return True

    def calls(self) -> Calls:
        return Calls()

    def drained(self) -> bool:
        return not self.script

    def close(self, *, grace_seconds: float) -> None:
        return None


@dataclass
class ScriptedSink:
    """Raises the errors in order, then loads everything; ``verdicts`` overrides by message id."""

    errors: list[SofetchError] = field(default_factory=list)
    verdicts: dict[str, LoadResult] = field(default_factory=dict)
    calls: int = 0

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        rows: list[LoadResult] = [self.verdicts.get(r.message_id, Loaded(r.message_id)) for r in records]
        return rows + [Rejected(r.message_id, r.reason, r.field) for r in rejections]

    def close(self) -> None:
        return None


class PlainMasker:
    def mask(self, records: Sequence[Record]) -> Masked:
        return Masked([MaskedRecord(r.message.id, r.message.id.encode(), ()) for r in records], [], {})

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        return [
            SealedRejection(
                message_id=r.message.id,
                key=r.message.id.encode(),
                reason=r.reason,
                field=r.field,
                sent_ms=r.message.sent_ms,
                receive_count=1,
                kid="k1",
                sealed_body=b"sealed",
            )
            for r in rejections
        ]


def decode(messages: Sequence[Message]) -> Decoded:
    return Decoded([Record(m, ()) for m in messages], [])


@dataclass
class SteppingClock:
    """Every look at the clock costs ``step`` seconds, so outages last without waiting for them."""

    step: float = 0.0
    time: float = 0.0

    def now_ms(self) -> int:
        return 10_000

    def monotonic(self) -> float:
        self.time += self.step
        return self.time


class NoWait(Stop):
    """Does not sleep; asks itself to stop after ``patience`` waits."""

    def __init__(self, patience: int | None = None) -> None:
        super().__init__()
        self.waited: list[float] = []
        self.clock = SteppingClock()
        self._patience = patience

    def wait(self, seconds: float) -> bool:
        self.clock.time += seconds
        self.waited.append(seconds)
        if self._patience is not None and len(self.waited) >= self._patience:
            self.ask("SIGTERM")
        return self.asked


def run(
    source: ScriptedSource,
    sink: ScriptedSink | None = None,
    *,
    drain: bool = True,
    max_messages: int | None = None,
    stop: NoWait | None = None,
    clock: SteppingClock | None = None,
    unwrap: Unwrap | None = None,
    idle: Callable[[], None] = lambda: None,
    archive: Archive | None = None,
) -> tuple[Summary, list[Event]]:
    seen: list[Event] = []
    stop = stop or NoWait()
    stop.clock = clock = clock or SteppingClock()
    worker = Worker(
        source=source,
        steps=Steps(decode, PlainMasker(), sink or ScriptedSink(), unwrap=unwrap),
        batch=BatchSettings(max_messages=100),
        release_after_seconds=7,
        clock=clock,
        events=Events(seen.append),
        stop=stop,
        idle=idle,
        archive=archive,
    )
    return worker.run(drain=drain, max_messages=max_messages), seen


def test_every_committed_message_is_deleted_and_counted() -> None:
    source = ScriptedSource([[message(1), message(2), message(3)]])
    verdicts: dict[str, LoadResult] = {"m2": Duplicate("m2"), "m3": Rejected("m3", Reason.NOT_JSON)}
    summary, _ = run(source, ScriptedSink(verdicts=verdicts))
    assert source.acknowledged == [Acknowledgement(delete=("m1", "m2", "m3"), release_after_seconds=7)]
    assert (summary.received, summary.loaded, summary.duplicates, summary.quarantined) == (3, 1, 1, 1)
    assert summary.quarantined_by_reason == {"not_json": 1}
    assert summary.stopped_by == "drained"


class Lines:
    """Opens every message as two lines, one of them refused; first the errors in order."""

    def __init__(self, *errors: SofetchError) -> None:
        self.errors = list(errors)

    def __call__(self, messages: Sequence[Message]) -> Generator[Opened, None, None]:
        if self.errors:
            raise self.errors.pop(0)
        for whole in messages:
            good, bad = (replace(whole, id=f"{whole.id}#1.{line}") for line in (1, 2))
            yield Opened(
                messages=[good],
                rejections=[Rejection(bad, Reason.NOT_JSON)],
                part_of={good.id: whole.id, bad.id: whole.id},
                ended=[whole.id],
            )

    def close(self) -> None:
        return None


def test_records_are_counted_and_the_message_that_held_them_is_deleted() -> None:
    source = ScriptedSource([[message(1), message(2)]])
    summary, seen = run(source, unwrap=Lines())
    assert source.acknowledged == [Acknowledgement(delete=("m1", "m2"), release_after_seconds=7)]
    assert (summary.received, summary.loaded, summary.quarantined) == (2, 2, 2)
    assert summary.quarantined_by_reason == {"not_json": 2}
    [done] = [event for event in seen if isinstance(event, BatchDone)]
    assert (done.messages, done.loaded, done.quarantined, done.retried) == (2, 2, 2, 0)


def test_an_outage_of_what_messages_point_to_holds_the_batch_and_is_called_the_queues() -> None:
    source = ScriptedSource([[message(1)]])
    summary, seen = run(source, unwrap=Lines(SourceUnavailable("S3 is away")))
    assert summary.loaded == 1
    assert source.acknowledged == [Acknowledgement(delete=("m1",), release_after_seconds=7)]
    assert [event.dependency for event in seen if isinstance(event, Outage | Recovered)] == ["queue", "queue"]


def test_a_database_outage_holds_the_batch_and_loads_it_when_it_is_over() -> None:
    source = ScriptedSource([[message(1)]])
    sink = ScriptedSink(errors=[SinkUnavailable("away", sqlstate="57P01"), SinkUnavailable("away")])
    summary, seen = run(source, sink)
    assert sink.calls == 3
    assert summary.loaded == 1
    assert source.acknowledged == [Acknowledgement(delete=("m1",), release_after_seconds=7)]
    assert [event.sqlstate for event in seen if isinstance(event, Outage)] == ["57P01", None]
    assert [event.attempts for event in seen if isinstance(event, Recovered)] == [2]


def test_receiving_stops_as_the_breaker_opens_and_goes_on_once_a_probe_succeeded() -> None:
    source = ScriptedSource([[message(1)], [message(2)]])

    class Watching(ScriptedSink):
        def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
            source.told.append(f"load {self.calls}")
            return super().load(records, rejections)

    _, seen = run(source, Watching(errors=[SinkUnavailable("away"), SinkUnavailable("away")]))
    assert source.told == ["load 0", "pause", "load 1", "load 2", "resume", "load 3"]
    states = [event.state for event in seen if isinstance(event, BreakerChanged)]
    assert states == ["open", "half_open", "open", "half_open", "closed"]


def test_a_queue_outage_does_not_pause_the_source_which_backs_off_by_itself() -> None:
    source = ScriptedSource([SourceUnavailable("throttled"), [message(1)]])
    run(source)
    assert source.told == []


def test_a_run_that_ends_in_an_outage_says_what_was_away() -> None:
    stop = NoWait(patience=3)
    source = ScriptedSource([[message(1)]])
    summary, _ = run(source, ScriptedSink(errors=[SinkUnavailable("away")] * 9), drain=False, stop=stop)
    assert summary.away == ["database"]
    assert source.told == ["pause"]
    summary, _ = run(ScriptedSource([SourceUnavailable("away")] * 9), drain=False, stop=NoWait(patience=3))
    assert summary.away == ["queue"]
    summary, _ = run(ScriptedSource([[message(1)]]), ScriptedSink(errors=[SinkUnavailable("away")]))
    assert summary.away == []


def test_no_attempt_is_made_before_its_pause_is_over() -> None:
    stop = NoWait()
    at: list[float] = []

    class Timing(ScriptedSink):
        def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
            at.append(stop.clock.time)
            return super().load(records, rejections)

    run(
        ScriptedSource([[message(1)]]),
        Timing(errors=[SinkUnavailable("away")] * 12),
        stop=stop,
        drain=False,
        max_messages=1,
    )
    pauses = [later - before for before, later in pairwise(at)]
    assert len(pauses) == 12
    assert pauses == stop.waited
    assert all(pause <= LONGEST_SECONDS for pause in pauses)
    assert pauses[-1] >= LONGEST_SECONDS / 2


def test_stopping_in_an_outage_releases_the_batch_and_deletes_nothing() -> None:
    source = ScriptedSource([[message(1), message(2)]])
    sink = ScriptedSink(errors=[SinkUnavailable("away")] * 9)
    summary, _ = run(source, sink, drain=False, stop=NoWait(patience=3))
    assert source.acknowledged == [Acknowledgement(release=("m1", "m2"), release_after_seconds=7)]
    assert (summary.released, summary.loaded) == (2, 0)
    assert summary.stopped_by == "SIGTERM"


def test_what_a_person_must_mend_ends_the_run_and_deletes_nothing() -> None:
    source = ScriptedSource([[message(1)]])
    with pytest.raises(SinkRefused):
        run(source, ScriptedSink(errors=[SinkRefused("no such table")]))
    assert source.acknowledged == []


def test_a_queue_outage_is_waited_for() -> None:
    source = ScriptedSource([SourceUnavailable("throttled"), [message(1)]])
    summary, seen = run(source)
    assert summary.loaded == 1
    assert [event.dependency for event in seen if isinstance(event, Outage)] == ["queue"]


def test_drain_gives_up_on_an_outage_that_lasts() -> None:
    source = ScriptedSource([[message(1)]])
    sink = ScriptedSink(errors=[SinkUnavailable("away")] * 99)
    with pytest.raises(SinkUnavailable):
        run(source, sink, clock=SteppingClock(step=DRAIN_PATIENCE_SECONDS / 4))
    assert source.acknowledged == []


def test_a_worker_without_drain_never_gives_up_on_an_outage() -> None:
    stop = NoWait(patience=50)
    sink = ScriptedSink(errors=[SinkUnavailable("away")] * 99)
    summary, _ = run(ScriptedSource([[message(1)]]), sink, drain=False, stop=stop)
    assert stop.clock.time > 10 * DRAIN_PATIENCE_SECONDS
    assert sink.calls == 50
    assert summary.released == 1


def test_max_messages_bounds_what_is_asked_of_the_source() -> None:
    source = ScriptedSource([[message(1), message(2)], [message(3)], [message(4)]])
    summary, _ = run(source, max_messages=3, drain=False)
    assert source.asked_for == [3, 1]
    assert (summary.received, summary.stopped_by) == (3, "max_messages")


def test_a_message_that_no_step_accounts_for_is_released_never_deleted() -> None:
    class Forgetful(ScriptedSink):
        def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
            return super().load(records[1:], rejections)

    source = ScriptedSource([[message(1), message(2)]])
    summary, _ = run(source, Forgetful())
    assert source.acknowledged == [Acknowledgement(delete=("m2",), release=("m1",), release_after_seconds=7)]
    assert summary.released == 1


def test_pauses_grow_to_a_bound_and_differ_between_workers() -> None:
    least = [backoff_seconds(n, jitter=lambda: 0.0) for n in range(1, 40)]
    most = [backoff_seconds(n, jitter=lambda: 1.0) for n in range(1, 40)]
    assert least == sorted(least)
    assert most == sorted(most)
    assert most[-1] == LONGEST_SECONDS
    assert all(low < high for low, high in zip(least, most, strict=True))


def test_it_is_idle_after_a_receive_that_brought_nothing_and_not_between_batches() -> None:
    over = SourceRefused("it should have been idle twice by now")
    source, stop = ScriptedSource([[message(1)], [message(2)], [], [message(3)], [], over]), NoWait()
    rested: list[int] = []

    def idle() -> None:
        rested.append(len(source.acknowledged))
        if len(rested) == 2:
            stop.ask()

    run(source, drain=False, stop=stop, idle=idle)
    assert rested == [2, 3]


@dataclass
class ScriptedArchive:
    """Raises the errors in order, then keeps everything; remembers what the sink had been asked for by then."""

    sink: ScriptedSink
    errors: list[SofetchError] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)

    def keep(self, messages: Sequence[Message]) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        self.kept.append((len(messages), self.sink.calls))
        return True


def test_a_batch_is_archived_once_before_the_database_is_asked_however_often_that_is_away() -> None:
    source, sink = ScriptedSource([[message(1), message(2)]]), ScriptedSink([SinkUnavailable("away")] * 3)
    archive = ScriptedArchive(sink)
    run(source, sink, archive=archive)
    assert archive.kept == [(2, 0)]
    assert source.acknowledged[0].delete == ("m1", "m2")


def test_while_the_archive_is_away_nothing_is_received_or_loaded_and_then_all_goes_on() -> None:
    source, sink = ScriptedSource([[message(1)]]), ScriptedSink()
    archive = ScriptedArchive(sink, [ArchiveUnavailable("full")] * 2)
    _, seen = run(source, sink, archive=archive)
    assert [event.dependency for event in seen if isinstance(event, Outage | Recovered)] == ["archive"] * 3
    assert (source.told, sink.calls, source.acknowledged[0].delete) == (["pause", "resume"], 1, ("m1",))


def test_stopped_while_the_archive_is_away_the_batch_goes_back_and_is_not_loaded() -> None:
    source, sink = ScriptedSource([[message(1)]]), ScriptedSink()
    archive = ScriptedArchive(sink, [ArchiveUnavailable("full")] * 100)
    summary, _ = run(source, sink, drain=False, stop=NoWait(patience=5), archive=archive)
    assert (sink.calls, summary.away) == (0, ["archive"])
    assert source.acknowledged == [Acknowledgement(release=("m1",), release_after_seconds=7)]
