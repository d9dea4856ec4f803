"""Named points at which a test may kill this process, so that recovery is tried where it matters.

``SOFETCH_CRASH_AT=after_commit`` kills the process (SIGKILL: no handler, no flush) the first time it passes that
point; ``after_commit:3`` the third time. Unset, a point costs one dictionary look-up a batch.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Literal

CrashPoint = Literal[
    "after_receive",
    "after_archive",
    "after_mask",
    "after_vault",
    "mid_write",
    "after_commit",
    "mid_delete",
    "mid_rotation",
    "mid_erasure",
]

_passed = 0
_lock = threading.Lock()


def crash_point(name: CrashPoint) -> None:
    """Kill this process if the environment says that it is to die here."""
    wanted = os.environ.get("SOFETCH_CRASH_AT")
    if wanted:
        _crash_if_wanted(wanted, name)


def _crash_if_wanted(wanted: str, name: CrashPoint) -> None:
    global _passed  # noqa: PLW0603 - how often this process came by, whichever thread did
    point, _, nth = wanted.partition(":")
    if point != name:
        return
    with _lock:
        _passed += 1
        if _passed >= int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)
