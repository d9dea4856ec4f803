"""No core file of this process: it would hold what is in hand, in the clear, and the keys.

Owns the limit, which children inherit. It must stay cheap to import: every command begins here.
"""

from __future__ import annotations

import resource
import sys
from typing import Final

_NO_HANDLER: Final = 1
"""Bytes. A limit of 0 keeps Linux from writing a file, and not from handing the whole process to the program that
``kernel.core_pattern`` pipes to (systemd-coredump, apport): that one is passed over at a limit of 1 alone, which is too
little for a file, too. See core(5) and ``do_coredump`` in Linux' fs/coredump.c.
"""


def leave_no_core() -> None:
    """Neither a file nor a handler gets this process when it crashes, as far as its limits can say so."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    least = _NO_HANDLER if sys.platform.startswith("linux") and hard != 0 else 0
    resource.setrlimit(resource.RLIMIT_CORE, (least, hard))
