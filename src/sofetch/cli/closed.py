"""Standard streams that whoever started us had closed, as a bare-bones supervisor may.

Owns that 0, 1 and 2 are open before anything else is: else a connection to the database could become file 1, and what
is printed would go into it.
"""

from __future__ import annotations

import os
import sys


def stand_in_for_closed_streams() -> None:
    """Open the null device in the place of each standard stream that is closed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
