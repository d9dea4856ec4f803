"""Health of several workers: each reported by what it relays, and all of them together."""

from __future__ import annotations

import msgspec

from sofetch.breaker import Breakers
from sofetch.events import BatchDone, BreakerChanged, Outage, ProcessEnded, ProcessStarted, WorkerStarted
from sofetch.observe.health import Health
from sofetch.processes.health import FleetHealth
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

BOUND_SECONDS = 300
AWAY = Outage(
    dependency="database", code="sink_unavailable", what="away", sqlstate="57P01", attempt=1, retry_in_seconds=0.2
)
STARTED = WorkerStarted(pipeline="p", queue="q", table="t", version="1")
BATCH = BatchDone(
    messages=3, loaded=2, duplicates=1, quarantined=0, retried=0, body_bytes=9, milliseconds=1, oldest_age_ms=5
)


def fleet(clock: FakeClock, *, workers: int = 2) -> FleetHealth:
    def make(breakers: Breakers) -> Health:
        return Health(pipeline="p", breakers=breakers, clock=clock, stop=Stop(), unhealthy_after_seconds=BOUND_SECONDS)

    health = FleetHealth(make, clock=clock)
    for number in range(1, workers + 1):
        health.hear(number, ProcessStarted(process=number, pid=1000 + number))
    return health


def test_each_worker_has_its_own_state_and_counts() -> None:
    health = fleet(FakeClock())
    health.hear(2, STARTED)
    health.hear(2, BATCH)
    first, second = health.report().processes
    assert (first.process, first.pid, first.health.state, first.health.counts["loaded"]) == (1, 1001, "starting", 0)
    assert (second.process, second.pid, second.health.state, second.health.counts["loaded"]) == (2, 1002, "running", 2)


def test_one_worker_whose_database_is_away_for_too_long_makes_the_whole_unwell_until_it_is_back() -> None:
    clock = FakeClock()
    health = fleet(clock)
    health.hear(1, STARTED)
    health.hear(1, AWAY)
    health.hear(1, BreakerChanged(dependency="database", state="open", attempts=1))
    clock.advance(BOUND_SECONDS - 1)
    health.hear(1, msgspec.structs.replace(AWAY, attempt=2))
    assert health.report().healthy
    clock.advance(2)
    report = health.report()
    database = report.processes[0].health.dependencies["database"]
    assert not report.healthy
    assert report.processes[1].health.healthy
    assert (database.breaker, database.attempts, database.sqlstate) == ("open", 2, "57P01")
    assert database.for_seconds == BOUND_SECONDS + 1
    assert report.processes[0].health.state == "paused_by_outage"
    health.hear(1, BreakerChanged(dependency="database", state="half_open", attempts=2))
    assert health.report().processes[0].health.dependencies["database"].breaker == "half_open"
    health.hear(1, BreakerChanged(dependency="database", state="closed", attempts=0))
    assert health.report().healthy
    assert health.report().processes[0].health.state == "running"


def test_a_worker_that_ended_is_no_longer_reported_and_its_successor_begins_anew() -> None:
    health = fleet(FakeClock())
    health.hear(1, AWAY)
    health.hear(1, ProcessEnded(process=1, exit_code=-9, restart_in_seconds=0.2))
    health.hear(1, BATCH)
    assert [one.process for one in health.report().processes] == [2]
    assert health.report().restarting == [1]
    health.hear(1, ProcessStarted(process=1, pid=7))
    assert health.report().restarting == []
    first = health.report().processes[0]
    assert (first.pid, first.health.dependencies["database"].breaker) == (7, "closed")


def test_a_worker_that_is_done_does_not_wait_to_be_started_again() -> None:
    health = fleet(FakeClock())
    health.hear(1, ProcessEnded(process=1, exit_code=0, restart_in_seconds=None))
    assert health.report().restarting == []


def test_without_a_worker_nothing_is_well() -> None:
    assert not fleet(FakeClock(), workers=0).report().healthy
