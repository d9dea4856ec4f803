"""A day of seconds: each series in rings of four resolutions, so that any stretch of it is a few hundred points.

Pure: it is given the time. Owns what is remembered and for how long. What a series means is ``reckoning``'s.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

DAY_SECONDS: Final = 86_400
STEPS: Final = (1, 6, 36, 144)
"""Seconds in a column of each resolution: 600 columns of them are ten minutes, an hour, six hours, a day."""

MOST_COLUMNS: Final = 600


class Stretch(Struct, frozen=True, kw_only=True):
    """A stretch of time in columns of ``step`` seconds. ``times`` are the columns' beginnings, seconds since the epoch.

    Of each series the least, mean and greatest value of each column; None where nothing is known.
    """

    step: int
    times: list[int]
    series: dict[str, tuple[list[float | None], list[float | None], list[float | None]]]


class History:
    """The last day of a set of series. One thread calls ``add``; ``stretch`` may be called from any."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._lock = threading.Lock()
        self._rings = {step: {name: _Ring(DAY_SECONDS // step + 1) for name in names} for step in STEPS}
        self._first: int | None = None
        self._last: int | None = None

    def add(self, second: int, values: Mapping[str, float]) -> None:
        """Note the values of one second. A second that is not later than the last one is passed over."""
        with self._lock:
            if self._last is not None and second <= self._last:
                return
            self._first = second if self._first is None else self._first
            self._last = second
            for step, rings in self._rings.items():
                for name in self._names:
                    rings[name].add(second // step, values.get(name, math.nan))

    def stretch(self, *, begin: int, end: int, step: int | None = None) -> Stretch:
        """What is known from ``begin`` to before ``end``, at most a day, in columns of ``step`` seconds."""
        begin = max(begin, end - DAY_SECONDS)
        step = step or step_for(end - begin)
        with self._lock:
            if self._first is None or self._last is None:
                return Stretch(step=step, times=[], series={name: ([], [], []) for name in self._names})
            slots = range(max(begin, self._first) // step, min(end - 1, self._last) // step + 1)
            rings = self._rings[step]
            return Stretch(
                step=step,
                times=[slot * step for slot in slots],
                series={name: rings[name].columns(slots) for name in self._names},
            )


def step_for(seconds: int) -> int:
    """The finest columns of which so long a time needs at most 600."""
    return next((step for step in STEPS if seconds / step <= MOST_COLUMNS), STEPS[-1])


class _Ring:
    """Least, sum, greatest and number of values by slot, for as many slots as it is long."""

    def __init__(self, length: int) -> None:
        self._slots = array("q", [-1]) * length
        self._least, self._sum, self._most = (array("f", [0.0]) * length for _ in range(3))
        self._count = array("H", [0]) * length

    def add(self, slot: int, value: float) -> None:
        at = slot % len(self._slots)
        if self._slots[at] != slot:
            self._slots[at], self._count[at] = slot, 0
        if math.isnan(value):
            return
        first = self._count[at] == 0
        self._least[at] = value if first else min(self._least[at], value)
        self._most[at] = value if first else max(self._most[at], value)
        self._sum[at] = value if first else self._sum[at] + value
        self._count[at] += 1

    def columns(self, slots: range) -> tuple[list[float | None], list[float | None], list[float | None]]:
        least: list[float | None] = []
        mean: list[float | None] = []
        most: list[float | None] = []
        for slot in slots:
            at = slot % len(self._slots)
            known = self._slots[at] == slot and self._count[at] > 0
            least.append(_short(self._least[at]) if known else None)
            mean.append(_short(self._sum[at] / self._count[at]) if known else None)
            most.append(_short(self._most[at]) if known else None)
        return least, mean, most


def _short(value: float) -> float:
    """Four significant digits: what a chart can show, in fewer bytes."""
    return float(f"{value:.4g}")
