"""The last readings, and the rates between them.

Owns how a rate is made of counts: over the last seconds for a number, from one reading to the next for a line. A count
that fell is that of a worker that began anew.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Literal

from sofetch.observe.watching.reading import Reading

Counted = Literal[
    "received", "loaded", "duplicates", "quarantined", "released", "batches", "batch_seconds", "calls", "requests"
]

KEPT = 240
RATE_SECONDS = 5.0


class History:
    """Readings in the order they were made, the newest ``KEPT`` of them."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque(maxlen=KEPT)

    def add(self, reading: Reading) -> None:
        """Keep one more."""
        self._readings.append(reading)

    @property
    def latest(self) -> Reading | None:
        """The newest reading."""
        return self._readings[-1] if self._readings else None

    def risen(self, counted: Counted) -> float:
        """By how much a count rose over the last ``RATE_SECONDS``, or since the first reading."""
        return sum(_rise(before, after, counted) for before, after in pairwise(self._recent()))

    def rate(self, counted: Counted) -> float:
        """The same, a second."""
        recent = self._recent()
        seconds = recent[-1].at - recent[0].at if len(recent) > 1 else 0.0
        return self.risen(counted) / seconds if seconds > 0 else 0.0

    def rates(self, counted: Counted, *, most: int) -> list[float]:
        """A rate a second for each step from one reading to the next, oldest first, the last ``most`` of them."""
        steps = [
            _rise(before, after, counted) / (after.at - before.at)
            for before, after in pairwise(self._readings)
            if after.at > before.at
        ]
        return steps[-most:] if most > 0 else []

    def _recent(self) -> list[Reading]:
        if not self._readings:
            return []
        newest = self._readings[-1].at
        recent = [reading for reading in self._readings if newest - reading.at <= RATE_SECONDS]
        return recent if len(recent) > 1 else list(self._readings)[-2:]


def _rise(before: Reading, after: Reading, counted: Counted) -> float:
    earlier, later = getattr(before, counted), getattr(after, counted)
    return float(later - earlier if later >= earlier else later)
