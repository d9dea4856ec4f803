"""A call to the queue that is under way and not waited for.

Owns what becomes of its answer: it is read, or the call is made ``instead`` in the way that waits. One thread steps it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sofetch.source.http1 import Exchange, NotPlain

_T = TypeVar("_T")


class NoAnswer(Exception):
    """The call brought nothing that can be read: it is to be made ``instead``."""


class Flight(Generic[_T]):
    """One call. ``instead`` makes the same call by another way, waits for it, and raises as a ``Transport`` does.

    ``ended`` is told once whether the call brought something that could be read.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        read: Callable[[bytes], _T | None],
        ended: Callable[[bool], None],
        instead: Callable[[], _T],
    ) -> None:
        self._exchange = exchange
        self._read = read
        self._ended = ended
        self.instead = instead

    def fileno(self) -> int:
        """The number of its socket; -1 once that is closed."""
        return self._exchange.fileno()

    @property
    def connection(self) -> object:
        """What its socket belongs to: another connection may have the same number later."""
        return self._exchange.connection

    @property
    def sending(self) -> bool:
        """Whether it waits to write, and not to read."""
        return self._exchange.sending

    @property
    def deadline(self) -> float:
        """When to give it up, on the monotonic clock; every step that leads nowhere puts it off."""
        return self._exchange.deadline

    def step(self) -> _T | None:
        """What the call brought; None until then. Never waits. Raises NoAnswer."""
        try:
            body = self._exchange.step()
        except NotPlain:
            self._ended(False)
            raise NoAnswer from None
        if body is None:
            return None
        found = self._read(body)
        self._ended(found is not None)
        if found is None:
            raise NoAnswer
        return found

    def give_up(self) -> None:
        """It took too long."""
        self._exchange.give_up()
        self._ended(False)
