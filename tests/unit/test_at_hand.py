"""The age of the oldest message at hand: it grows in an outage, ends with a backlog, and is not told when unknown."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sofetch.breaker import Breakers
from sofetch.calls import Calls
from sofetch.errors import SinkUnavailable
from sofetch.events import (
    BatchDone,
    BreakerChanged,
    Event,
    Events,
    Failed,
    Heartbeat,
    ProcessEnded,
    ProcessStarted,
    Stopped,
)
from sofetch.observe.metrics import Metrics
from sofetch.observe.pulse import PULSE_SECONDS, Pulse
from sofetch.outages import Outages
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

NAME = "sofetch_oldest_message_age_seconds"
IDLE = Heartbeat(
    held_messages=0, held_bytes=0, receives=0, empty_receives=0, deletes=0, visibility_changes=0, requests=0
)
HOLDS = replace(IDLE, held_messages=7, held_bytes=70, oldest_age_ms=4_000)
BATCH = BatchDone(
    messages=1, loaded=1, duplicates=0, quarantined=0, retried=0, body_bytes=9, milliseconds=30, oldest_age_ms=2_500
)
STOPPED = Stopped(received=0, loaded=0, duplicates=0, quarantined=0, released=0, away=None, seconds=1.0)


class Told:
    """The metrics of workers that told these events; each worker is a process where there is a supervisor."""

    def __init__(self, *events: Event, supervising: bool = False) -> None:
        self.clock = FakeClock()
        counters, use = Events().counters, lambda _pid: None
        self.metrics = Metrics(counters, clock=self.clock, use=use, pid=1, supervising=supervising)
        self.tell(*events)

    def tell(self, *events: Event, process: int = 1) -> None:
        for event in events:
            self.metrics.hear(process, event)

    def age(self) -> object:
        """As it is shown; None where it is not."""
        return {name: value for name, _, value in self.metrics.samples()}.get(NAME)


def test_before_anything_is_known_there_is_no_age_and_an_idle_worker_s_is_0() -> None:
    told = Told()
    assert told.age() is None
    told.tell(IDLE)
    assert told.age() == 0


def test_in_an_outage_the_age_of_what_is_held_grows_with_time() -> None:
    told = Told(IDLE, BATCH, HOLDS, BreakerChanged(dependency="database", state="open", attempts=1))
    assert told.age() == 4
    told.clock.advance(600)
    assert told.age() == 604


def test_an_hour_without_messages_does_not_age_what_comes_after_it() -> None:
    told = Told(BATCH, IDLE, IDLE)
    told.clock.advance(3_600)
    told.tell(HOLDS)
    assert told.age() == 4


def test_after_a_backlog_the_age_is_0_and_does_not_stay_at_what_it_was() -> None:
    told = Told(replace(HOLDS, oldest_age_ms=3_600_000), replace(BATCH, oldest_age_ms=3_600_000))
    assert told.age() == 3_600
    told.tell(IDLE)  # the next batch may be on its way
    assert told.age() == 3_600
    told.clock.advance(PULSE_SECONDS)
    told.tell(IDLE)
    assert told.age() == 0


def test_while_batches_follow_one_another_it_is_that_of_the_last_one() -> None:
    told = Told(IDLE, BATCH, IDLE)
    told.clock.advance(1)
    assert told.age() == 2.5  # nothing is held that could grow older
    told.tell(replace(BATCH, oldest_age_ms=300))
    assert told.age() == 0.3
    told.tell(IDLE, replace(BATCH, oldest_age_ms=None))  # a queue that does not say when a message was sent
    assert told.age() == 0.3


def test_what_is_held_counts_though_batches_of_younger_messages_are_done_and_is_forgotten_when_it_is_done() -> None:
    told = Told(replace(HOLDS, oldest_age_ms=90_000), BATCH)
    told.clock.advance(1)
    assert told.age() == 91
    told.tell(IDLE)
    assert told.age() == 2.5
    told.tell(HOLDS)  # and no batch was done since: how old its messages were is no matter
    assert told.age() == 4


def test_a_clock_that_is_behind_the_queue_s_makes_no_negative_age() -> None:
    assert Told(replace(BATCH, oldest_age_ms=-40)).age() == 0


def test_while_the_queue_is_away_it_is_not_known_what_waits_but_what_is_held_is() -> None:
    away = BreakerChanged(dependency="queue", state="open", attempts=1)
    assert Told(IDLE, away).age() is None
    told = Told(HOLDS, away)
    assert told.age() == 4
    told.tell(IDLE, BreakerChanged(dependency="queue", state="closed", attempts=0))
    assert told.age() == 0


@pytest.mark.parametrize("end", [STOPPED, Failed(code="x", what="x", hint="")])
def test_what_an_ended_worker_held_is_the_queue_s_again(end: Event) -> None:
    assert Told(HOLDS, end).age() is None


def test_of_several_workers_it_is_the_oldest_and_one_that_is_killed_takes_its_own_along() -> None:
    told = Told(supervising=True)
    for process in (1, 2):
        told.tell(ProcessStarted(process=process, pid=process), process=process)
    told.tell(replace(HOLDS, oldest_age_ms=60_000), process=1)
    told.tell(IDLE, BATCH, process=2)  # of which no other's age is forgotten
    told.clock.advance(10)
    assert told.age() == 70
    told.tell(ProcessEnded(process=1, exit_code=-9, restart_in_seconds=0.2), process=1)
    assert told.age() == 2.5
    told.tell(ProcessEnded(process=2, exit_code=-9, restart_in_seconds=0.2), process=2)
    assert told.age() is None


def test_the_pulse_tells_the_age_at_each_attempt_of_an_outage() -> None:
    told, tries = Told(), 0

    class Held:
        held, held_bytes, oldest_sent_ms = 1, 9, told.clock.now_ms() - 1_000

    class Waiting(Stop):
        def wait(self, seconds: float) -> bool:
            told.clock.advance(30)
            return tries == 3

    def work() -> None:
        nonlocal tries
        tries += 1
        raise SinkUnavailable("away", hint="")

    Outages(
        Breakers(now=told.clock.monotonic()),
        clock=told.clock,
        events=Events(),
        stop=Waiting(),
        patience_seconds=None,
        turn=Pulse(look=Held, calls=Calls, clock=told.clock, events=Events(told.tell)),
    ).outlast("database", work)
    assert (tries, told.age()) == (3, 91.0)
