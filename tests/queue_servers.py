"""The queue server of the benchmarks, started for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "bench" / "queue_server.py"


@contextmanager
def fast_queue_server(*options: str) -> Iterator[str]:
    """A running server; its URL. It ends with the test, however that ends."""
    command = [sys.executable, str(SCRIPT), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line, "the queue server did not start"
            yield json.loads(line)["endpoint"]
        finally:
            server.terminate()
            server.communicate(timeout=10)
