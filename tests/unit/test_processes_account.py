"""What the workers of several processes relay becomes one account of each pipeline."""

from __future__ import annotations

from batches import batch_done
from sofetch.errors import ExitCode
from sofetch.events import (
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
from sofetch.processes.account import FleetAccount
from sofetch.testing import FakeClock

KILLED = ProcessEnded(process=1, exit_code=-9, restart_in_seconds=0.2)


class Accounted:
    """Two processes that run pipelines, and the account of them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.account = FleetAccount(clock=self.clock, several=True)
        for process in (1, 2):
            self.account.hear(process, ProcessStarted(process=process, pid=process))

    def tell(self, process: int, *events: Event) -> None:
        for event in events:
            self.account.hear(process, event)

    def begin(self, name: str, process: int) -> None:
        self.tell(process, PipelineStarted(pipeline=name))
        self.tell(process, WorkerStarted(pipeline=name, queue="q", table="t", version="0"))

    def done(self, asked: str = "") -> Done:
        for process in (1, 2):
            self.tell(process, ProcessEnded(process=process, exit_code=0, restart_in_seconds=None))
        return self.account.done(asked)


def stopped(name: str, received: int, *, away: str | None = None) -> Stopped:
    return Stopped(
        pipeline=name,
        received=received,
        loaded=received,
        duplicates=0,
        quarantined=0,
        released=0,
        away=away,
        seconds=1.0,
        receives=2,
        requests=3,
    )


def refused(name: str) -> PipelineEnded:
    return PipelineEnded(pipeline=name, code="sink_refused", what="no table", hint="make it", exit_code=3)


def test_each_pipeline_is_summed_over_the_processes_and_apart_from_the_others() -> None:
    accounted = Accounted()
    for process, loaded in ((1, 10), (2, 20)):
        accounted.begin("a", process)
        accounted.begin("b", process)
        accounted.clock.advance(5)
        accounted.tell(process, batch_done(loaded, pipeline="a"), batch_done(1, pipeline="b"))
        accounted.tell(process, MessagesQuarantined(pipeline="b", reason="not_json", field=None, count=process))
        accounted.tell(process, stopped("a", loaded), PipelineEnded(pipeline="a"))
    summaries = accounted.done().summaries
    assert {name: (one.loaded, one.batches) for name, one in summaries.items()} == {"a": (30, 2), "b": (2, 2)}
    assert (summaries["a"].calls.receives, summaries["a"].calls.requests) == (4, 6)
    assert (summaries["a"].quarantined_by_reason, summaries["b"].quarantined_by_reason) == ({}, {"not_json": 3})
    assert (summaries["a"].seconds, summaries["a"].stopped_by) == (10.0, "drained")


def test_a_run_that_was_killed_counts_with_what_it_told_and_its_successor_on_top() -> None:
    accounted = Accounted()
    accounted.begin("a", 1)
    accounted.tell(1, batch_done(10, pipeline="a"), KILLED, batch_done(99, pipeline="a"))
    accounted.tell(1, ProcessStarted(process=1, pid=3))
    accounted.begin("a", 1)
    accounted.tell(1, batch_done(5, pipeline="a"), Draining(pipeline="a", signal="SIGTERM"), stopped("a", 5))
    summary = accounted.done("SIGINT").summaries["a"]
    assert (summary.received, summary.loaded, summary.stopped_by) == (15, 15, "SIGINT")


def test_what_was_away_when_an_exchanged_run_ended_is_no_matter_once_the_next_has_ended_well() -> None:
    accounted = Accounted()
    accounted.begin("a", 1)
    accounted.tell(1, Draining(pipeline="a", signal="reload"), stopped("a", 3, away="database"))
    accounted.begin("a", 1)
    accounted.tell(1, batch_done(2, pipeline="a"), stopped("a", 2))
    summary = accounted.done().summaries["a"]
    assert (summary.received, summary.away, summary.stopped_by) == (5, [], "drained")


def test_what_was_away_at_the_end_in_any_process_is_told_once() -> None:
    accounted = Accounted()
    for process in (1, 2):
        accounted.begin("a", process)
        accounted.tell(process, Draining(pipeline="a", signal="SIGTERM"), stopped("a", 1, away="queue, database"))
    assert accounted.done("SIGTERM").summaries["a"].away == ["queue", "database"]


def test_one_that_was_removed_keeps_its_summary_and_leaves_no_error() -> None:
    accounted = Accounted()
    accounted.begin("gone", 1)
    accounted.tell(1, batch_done(4, pipeline="gone"), refused("gone"), PipelineEnded(pipeline="gone", configured=False))
    accounted.begin("gone", 2)
    accounted.tell(2, Draining(pipeline="gone", signal="reload"), stopped("gone", 1))
    accounted.tell(2, PipelineEnded(pipeline="gone", configured=False))
    done = accounted.done("SIGTERM")
    assert (done.errors, done.summaries["gone"].loaded, done.summaries["gone"].stopped_by) == ({}, 4, "reload")


def test_the_first_error_that_stands_comes_first_with_its_exit_code_and_one_that_was_mended_does_not() -> None:
    accounted = Accounted()
    accounted.tell(1, refused("mended"), PipelineEnded(pipeline="a", code="keyring", what="k", hint="", exit_code=4))
    accounted.tell(2, PipelineStarted(pipeline="b"), refused("b"), refused("a"))
    accounted.begin("mended", 1)
    done = accounted.done()
    assert [(name, getattr(error, "exit_code", 0)) for name, error in done.errors.items()] == [
        ("a", ExitCode.KEYS),
        ("b", ExitCode.UNAVAILABLE),
    ]
    assert "b" not in done.summaries


def test_the_errors_of_a_process_that_is_started_again_are_for_its_successor_to_tell() -> None:
    accounted = Accounted()
    accounted.tell(1, PipelineEnded(pipeline="a", code="unexpected", what="w", hint="", exit_code=1), KILLED)
    assert accounted.done().errors == {}
