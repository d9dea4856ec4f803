"""In-memory ports for tests, yours as well as ours: a clock, a queue, a source and a sink, with fault switches.

They keep the same contracts as the real ones (``tests/contract``) and use no network, no files and no sleeps::

    clock = FakeClock()
    queue = MemoryQueue(clock=clock)
    queue.send(b'{"user_id": "u1"}')
    source, sink = MemorySource(queue, clock=clock), MemorySink()

``MemoryQueue`` is also a ``Transport``, so the real ``SqsSource`` runs on it.
"""

from __future__ import annotations

from sofetch.testing.clock import FakeClock
from sofetch.testing.queue import MemoryQueue, refused_source, unavailable_source
from sofetch.testing.sink import MemorySink
from sofetch.testing.source import MemorySource

__all__ = ["FakeClock", "MemoryQueue", "MemorySink", "MemorySource", "refused_source", "unavailable_source"]
