"""The SQS server of a campaign: the embedded one, or the fast one of the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sofetch.embedded import start_embedded

_PROGRAM = Path(__file__).parents[2] / "bench" / "queue_server.py"

ServerKind = Literal["ministack", "fast"]

DEPTH: dict[ServerKind, int] = {"ministack": 800, "fast": 20_000}
"""How many messages may wait in the queue: the embedded server slows down past a thousand."""


@contextmanager
def queue_server(kind: ServerKind) -> Iterator[str]:
    """A running server; its URL."""
    if kind == "fast":
        with _fast_server() as endpoint:
            yield endpoint
        return
    with start_embedded(postgres=False) as server:
        yield server.endpoint


@contextmanager
def _fast_server() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, str(_PROGRAM)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["endpoint"])
    finally:
        process.terminate()
        process.communicate(timeout=30)
