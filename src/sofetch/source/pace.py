"""How many receivers poll: one scout while the queue is idle, all of them while it is full.

Also knows when the queue has said that it is empty. Pure state, no threads, no clock, no calls.
"""

from __future__ import annotations

_RICH_ANSWER = 5
"""So many messages in one answer say that more receivers would find more."""

_SHORT_POLLS_FOR_EMPTY = 5
"""A short poll asks some of SQS's servers, a long poll all: one empty answer of those is worth five of these."""


class Pace:
    """Doubles the receivers with every rich answer, falls back to one with the first empty one.

    An idle queue so costs one long poll per wait, and a burst has all receivers within a few answers.
    """

    def __init__(self, *, receivers: int, long_polls: bool) -> None:
        self._receivers = receivers
        self._needed_empties = 1 if long_polls else _SHORT_POLLS_FOR_EMPTY
        self._target = 1
        self._empties = 0
        self._last_empty_at = 0.0
        self._under_way: list[float] = []

    @property
    def polling(self) -> int:
        """Receive calls under way."""
        return len(self._under_way)

    def last_started(self) -> float | None:
        """When the youngest call under way began."""
        return max(self._under_way, default=None)

    def may_poll(self) -> bool:
        """Whether one more receiver should."""
        return self.polling < self._target

    def started(self, at: float) -> None:
        """A receive call begins."""
        self._under_way.append(at)

    def failed(self, started: float) -> None:
        """A receive call ended without an answer."""
        self._under_way.remove(started)
        self._target = 1

    def answered(self, messages: int, *, started: float, now: float, settled_at: float) -> None:
        """A receive call brought so many messages; ``settled_at``: when our last released message became visible."""
        self._under_way.remove(started)
        if messages >= _RICH_ANSWER:
            self._target = min(self._receivers, self._target * 2)
        if messages:
            self._empties = 0
            return
        self._target = 1
        # An answer says nothing of what became visible after its call began.
        self._empties = self._empties + 1 if started >= settled_at else 0
        self._last_empty_at = now

    def empty(self) -> bool:
        """Whether the queue has said that nothing is visible: enough empty answers, and no older call under way."""
        older = any(started < self._last_empty_at for started in self._under_way)
        return self._empties >= self._needed_empties and not older
