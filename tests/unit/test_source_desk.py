"""What the desk tells the consumer of calls that go on failing."""

from __future__ import annotations

import pytest

from sofetch.ack import Acknowledgement
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import Message
from sofetch.source.agenda import Agenda
from sofetch.source.clerk import Clerk
from sofetch.source.desk import Desk
from sofetch.source.pace import Pace
from sofetch.source.registry import Registry
from sofetch.source.transport import RawMessage
from sofetch.testing import FakeClock


class Round:
    """A desk with one message of it loaded, whose delete is planned."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        registry = Registry(max_messages=100, max_bytes=1 << 24)
        agenda = Agenda(registry, jitter=lambda: 1.0)
        clerk = Clerk(registry, agenda, Pace(receivers=1, wait_seconds=1), queue="q")
        self.desk = Desk(clerk, clock=self.clock)
        self.gather()
        self.receive([RawMessage(id="a", receipt_handle="h", body=b"{}")])
        assert [message.id for message in self.gather()] == ["a"]
        self.desk.settle(Acknowledgement(delete=("a",)))

    def gather(self) -> list[Message]:
        return list(self.desk.gather(max_messages=10, max_bytes=1_000, wait_seconds=0))

    def receive(self, raws: list[RawMessage]) -> None:
        permit = self.desk.permit()
        assert permit is not None
        self.desk.arrived(permit, raws)

    def fail_delete(self, error: SourceUnavailable | SourceRefused) -> None:
        self.clock.advance(60)
        work = self.desk.next_work()
        while work is not None and work.call.name != "DELETE":
            self.desk.work_answered(work, [], started=self.clock.monotonic())
            work = self.desk.next_work()
        assert work is not None
        self.desk.work_failed(work, error)


def test_refused_deletes_are_told_though_receives_go_on_succeeding() -> None:
    round_ = Round()
    for _ in range(3):
        round_.receive([])
        round_.fail_delete(SourceRefused("denied", code="denied"))
    with pytest.raises(SourceRefused):
        round_.gather()


def test_deletes_that_go_on_failing_are_told_though_receives_go_on_succeeding() -> None:
    round_ = Round()
    for _ in range(3):
        round_.receive([])
        round_.fail_delete(SourceUnavailable("away"))
    with pytest.raises(SourceUnavailable):
        round_.gather()


def test_two_failed_deletes_are_borne_in_silence() -> None:
    round_ = Round()
    for _ in range(2):
        round_.receive([])
        round_.fail_delete(SourceUnavailable("away"))
    assert round_.gather() == []


def test_a_release_after_an_empty_answer_is_waited_for() -> None:
    round_ = Round()
    round_.receive([RawMessage(id="b", receipt_handle="h", body=b"{}")])
    round_.gather()
    round_.receive([])
    round_.desk.settle(Acknowledgement(release=("b",)))
    round_.clock.advance(1)
    for _ in range(2):  # the release and the delete
        work = round_.desk.next_work()
        assert work is not None
        round_.desk.work_answered(work, [], started=round_.clock.monotonic())
    round_.clock.advance(1)
    assert not round_.desk.drained()
    round_.receive([])
    assert round_.desk.drained()


def test_whoever_asks_for_more_after_the_end_gets_what_came_since() -> None:
    round_ = Round()
    round_.clock.advance(1)
    work = round_.desk.next_work()
    assert work is not None
    round_.desk.work_answered(work, [], started=round_.clock.monotonic())
    round_.receive([])
    assert round_.desk.drained()
    assert round_.gather() == []
    round_.receive([RawMessage(id="c", receipt_handle="h", body=b"{}")])
    assert [message.id for message in round_.gather()] == ["c"]


def test_a_throttled_receive_stops_every_receiver_for_longer_each_time() -> None:
    """Ten receivers that all go on calling are what throttling is against."""
    clock = FakeClock()
    registry = Registry(max_messages=1_000, max_bytes=1 << 28)
    clerk = Clerk(registry, Agenda(registry, jitter=lambda: 1.0), Pace(receivers=10, wait_seconds=1), queue="q")
    clerk.want(500)
    calls = 0
    for number in range(12):
        permits = []
        while (permit := clerk.permit(now=clock.monotonic())) is not None:
            permits.append(permit)
        calls += len(permits)
        for permit in permits:
            clerk.receive_failed(permit, SourceUnavailable("throttled"), now=clock.monotonic())
        assert clerk.permit(now=clock.monotonic()) is None
        pause = clerk.permit_at() - clock.monotonic()
        assert pause == min(30.0, 0.25 * 2**number)
        clock.advance(pause)
    assert calls == 12, "one scout asks whether it is over"


def test_a_throttled_delete_stops_every_deleter_and_a_success_lets_them_go_on() -> None:
    registry = Registry(max_messages=1_000, max_bytes=1 << 28)
    clerk = Clerk(registry, Agenda(registry, jitter=lambda: 1.0), Pace(receivers=1, wait_seconds=1), queue="q")
    clerk.want(100)
    for start in range(0, 100, 10):
        permit = clerk.permit(now=0)
        assert permit is not None
        raws = [RawMessage(id=f"m{start + at}", receipt_handle="h", body=b"{}") for at in range(10)]
        clerk.arrived(permit, raws, now=0, received_ms=0)
    given = clerk.give(max_messages=100, max_bytes=1 << 20)
    clerk.settle(Acknowledgement(delete=tuple(message.id for message in given)), now=0)
    first, second = clerk.next_work(now=0), clerk.next_work(now=0)
    assert first is not None
    assert second is not None
    clerk.work_failed(first, SourceUnavailable("throttled"), now=0)
    clerk.work_failed(second, SourceUnavailable("throttled"), now=0)
    assert clerk.next_work(now=0.4) is None
    third = clerk.next_work(now=0.5)
    assert third is not None
    clerk.work_answered(third, [], started=0.5, now=0.5)
    assert clerk.next_work(now=0.5) is not None
    assert clerk.next_work(now=0.5) is not None
