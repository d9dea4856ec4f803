"""Alive and ready: what each says of a worker, and of several."""

from __future__ import annotations

import urllib.request
from urllib.error import HTTPError

from sofetch.events import (
    BatchDone,
    BreakerChanged,
    Event,
    Events,
    Failed,
    Heartbeat,
    LibraryWarning,
    Outage,
    ProcessEnded,
    ProcessStarted,
    WorkerStarted,
)
from sofetch.observe.metrics import Metrics
from sofetch.observe.probes import Probes
from sofetch.observe.serving import HttpServer, pages
from sofetch.processes.health import FleetReport
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

BOUND = 900.0
STARTED = WorkerStarted(pipeline="p", queue="q", table="t", version="0")
BEAT = Heartbeat(
    held_messages=0, held_bytes=0, receives=0, empty_receives=0, deletes=0, visibility_changes=0, requests=0
)
AWAY = Outage(dependency="database", code="c", what="w", attempt=1, retry_in_seconds=0.1)


class Place:
    def __init__(self) -> None:
        self.clock, self.stop = FakeClock(), Stop()
        self.probes = Probes(clock=self.clock, stop=self.stop, stuck_after_seconds=BOUND)

    def after(self, seconds: float, event: Event | None = None, *, process: int = 1) -> tuple[bool, bool]:
        """Time passes, an event is told; alive and ready then."""
        self.clock.advance(seconds)
        if event is not None:
            self.probes.hear(process, event)
        return self.probes.live(), self.probes.ready()


def test_a_worker_is_ready_from_its_start_until_it_is_asked_to_stop() -> None:
    place = Place()
    assert place.after(1) == (True, False)
    assert place.after(1, STARTED) == (True, True)
    place.stop.ask()
    assert place.after(1) == (True, False)


def test_an_outage_makes_nobody_dead_nor_unready_however_long_it_is() -> None:
    place = Place()
    place.after(1, STARTED)
    for _ in range(100):
        assert place.after(30, AWAY) == (True, True)
        assert place.after(30, BreakerChanged(dependency="database", state="half_open", attempts=1)) == (True, True)


def test_a_start_that_waits_for_its_database_is_alive_and_not_ready() -> None:
    place = Place()
    for _ in range(100):
        assert place.after(30, AWAY) == (True, False)


def test_a_loop_that_falls_silent_is_dead_whatever_other_threads_say() -> None:
    place = Place()
    place.after(1, STARTED)
    assert place.after(BOUND) == (True, True)
    assert place.after(1, LibraryWarning(logger="urllib3")) == (False, True)
    assert place.after(1, BEAT) == (True, True)


def test_one_silent_worker_of_several_is_enough() -> None:
    place = Place()
    for process in (1, 2):
        place.after(0, ProcessStarted(process=process, pid=process), process=process)
        place.after(0, STARTED, process=process)
    place.after(BOUND, BEAT, process=1)
    assert place.after(1, BEAT, process=1) == (False, True)
    assert place.after(0, ProcessEnded(process=2, exit_code=-9, restart_in_seconds=1.0), process=2) == (True, True)
    assert place.after(BOUND + 1, BEAT, process=1) == (True, True)


def test_a_fleet_without_a_worker_that_works_is_not_ready() -> None:
    place = Place()
    assert place.after(0, ProcessStarted(process=1, pid=1)) == (True, False)
    place.after(0, STARTED)
    assert place.after(0, ProcessEnded(process=1, exit_code=1, restart_in_seconds=30.0)) == (True, False)
    assert place.after(BOUND + 1) == (False, False)  # the supervisor should have started another long ago
    assert place.after(0, ProcessStarted(process=1, pid=2)) == (True, False)


def test_a_worker_that_failed_is_no_longer_ready() -> None:
    place = Place()
    place.after(0, STARTED)
    assert place.after(0, Failed(code="denied", what="w", hint="h")) == (True, False)


def test_probes_and_metrics_are_served_as_text() -> None:
    place = Place()
    events = Events()
    metrics = Metrics(events.counters, clock=place.clock, use=lambda _pid: None, pid=1)
    served = pages(
        report=lambda: FleetReport(healthy=True, version="0", up_seconds=0, processes=[], restarting=[]),
        probes=place.probes,
        metrics=metrics,
    )
    server = HttpServer("127.0.0.1:0", served)
    try:
        assert ask(server, "/livez") == (200, "ok\n", "text/plain; charset=utf-8")
        assert ask(server, "/readyz") == (503, "not ready\n", "text/plain; charset=utf-8")
        events.emit(
            BatchDone(
                messages=1, loaded=1, duplicates=0, quarantined=0, retried=0, body_bytes=1, milliseconds=1,
                oldest_age_ms=1,
            )
        )  # fmt: skip
        status, text, kind = ask(server, "/metrics")
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "\nsofetch_rows_loaded_total 1\n" in text
        place.after(BOUND + 1)
        assert ask(server, "/livez")[:2] == (503, "stuck\n")
        assert ask(server, "/health")[0] == 200
    finally:
        server.close()


def ask(server: HttpServer, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://{server.address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers["Content-Type"]
