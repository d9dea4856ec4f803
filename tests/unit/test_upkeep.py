"""Upkeep by an idle worker: at most once an hour, and whatever happens in it, the worker goes on."""

from __future__ import annotations

from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events, MaintenanceFailed, PartitionsKept, Unexpected
from sofetch.load.maintain import Maintenance
from sofetch.testing import FakeClock
from sofetch.upkeep import UPKEEP_SECONDS, Upkeep


class Keeper:
    """Does what it is told to, and counts how often it was asked."""

    def __init__(self, outcome: Maintenance | Exception) -> None:
        self.outcome = outcome
        self.times = 0

    def __call__(self) -> Maintenance:
        self.times += 1
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
    assert keeper.times == 1
    clock.advance(UPKEEP_SECONDS - 1)
    upkeep()
    assert keeper.times == 1
    clock.advance(1)
    upkeep()
    assert keeper.times == 2


def test_what_was_done_is_told_and_nothing_where_there_was_nothing_to_do() -> None:
    done = Maintenance(dry_run=False, made=["t_p20261127"], moved_rows=5, postponed=["t_p20261128"])
    assert told(done) == [PartitionsKept(made=1, moved_rows=5, dropped=0, expired_rows=0, postponed=1)]
    assert told(Maintenance(dry_run=False)) == []
    assert told(Maintenance(dry_run=False, busy=True)) == []


def test_a_failure_is_told_of_and_does_not_stop_the_worker() -> None:
    assert told(SinkUnavailable("the disk is full")) == [
        MaintenanceFailed(code="sink_unavailable", what="the disk is full")
    ]
    [event] = told(ValueError("ana@example.org"))
    assert isinstance(event, Unexpected)
    assert "ana" not in str(event)
