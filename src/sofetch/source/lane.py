"""A line of messages that wait for one kind of batch call.

Pure state driven by times that are given to it.
"""

from __future__ import annotations

import heapq
from collections import deque

from sofetch.source.transport import MAX_BATCH_ENTRIES

LINGER_SECONDS = 0.05
"""How long a delete waits for nine others: a tenth of the calls for a delay that nobody sees."""


class Lane:
    """Message ids that wait for one kind of call, gathered into tens; some not before a time."""

    def __init__(self) -> None:
        self._fresh: deque[tuple[float, str]] = deque()
        self._later: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._fresh) + len(self._later)

    def add(self, message_id: str, *, now: float) -> None:
        """Ready, and willing to wait a moment for company."""
        self._fresh.append((now, message_id))

    def add_later(self, message_id: str, *, at: float) -> None:
        """Not before ``at``."""
        heapq.heappush(self._later, (at, message_id))

    def take(self, *, now: float, hurry: bool) -> list[str]:
        """Up to ten ids, if there are ten, or the first has waited long enough, or there is hurry."""
        while self._later and self._later[0][0] <= now:
            self._fresh.append(heapq.heappop(self._later))
        if not self._fresh:
            return []
        if len(self._fresh) < MAX_BATCH_ENTRIES and not hurry and self._fresh[0][0] + LINGER_SECONDS > now:
            return []
        return [self._fresh.popleft()[1] for _ in range(min(MAX_BATCH_ENTRIES, len(self._fresh)))]

    def wake_at(self, *, hurry: bool) -> float | None:
        """When ``take`` may next have something."""
        later = self._later[0][0] if self._later else None
        if not self._fresh:
            return later
        at_once = hurry or len(self._fresh) >= MAX_BATCH_ENTRIES
        ready = self._fresh[0][0] if at_once else self._fresh[0][0] + LINGER_SECONDS
        return ready if later is None else min(ready, later)
