"""The system's clock. Owns the only readings of time that the program's steps are given."""

from __future__ import annotations

import time


class SystemClock:
    """Fills ``ports.Clock`` with the machine's own clocks."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()
