"""How many receivers poll, how long, and when the queue is empty."""

from __future__ import annotations

import pytest

from sofetch.source.pace import Pace, Poll


def start_all(pace: Pace, *, now: float = 0) -> list[Poll]:
    polls: list[Poll] = []
    while pace.may_poll():
        polls.append(pace.start(now=now))
    return polls


def answer(pace: Pace, poll: Poll, messages: int, *, now: float = 1, settled_at: float = 0) -> None:
    pace.answered(messages, poll=poll, now=now, settled_at=settled_at)


def busy(receivers: int) -> Pace:
    pace = Pace(receivers=receivers, wait_seconds=20)
    for _ in range(8):
        for poll in start_all(pace):
            answer(pace, poll, 10)
    return pace


def test_it_starts_with_one_scout_and_doubles_with_rich_answers() -> None:
    pace = Pace(receivers=8, wait_seconds=20)
    numbers = []
    for _ in range(6):
        polls = start_all(pace)
        numbers.append(len(polls))
        for poll in polls[1:]:
            answer(pace, poll, 1)
        answer(pace, polls[0], 10)
    assert numbers == [1, 2, 4, 8, 8, 8]


def test_a_trickle_keeps_one_scout() -> None:
    pace = Pace(receivers=8, wait_seconds=20)
    for _ in range(5):
        (poll,) = start_all(pace)
        answer(pace, poll, 1)


def test_an_empty_answer_sends_all_but_one_to_rest() -> None:
    pace = busy(4)
    polls = start_all(pace)
    assert len(polls) == 4
    for poll in polls:
        answer(pace, poll, 0)
    assert len(start_all(pace)) == 1


def test_an_idle_queue_gets_the_full_wait_and_a_busy_one_a_short_wait() -> None:
    pace = busy(1)
    (poll,) = start_all(pace)
    assert poll.wait_seconds == 1
    answer(pace, poll, 0)
    (poll,) = start_all(pace)
    assert poll.wait_seconds == 20


def test_waits_stay_short_once_someone_waits_for_the_end() -> None:
    pace = Pace(receivers=1, wait_seconds=20)
    (poll,) = start_all(pace)
    answer(pace, poll, 0)
    pace.forget_empty()
    pace.await_end()
    (poll,) = start_all(pace)
    assert poll.wait_seconds == 1


def test_nobody_polls_past_an_end_that_is_awaited_until_something_may_be_visible_again() -> None:
    pace = Pace(receivers=1, wait_seconds=20)
    pace.await_end()
    (poll,) = start_all(pace)
    answer(pace, poll, 0)
    assert start_all(pace) == []
    pace.forget_empty()
    assert len(start_all(pace)) == 1


@pytest.mark.parametrize(("wait_seconds", "needed"), [(1, 1), (20, 1), (0, 5)])
def test_a_long_poll_is_believed_at_once_and_short_polls_after_five(wait_seconds: int, needed: int) -> None:
    pace = Pace(receivers=4, wait_seconds=wait_seconds)
    answers = 0
    while not pace.empty():
        (poll,) = start_all(pace, now=answers)
        answer(pace, poll, 0, now=answers + 0.5)
        answers += 1
    assert answers == needed


def test_an_answer_says_nothing_of_what_became_visible_after_its_call_began() -> None:
    pace = Pace(receivers=1, wait_seconds=20)
    (poll,) = start_all(pace, now=0)
    answer(pace, poll, 0, now=20, settled_at=5)
    assert not pace.empty()
    (poll,) = start_all(pace, now=20)
    answer(pace, poll, 0, now=40, settled_at=5)
    assert pace.empty()


def test_a_call_that_began_before_the_empty_answer_may_still_bring_something() -> None:
    pace = busy(2)
    first, second = start_all(pace, now=10)
    answer(pace, first, 0, now=11)
    assert not pace.empty()
    answer(pace, second, 0, now=12)
    assert pace.empty()


def test_a_failed_call_is_no_empty_answer() -> None:
    pace = Pace(receivers=4, wait_seconds=20)
    (poll,) = start_all(pace)
    pace.failed(poll)
    assert not pace.empty()
    assert pace.may_poll()


def test_short_polls_are_let_run_and_long_ones_are_not() -> None:
    pace = Pace(receivers=1, wait_seconds=20)
    (short,) = start_all(pace, now=0)
    assert pace.patience(now=0.25) == 1.25
    answer(pace, short, 0)
    start_all(pace, now=10)
    assert pace.patience(now=10.25) == 0.25
    assert pace.patience(now=15) == 0
