"""The C library's allocator, told to give large blocks back to the system as soon as they are free.

glibc maps a block of 128 KiB or more by itself, and gives it back when it is freed; but with the first one that is
freed it raises that limit, up to 32 MiB, and keeps later ones in heaps of its own, one for each thread. Answers with
bodies of 1 MiB then hold up to three times what is in use: a worker's peak was 135 to 160 MB, the more the busier the
machine, and is 113 MB with a limit that stays (mallopt(3), M_MMAP_THRESHOLD).
"""

from __future__ import annotations

import os
from typing import Final

LARGE_BYTES: Final = 131_072
"""glibc's own first limit."""

_M_MMAP_THRESHOLD: Final = -3
_SET_BY_HAND: Final = (("MALLOC_MMAP_THRESHOLD_", ""), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold"))


def give_large_blocks_back() -> bool:
    """For this process, from now on. False where the C library is another, or the environment sets the limit."""
    if any(what in os.environ[name] for name, what in _SET_BY_HAND if name in os.environ):
        return False
    try:
        import ctypes  # 2 ms, for those alone who move messages

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    except (ImportError, OSError):  # a Python without it, or all in one piece
        return False
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
