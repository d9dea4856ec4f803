"""Several runs as one figure: the median, and how far the runs lie apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median, least and most of the runs that count."""

    median: float
    least: float
    most: float
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """Of at least one run, four significant digits."""
    return Spread(*(float(f"{it:.4g}") for it in (statistics.median(values), min(values), max(values))), len(values))
