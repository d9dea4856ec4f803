"""Looking again and again at what another process shows, where nothing tells when it is so."""

from __future__ import annotations

import time
from collections.abc import Iterator

SECONDS = 60
_LOOK_SECONDS = 0.1


def turns() -> Iterator[None]:
    """Turns to look in, for as long as there is patience."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield
        time.sleep(_LOOK_SECONDS)
