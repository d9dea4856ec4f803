"""What is held, and how much room there is."""

from __future__ import annotations

from sofetch.record import Message
from sofetch.source.registry import Held, Registry, Stage
from sofetch.source.transport import MAX_MESSAGE_BYTES, RawMessage


def raw(message_id: str, *, handle: str = "h1", size: int = 100, sent_ms: int | None = None) -> RawMessage:
    return RawMessage(id=message_id, receipt_handle=handle, body=b"x" * size, sent_ms=sent_ms)


def message(of: RawMessage) -> Message:
    return Message(id=of.id, body=of.body, queue="q", sent_ms=None, received_ms=0)


def hold(registry: Registry, one: RawMessage) -> Held:
    held = registry.arrive(one, received_at=0, visible_at=30)
    assert held is not None
    registry.buffer(message(one))
    return held


def test_a_second_delivery_replaces_the_handle_and_is_not_new() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    held = hold(registry, raw("a"))
    assert registry.arrive(raw("a", handle="h2"), received_at=5, visible_at=35) is None
    assert (held.receipt_handle, held.visible_at, len(registry)) == ("h2", 35, 1)


def test_a_lost_message_that_comes_again_is_ours_again() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    held = hold(registry, raw("a"))
    held.lost, held.attempts = True, 2
    registry.arrive(raw("a", handle="h2"), received_at=5, visible_at=35)
    assert (held.lost, held.attempts) == (False, 0)


def test_the_oldest_is_told_until_it_is_settled_be_it_given_or_not() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    assert registry.oldest_sent_ms is None
    oldest, _, unknown = [hold(registry, raw(name, sent_ms=at)) for name, at in (("a", 5), ("b", 9), ("c", None))]
    assert registry.oldest_sent_ms == 5
    registry.give(max_messages=1, max_bytes=1_000)
    assert registry.oldest_sent_ms == 5
    registry.settle(oldest, Stage.DELETING)  # it is durable, and waits for its delete alone
    assert registry.oldest_sent_ms == 9
    assert unknown.sent_ms is None


def test_room_for_messages_is_reserved_before_they_are_received() -> None:
    registry = Registry(max_messages=15, max_bytes=1 << 30)
    registry.learn_sizes([raw("a")])
    first, second, third = registry.reserve(), registry.reserve(), registry.reserve()
    assert first is not None
    assert second is not None
    assert (first.messages, second.messages, third) == (10, 5, None)
    registry.free(first)
    assert registry.reserve() == first


def test_room_for_bytes_is_reserved_for_the_worst_until_sizes_are_known() -> None:
    registry = Registry(max_messages=5_000, max_bytes=16 * MAX_MESSAGE_BYTES)
    reservations = [registry.reserve() for _ in range(3)]
    assert [one and one.messages for one in reservations] == [10, 6, None]


def test_known_small_bodies_let_many_calls_go() -> None:
    registry = Registry(max_messages=5_000, max_bytes=16 * MAX_MESSAGE_BYTES)
    for _ in range(60):
        registry.learn_sizes([raw("a", size=500)])
    assert all(registry.reserve() for _ in range(64))


def test_one_large_body_makes_the_next_reservations_careful_at_once() -> None:
    registry = Registry(max_messages=5_000, max_bytes=16 * MAX_MESSAGE_BYTES)
    for _ in range(60):
        registry.learn_sizes([raw("a", size=500)])
    registry.learn_sizes([raw("b", size=MAX_MESSAGE_BYTES)])
    reservations = [registry.reserve() for _ in range(5)]
    assert [one and one.messages for one in reservations] == [4, 4, 4, 4, None]


def test_one_call_may_always_go_when_nothing_is_held() -> None:
    registry = Registry(max_messages=10, max_bytes=1)
    reservation = registry.reserve()
    assert reservation is not None
    assert reservation.messages == 1
    assert registry.reserve() is None


def test_settled_bodies_give_their_bytes_back_but_count_until_they_are_answered() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    held = hold(registry, raw("a", size=700))
    registry.give(max_messages=1, max_bytes=1)
    registry.settle(held, Stage.DELETING)
    assert (registry.held_bytes, len(registry)) == (0, 1)
    registry.forget(held)
    assert (registry.held_bytes, len(registry)) == (0, 0)


def test_giving_keeps_the_order_of_arrival_and_both_limits() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    for name in "abcde":
        hold(registry, raw(name, size=100))
    given = [[one.id for one in registry.give(max_messages=3, max_bytes=250)] for _ in range(4)]
    assert given == [["a", "b"], ["c", "d"], ["e"], []]
    assert registry.buffered_bytes == 0


def test_nothing_of_a_message_is_shown_by_what_holds_it() -> None:
    registry = Registry(max_messages=100, max_bytes=1 << 24)
    one = RawMessage(id="a", receipt_handle="secret-handle", body=b"canary@example.org")
    held = hold(registry, one)
    assert "canary" not in f"{one!r}{held!r}"
    assert "secret-handle" not in f"{one!r}{held!r}"


def test_one_call_asks_for_no_more_than_a_moderate_answer() -> None:
    registry = Registry(max_messages=5_000, max_bytes=64 * MAX_MESSAGE_BYTES)
    registry.learn_sizes([raw("a", size=MAX_MESSAGE_BYTES)])
    reservation = registry.reserve()
    assert reservation is not None
    assert reservation.messages == 4
