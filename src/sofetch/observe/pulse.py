"""The pulse of a worker: every few seconds its loop says that it turns, what it holds, and what it asked of the queue.

Owns how often. It is beaten from the loop itself and from nowhere else, so that a loop which is stuck falls silent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import structs

from sofetch.calls import Calls
from sofetch.events import Events, Heartbeat
from sofetch.ports import Clock

PULSE_SECONDS = 5.0
"""Often enough for a scrape each 15 seconds to find new numbers; a line of debug log each."""


class Holding(Protocol):
    """What a source says of what it holds (``source.clerk.SourceState`` has it)."""

    @property
    def held(self) -> int: ...  # noqa: D102
    @property
    def held_bytes(self) -> int: ...  # noqa: D102
    @property
    def oldest_sent_ms(self) -> int | None: ...  # noqa: D102


class Pulse:
    """To be called at each turn of the loop; emits ``heartbeat`` at the first, and then each ``PULSE_SECONDS``."""

    def __init__(
        self, *, look: Callable[[], Holding], calls: Callable[[], Calls], clock: Clock, events: Events
    ) -> None:
        self._look = look
        self._calls = calls
        self._clock = clock
        self._events = events
        self._due = clock.monotonic()

    def __call__(self) -> None:
        """The loop turns."""
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + PULSE_SECONDS
        held = self._look()
        sent_ms = held.oldest_sent_ms
        self._events.emit(
            Heartbeat(
                held_messages=held.held,
                held_bytes=held.held_bytes,
                oldest_age_ms=None if sent_ms is None else self._clock.now_ms() - sent_ms,
                **structs.asdict(self._calls()),
            )
        )
