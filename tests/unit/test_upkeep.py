"""Upkeep by a worker: at most once an hour, idle or not, and whatever happens in it, the worker goes on."""

from __future__ import annotations

from datetime import UTC, datetime

from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events, MaintenanceFailed, PartitionsKept, PartitionsSeen, Unexpected
from sofetch.load.partitions.maintain import Maintenance
from sofetch.testing import FakeClock
from sofetch.upkeep import AGAIN_SECONDS, BRIEF_SECONDS, OVERDUE_SECONDS, UPKEEP_SECONDS, Upkeep


class Keeper:
    """Does what it is told to, and notes how many seconds it was given each time."""

    def __init__(self, outcome: Maintenance | Exception) -> None:
        self.outcome = outcome
        self.given: list[float | None] = []

    def __call__(self, within_seconds: float | None) -> Maintenance:
        self.given.append(within_seconds)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def told(outcome: Maintenance | Exception) -> list[Event]:
    heard: list[Event] = []
    Upkeep(Keeper(outcome), clock=FakeClock(), events=Events(heard.append))()
    return heard


def test_it_is_done_at_the_first_idle_moment_and_then_once_an_hour() -> None:
    clock, keeper = FakeClock(), Keeper(Maintenance(dry_run=False))
    upkeep = Upkeep(keeper, clock=clock, events=Events())
    upkeep()
    upkeep()
    assert keeper.given == [None]
    clock.advance(UPKEEP_SECONDS - 1)
    upkeep()
    assert keeper.given == [None]
    clock.advance(1)
    upkeep()
    assert keeper.given == [None, None]


def test_a_worker_that_is_never_idle_does_it_in_brief_some_minutes_later_and_then_once_an_hour() -> None:
    clock, keeper = FakeClock(), Keeper(Maintenance(dry_run=False))
    upkeep, done, start = Upkeep(keeper, clock=clock, events=Events()), list[float](), clock.monotonic()
    for _ in range(100):
        upkeep.meanwhile()
        done += [clock.monotonic() - start] if len(keeper.given) > len(done) else []
        clock.advance(60)
    assert done == [OVERDUE_SECONDS, 2 * OVERDUE_SECONDS + UPKEEP_SECONDS]
    assert keeper.given == [BRIEF_SECONDS, BRIEF_SECONDS]
    clock.advance(UPKEEP_SECONDS)
    upkeep()
    upkeep.meanwhile()
    assert keeper.given == [BRIEF_SECONDS, BRIEF_SECONDS, None]


def test_it_comes_again_soon_where_another_maintenance_was_under_way() -> None:
    clock, keeper = FakeClock(), Keeper(Maintenance(dry_run=False, busy=True))
    upkeep = Upkeep(keeper, clock=clock, events=Events())
    upkeep()
    clock.advance(AGAIN_SECONDS - 1)
    upkeep()
    assert len(keeper.given) == 1
    clock.advance(1)
    upkeep()
    assert len(keeper.given) == 2


def test_what_was_done_is_told_and_nothing_where_there_was_nothing_to_do() -> None:
    done = Maintenance(dry_run=False, made=["t_p20261127"], moved_rows=5, postponed=["t_p20261128"])
    assert told(done) == [PartitionsKept(made=1, moved_rows=5, dropped=0, expired_rows=0, postponed=1)]
    assert told(Maintenance(dry_run=False)) == []
    assert told(Maintenance(dry_run=False, busy=True)) == []


def test_until_when_there_are_partitions_is_told_each_time_it_was_looked_up() -> None:
    ends = datetime(2026, 11, 29, tzinfo=UTC)
    assert told(Maintenance(dry_run=False, ends=ends)) == [PartitionsSeen(ends_ms=1_795_910_400_000)]


def test_a_failure_is_told_of_and_does_not_stop_the_worker() -> None:
    assert told(SinkUnavailable("the disk is full")) == [
        MaintenanceFailed(code="sink_unavailable", what="the disk is full")
    ]
    [event] = told(ValueError("ana@example.org"))
    assert isinstance(event, Unexpected)
    assert "ana" not in str(event)
