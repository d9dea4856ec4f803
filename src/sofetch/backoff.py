"""How long to wait before the next try, for whoever tries again."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 30.0


def backoff_seconds(attempt: int, *, jitter: Callable[[], float] = random.random) -> float:
    """The pause after the ``attempt``-th failure in a row: doubling from ``FIRST_SECONDS`` to ``LONGEST_SECONDS``.

    Half of it is jitter (a number from 0 to 1), so that many workers do not come back together.
    """
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 10))
    return ceiling / 2 + ceiling / 2 * jitter()
