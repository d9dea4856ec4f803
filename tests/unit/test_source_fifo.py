"""Order per FIFO group: what goes back takes what follows it along, and no other group waits."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sofetch.ack import Acknowledgement
from sofetch.source.agenda import Agenda, Call
from sofetch.source.clerk import Clerk
from sofetch.source.pace import Pace
from sofetch.source.registry import Registry
from sofetch.source.transport import MAX_VISIBILITY_SECONDS, EntryFailure, RawMessage

BUSY = EntryFailure(0, "InternalError", False)


def raw(name: str, *, handle: str = "h1", whole: bool = True) -> RawMessage:
    """The message of this name: its group and its place in it, as in ``a1``."""
    return RawMessage(
        id=name,
        receipt_handle=f"{name}-{handle}",
        body=b"{}",
        group_id=name[0],
        sequence_number=name[1:].rjust(20, "0"),
        whole=whole,
    )


class Counter:
    """A clerk, and what fleets and consumer do with it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.registry = Registry(max_messages=100, max_bytes=1 << 24)
        self.clerk = Clerk(
            self.registry, Agenda(self.registry, jitter=lambda: 1.0), Pace(receivers=4, wait_seconds=0), queue="q.fifo"
        )
        self.clerk.want(50)

    def arrive(self, *raws: RawMessage, late_seconds: float = 0) -> int:
        permit = self.clerk.permit(now=self.now)
        assert permit is not None
        self.now += late_seconds
        return self.clerk.arrived(permit, raws, now=self.now, received_ms=0)

    def give(self, most: int = 50) -> list[str]:
        return [message.id for message in self.clerk.give(max_messages=most, max_bytes=1 << 20)]

    def settle(self, *, delete: Iterable[str] = (), release: Iterable[str] = ()) -> None:
        self.clerk.settle(Acknowledgement(tuple(delete), tuple(release), 7), now=self.now)

    def call(self, call: Call, *failures: EntryFailure) -> dict[str, int]:
        """The next call, which must be of this kind, answered at once; its entries and their seconds."""
        self.now += 1
        work = self.clerk.next_work(now=self.now)
        assert work is not None
        assert work.call is call
        self.clerk.work_answered(work, failures, started=self.now, now=self.now)
        return {entry.message_id: entry.seconds for entry in work.entries}


def test_what_follows_a_released_message_in_its_group_goes_back_unloaded_and_other_groups_go_on() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"), raw("b1"), raw("a3"), raw("b2"))
    assert counter.give(1) == ["a1"]
    counter.settle(release=["a1"])
    assert counter.give() == ["b1", "b2"]
    assert counter.call(Call.RELEASE) == {"a1": 7, "a2": 7, "a3": 7}


def test_what_came_before_a_released_message_is_still_loaded() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"), raw("a3"))
    assert counter.give(2) == ["a1", "a2"]
    counter.settle(delete=["a1"], release=["a2"])
    assert counter.give() == []
    assert counter.call(Call.RELEASE) == {"a2": 7, "a3": 7}


def test_a_message_that_comes_while_one_before_it_is_on_its_way_back_goes_back_too() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"))
    counter.give(1)
    counter.settle(release=["a1"])
    counter.arrive(raw("a1", handle="h2"), raw("a2", handle="h2"), raw("a3"), raw("b1"))
    assert counter.give() == ["b1"]
    assert counter.call(Call.RELEASE) == {"a1": 7, "a2": 7, "a3": 7}


def test_once_a_group_is_back_in_the_queue_it_is_loaded_in_order() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"))
    counter.give(1)
    counter.settle(release=["a1"])
    counter.call(Call.RELEASE)
    counter.arrive(raw("a2", handle="h2"), raw("a1", handle="h2"))
    assert counter.give() == ["a1", "a2"]


def test_an_earlier_message_is_given_while_later_ones_of_its_group_are_on_their_way_back() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"))
    counter.give(1)
    counter.settle(release=["a1"])
    counter.call(Call.RELEASE, EntryFailure(1, "InternalError", False))
    counter.arrive(raw("a1", handle="h2"))
    assert counter.give() == ["a1"]


def test_a_delete_that_fails_for_the_first_and_succeeds_for_the_second_is_repeated() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), raw("a2"))
    counter.give()
    counter.settle(delete=["a1", "a2"])
    counter.call(Call.DELETE, BUSY)
    assert counter.give() == []
    assert list(counter.call(Call.DELETE)) == ["a1"]


def test_a_damaged_message_is_counted_and_holds_up_its_group_alone() -> None:
    counter = Counter()
    assert counter.arrive(raw("a1"), raw("a2", whole=False), raw("a3"), raw("b1")) == 1
    assert counter.give() == ["a1", "b1"]
    assert counter.clerk.state().tally.damaged == 1
    assert counter.clerk.state().held == 2


def test_in_a_standard_queue_groups_bind_nothing() -> None:
    counter = Counter()
    unordered = [
        RawMessage(id=name, receipt_handle=name, body=b"{}", group_id="a", whole=name != "x") for name in "wxyz"
    ]
    counter.arrive(*unordered)
    assert counter.give(1) == ["w"]
    counter.settle(release=["w"])
    assert counter.give() == ["y", "z"]


def test_an_answer_that_was_long_on_its_way_does_not_replace_a_newer_receipt_handle() -> None:
    counter = Counter()
    counter.arrive(*[raw(f"b{number}") for number in range(1, 7)])  # so many that two receivers poll
    slow = counter.clerk.permit(now=counter.now)
    assert slow is not None
    counter.now += 40
    counter.arrive(raw("a1", handle="new"))
    counter.clerk.arrived(slow, [raw("a1", handle="old")], now=counter.now, received_ms=0)
    held = counter.registry.get("a1")
    assert held is not None
    assert held.receipt_handle == "a1-new"


def test_what_is_given_back_after_a_long_hold_takes_along_what_follows_it() -> None:
    counter = Counter()
    counter.arrive(raw("a1"))
    counter.now += 60
    counter.arrive(raw("a2"), raw("b1"))
    counter.now += MAX_VISIBILITY_SECONDS - 1_230
    counter.clerk.next_work(now=counter.now)
    assert counter.give() == ["b1"]


def test_visibility_is_reckoned_from_when_the_queue_handed_out_not_from_when_the_answer_came() -> None:
    counter = Counter()
    counter.arrive(raw("a1"), late_seconds=20)
    assert counter.clerk.work_at() == pytest.approx(115)
