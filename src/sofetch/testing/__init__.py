"""In-memory ports for tests, yours as well as ours: a clock, a queue, a source, a sink and a store of objects, with
fault switches.

They keep the same contracts as the real ones (``tests/contract``) and use no network, no files and no sleeps::

    clock = FakeClock()
    queue = MemoryQueue(clock=clock)
    queue.send(b'{"user_id": "u1"}')
    source, sink = MemorySource(queue, clock=clock), MemorySink()

``MemoryQueue`` is also a ``Transport``, so the real ``SqsSource`` runs on it. Calls can be made to fail (``fail_*``),
to lose their answer (``LostAnswer``) or a delete (``LostDelete``), and messages to come again (``redeliver``,
``duplicate``). With ``seed`` every run is the same.
"""

from __future__ import annotations

from sofetch.testing.clock import FakeClock
from sofetch.testing.objects import MemoryObjectStore
from sofetch.testing.queue import MemoryQueue, seeded_ids
from sofetch.testing.queue_faults import LostAnswer, LostDelete, refused_source, unavailable_source
from sofetch.testing.queue_rules import OldHandles, QueueRules
from sofetch.testing.sink import MemorySink
from sofetch.testing.source import MemorySource

__all__ = [
    "FakeClock",
    "LostAnswer",
    "LostDelete",
    "MemoryObjectStore",
    "MemoryQueue",
    "MemorySink",
    "MemorySource",
    "OldHandles",
    "QueueRules",
    "refused_source",
    "seeded_ids",
    "unavailable_source",
]
