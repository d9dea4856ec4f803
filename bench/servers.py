"""The queue servers of the benchmark: a minimal one that must not be the limit, and a full one to show it is real.

Owns how they are started with a full queue.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bodies import BODY_BYTES
from rig import QUEUE, QueueServer, ministack

MINIMAL_SERVER = "minimal"
FULL_SERVER = "full"
# Longer than any run: a message that comes twice because it took too long would be another figure.
_VISIBILITY_SECONDS = 600
_STOP_SECONDS = 10


@contextmanager
def full_server(messages: int) -> Iterator[QueueServer]:
    """A full SQS server with that many messages; it is itself only below about a thousand."""
    with ministack(messages=messages) as server:
        yield server


class Minimal:
    """``queue_server.py`` in a process of its own."""

    def __init__(self, endpoint: str, pid: int) -> None:
        self.endpoint = endpoint
        self.pid = pid

    def calls(self) -> dict[str, int]:
        """API calls answered so far, by action."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=10)
        try:
            connection.request("GET", "/stats")
            stats: dict[str, dict[str, int]] = json.loads(connection.getresponse().read())
            return stats["calls"]
        finally:
            connection.close()


@contextmanager
def minimal_server(messages: int, *, latency_ms: int = 0) -> Iterator[QueueServer]:
    """The queue server in memory, with that many messages; each answer comes ``latency_ms`` late."""
    options = {
        "queue": QUEUE,
        "preload": messages,
        "latency-ms": latency_ms,
        "body-bytes": BODY_BYTES,
        "visibility-seconds": _VISIBILITY_SECONDS,
    }
    command = [sys.executable, str(Path(__file__).parent / "queue_server.py")]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101  it was asked for as a pipe
        ready = json.loads(process.stdout.readline())
        yield Minimal(ready["endpoint"], ready["pid"])
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
