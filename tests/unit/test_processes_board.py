"""What is shown of several pipelines in several processes, from what these relay."""

from __future__ import annotations

import urllib.error
import urllib.request
from contextlib import closing

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from batches import batch_done
from loading import settings_for
from sofetch.events import (
    Event,
    Heartbeat,
    Outage,
    PipelineEnded,
    PipelineStarted,
    ProcessEnded,
    ProcessStarted,
    WorkerStarted,
)
from sofetch.observe.board import EndedReport
from sofetch.observe.health import HealthReport
from sofetch.observe.procfs import ProcessUse
from sofetch.observe.serving import HttpServer
from sofetch.processes.board import FleetBoard
from sofetch.settings import HttpSettings, Settings
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

USE = ProcessUse(resident_bytes=50_000_000, cpu_seconds=1.5, open_files=12, max_files=None, started_seconds=99.25)
BEAT = Heartbeat(
    held_messages=7, held_bytes=70, receives=10, empty_receives=2, deletes=6, visibility_changes=1, requests=18
)
STUCK_SECONDS = 901


def configured(*names: str, http: HttpSettings | None = None) -> list[Settings]:
    each = [settings_for([{"name": "id"}], table=name) for name in names]
    return each if http is None else [replace(one, http=http) for one in each]


class Shown:
    """Two processes with the pipelines a and b, and what the board makes of them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.board = FleetBoard(clock=self.clock, stop=Stop(), use=lambda _pid: USE)
        self.board.configure(configured("a", "b"))
        for process in (1, 2):
            self.start(process)
            for name in "ab":
                self.begin(name, process)

    def start(self, process: int) -> None:
        self.tell(process, ProcessStarted(process=process, pid=1_000 + process))

    def begin(self, name: str, process: int) -> None:
        self.tell(process, PipelineStarted(pipeline=name))
        self.tell(process, WorkerStarted(pipeline=name, queue="q", table="t", version="0"))

    def kill(self, process: int) -> None:
        self.tell(process, ProcessEnded(process=process, exit_code=-9, restart_in_seconds=0.2))

    def tell(self, process: int, *events: Event) -> None:
        for event in events:
            self.board.hear(process, event)

    def states(self) -> dict[int, dict[str, str]]:
        processes = self.board.report().processes
        return {one.process: {name: of.state for name, of in one.pipelines.items()} for one in processes}

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        families = text_string_to_metric_families(self.board.metrics().decode())
        each = [
            ((one.name, tuple(sorted(one.labels.items()))), one.value) for family in families for one in family.samples
        ]
        assert len(dict(each)) == len(each)
        return dict(each)

    def __getitem__(self, name: str) -> float:
        """A sample of pipeline a."""
        return self.samples()[name, (("pipeline", "a"),)]


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_metrics_are_summed_over_processes_by_pipeline_and_those_of_processes_stand_once(shown: Shown) -> None:
    shown.tell(1, batch_done(3, pipeline="a"), batch_done(4, pipeline="b"))
    shown.tell(2, batch_done(5, pipeline="a"))
    samples = shown.samples()
    assert samples["sofetch_rows_loaded_total", (("pipeline", "a"),)] == 8
    assert samples["sofetch_rows_loaded_total", (("pipeline", "b"),)] == 4
    assert samples["sofetch_batch_messages_count", (("pipeline", "a"),)] == 2
    assert samples["sofetch_workers", (("pipeline", "b"),)] == 2
    assert samples["sofetch_worker_cpu_seconds_total", (("process", "2"),)] == 1.5
    assert samples["process_cpu_seconds_total", ()] == 1.5


def test_counters_outlive_a_killed_process_and_its_restart_counts_once(shown: Shown) -> None:
    shown.tell(1, batch_done(3, pipeline="a"), replace(BEAT, pipeline="a"))
    shown.kill(1)
    assert (shown["sofetch_rows_loaded_total"], shown["sofetch_held_messages"], shown["sofetch_workers"]) == (3, 0, 1)
    shown.start(1)
    shown.begin("a", 1)
    shown.tell(1, batch_done(2, pipeline="a"))
    assert (shown["sofetch_rows_loaded_total"], shown["sofetch_workers"]) == (5, 2)
    assert shown.samples()["sofetch_process_restarts_total", ()] == 1


def test_calls_to_the_queue_do_not_fall_when_a_pipeline_is_exchanged(shown: Shown) -> None:
    calls = ("sofetch_queue_calls_total", (("call", "receive"), ("pipeline", "a")))
    shown.tell(1, replace(BEAT, pipeline="a"))
    shown.begin("a", 1)
    assert shown.samples()[calls] == 10
    shown.tell(1, replace(BEAT, pipeline="a", receives=1))
    assert shown.samples()[calls] == 11


def test_health_is_told_by_process_and_pipeline_and_an_outage_is_of_one_of_them(shown: Shown) -> None:
    away = Outage(pipeline="a", dependency="database", code="c", what="w", attempt=1, retry_in_seconds=1)
    shown.tell(2, away)
    assert shown.states() == {
        1: {"a": "running", "b": "running"},
        2: {"a": "paused_by_outage", "b": "running"},
    }
    shown.clock.advance(301)
    report = shown.board.report()
    second = report.processes[1].pipelines["a"]
    assert isinstance(second, HealthReport)
    assert (report.healthy, second.healthy, second.pipeline) == (False, False, "a")
    assert report.processes[0].pipelines["a"].healthy
    shown.begin("a", 2)
    assert shown.board.report().healthy


def test_one_that_was_refused_is_named_until_it_starts_again_or_its_process_is_gone(shown: Shown) -> None:
    for process in (1, 2):
        shown.tell(process, PipelineEnded(pipeline="b", code="sink_refused", exit_code=3))
    report = shown.board.report()
    assert report.processes[0].pipelines["b"] == EndedReport(healthy=False, code="sink_refused")
    assert (report.healthy, shown.board.ready()) == (False, True)
    assert shown.samples()["sofetch_workers", (("pipeline", "b"),)] == 0
    shown.begin("b", 1)
    shown.kill(2)
    assert (shown.states(), shown.board.report().healthy) == ({1: {"a": "running", "b": "running"}}, True)
    assert shown.board.report().restarting == [2]


def test_one_that_is_removed_is_shown_until_each_process_has_ended_it(shown: Shown) -> None:
    shown.board.configure(configured("a", "c"))
    shown.tell(1, PipelineEnded(pipeline="b", configured=False))
    assert shown.states()[2] == {"a": "running", "b": "running"}
    assert b'pipeline="b"' in shown.board.metrics()
    shown.tell(2, PipelineEnded(pipeline="b", configured=False))
    assert b'pipeline="b"' not in shown.board.metrics()
    shown.begin("c", 1)
    assert shown.states() == {1: {"a": "running", "c": "running"}, 2: {"a": "running"}}


def test_a_silent_pipeline_of_one_process_is_stuck_and_one_that_ended_is_not(shown: Shown) -> None:
    shown.clock.advance(STUCK_SECONDS)
    shown.tell(1, batch_done(1, pipeline="a"), batch_done(1, pipeline="b"))
    shown.tell(2, batch_done(1, pipeline="a"))
    assert not shown.board.live()
    for process in (1, 2):
        shown.tell(process, PipelineEnded(pipeline="b"))
    shown.clock.advance(STUCK_SECONDS)
    for process in (1, 2):
        shown.tell(process, batch_done(1, pipeline="a"))
    assert shown.board.live()


def test_other_bounds_count_from_the_reload_on(shown: Shown) -> None:
    shown.board.configure(configured("a", "b", http=HttpSettings(unhealthy_after_seconds=5, stuck_after_seconds=60)))
    shown.begin("a", 1)
    shown.tell(1, Outage(pipeline="a", dependency="queue", code="c", what="w", attempt=1, retry_in_seconds=1))
    shown.clock.advance(6)
    assert (shown.board.report().healthy, shown.board.live()) == (False, True)
    shown.clock.advance(60)
    shown.tell(1, batch_done(1, pipeline="b"))
    shown.tell(2, batch_done(1, pipeline="a"), batch_done(1, pipeline="b"))
    assert not shown.board.live()


def test_a_process_that_does_not_get_to_its_pipelines_is_stuck(shown: Shown) -> None:
    shown.kill(2)
    shown.start(2)
    shown.clock.advance(STUCK_SECONDS)
    shown.tell(1, batch_done(1, pipeline="a"), batch_done(1, pipeline="b"))
    assert not shown.board.live()


def test_it_is_ready_while_any_works_and_without_a_process_nothing_is_well(shown: Shown) -> None:
    shown.kill(1)
    assert shown.board.ready()
    shown.kill(2)
    assert (shown.board.ready(), shown.board.report().healthy, shown.states()) == (False, False, {})


def test_it_answers_over_http(shown: Shown) -> None:
    with closing(HttpServer("127.0.0.1:0", shown.board.pages())) as server:
        for path in ("/health", "/livez", "/readyz", "/metrics"):
            with urllib.request.urlopen(f"http://{server.address}{path}", timeout=10) as answer:
                assert answer.status == 200
        shown.tell(1, PipelineEnded(pipeline="b", code="sink_refused", exit_code=3))
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{server.address}/health", timeout=10)
        caught.value.close()
        assert caught.value.code == 503
