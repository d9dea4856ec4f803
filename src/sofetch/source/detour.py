"""When to leave the fast path alone for a while, so that trouble is not asked about twice at each call.

Each answer that boto3 had to ask for again cost a call, and a receive perhaps ten messages' visibility: the more of
them in a row, the longer boto3 is left to do it alone. Pure state driven by times that are given to it.
"""

from __future__ import annotations

import threading
from typing import Final

_LONGEST_SECONDS: Final = 300.0


class Detour:
    """Failures in a row of the fast path: one second of boto3 alone after the first, two after the next, up to 300."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._since = self._until = float("-inf")

    def clear(self, *, now: float) -> bool:
        """Whether the fast path may be taken."""
        return now >= self._until

    def failed(self, *, started: float, now: float) -> None:
        """A call that began at ``started`` did not get a plain answer."""
        with self._lock:
            if started < self._since:
                return  # it was under way when another failed: one event, not two
            self._failures += 1
            self._since, self._until = now, now + min(2.0 ** min(self._failures - 1, 10), _LONGEST_SECONDS)

    def worked(self, *, started: float) -> None:
        """A call that began at ``started`` got one."""
        if self._failures and started >= self._since:
            with self._lock:
                self._failures = 0
