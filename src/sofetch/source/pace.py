"""How many receivers poll, and how long: one scout while the queue is idle, all of them while it is full.

Also knows when the queue has said that it is empty. Pure state, no threads, no clock, no calls.
"""

from __future__ import annotations

from dataclasses import dataclass

_RICH_ANSWER = 5
"""So many messages in one answer say that more receivers would find more."""

_SHORT_POLLS_FOR_EMPTY = 5
"""A short poll asks some of SQS's servers, a long poll all: one empty answer of those is worth five of these."""


_SHORT_WAIT_SECONDS = 1
"""A long poll of one second still asks all of SQS's servers. It is used while the queue is busy and when its end is
waited for, so that an end is noticed, and a shutdown done, within a second; an idle queue gets the full wait."""

_YOUNG_SECONDS = 0.5
"""A receive call that finds messages answers well within this; an older one is waiting for some to come."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A receive call under way."""

    started: float
    wait_seconds: int


class Pace:
    """Doubles the receivers with every rich answer, falls back to one with the first empty one.

    An idle queue so costs one long poll per wait, and a burst has all receivers within a few answers.
    """

    def __init__(self, *, receivers: int, wait_seconds: int) -> None:
        self._receivers = receivers
        self._wait_seconds = wait_seconds
        self._needed_empties = 1 if wait_seconds else _SHORT_POLLS_FOR_EMPTY
        self._target = 1
        self._end_is_awaited = False
        self._empties = 0
        self._last_empty_at = 0.0
        self._under_way: list[Poll] = []

    @property
    def polling(self) -> int:
        """Receive calls under way."""
        return len(self._under_way)

    def await_end(self) -> None:
        """Someone waits for the queue to be empty: no more waits that would make them wait."""
        self._end_is_awaited = True

    def may_poll(self) -> bool:
        """Whether one more receiver should. Once the end that is awaited is there, none: a close would wait for it."""
        return self.polling < self._target and not (self._end_is_awaited and self.empty())

    def start(self, *, now: float) -> Poll:
        """A receive call begins."""
        idle = self._empties > 0 and not self._end_is_awaited
        poll = Poll(now, self._wait_seconds if idle else min(self._wait_seconds, _SHORT_WAIT_SECONDS))
        self._under_way.append(poll)
        return poll

    def failed(self, poll: Poll) -> None:
        """A receive call ended without an answer."""
        self._under_way.remove(poll)
        self._target = 1

    def answered(self, messages: int, *, poll: Poll, now: float, settled_at: float) -> None:
        """A receive call brought so many messages; ``settled_at``: when our last released message became visible."""
        self._under_way.remove(poll)
        if messages >= _RICH_ANSWER:
            self._target = min(self._receivers, self._target * 2)
        if messages:
            self._empties = 0
            return
        self._target = 1
        # An answer says nothing of what became visible after its call began.
        self._empties = self._empties + 1 if poll.started >= settled_at else 0
        self._last_empty_at = now

    def forget_empty(self) -> None:
        """Something may be visible again that was not when the queue said it was empty: ask it anew."""
        self._empties = 0

    def empty(self) -> bool:
        """Whether the queue has said that nothing is visible: enough empty answers, and no older call under way."""
        older = any(poll.started < self._last_empty_at for poll in self._under_way)
        return self._empties >= self._needed_empties and not older

    def patience(self, *, now: float) -> float:
        """How long to let the calls under way end by themselves before they are ended.

        A short one is let run, for some servers hand messages to a call whose client is gone, and those stay invisible
        for a whole timeout. A long one gets the moment in which it would find messages.
        """
        ends = [
            poll.started + _YOUNG_SECONDS + (poll.wait_seconds if poll.wait_seconds <= _SHORT_WAIT_SECONDS else 0)
            for poll in self._under_way
        ]
        return max(0.0, max(ends, default=now) - now)
