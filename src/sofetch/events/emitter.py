"""Where events go: to whoever listens, and into the counters.

Owns the counters. Must not know what an event is about.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from msgspec import structs

from sofetch.events.base import Event


class Events:
    """Where events go: every listener is told, and the counters grow. Safe to use from any thread."""

    def __init__(self, *listeners: Callable[[Event], None], pipeline: str | None = None) -> None:
        """``pipeline``: every event is told with this name."""
        self._listeners = list(listeners)
        self._pipeline = pipeline
        self._counters: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Count it and pass it on."""
        if self._pipeline is not None:
            event = structs.replace(event, pipeline=self._pipeline)
        with self._lock:
            for name, label, amount in event.measures():
                self._counters[name, label] += amount  # type: ignore[assignment]  # Counter is typed for int only
        for listen in self._listeners:
            listen(event)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Tell one more of every event from now on, before the others: what the log has told, it knows."""
        self._listeners.insert(0, listener)

    def counters(self) -> dict[tuple[str, str], float]:
        """The counters as they stand: (name, label) to value."""
        with self._lock:
            return dict(self._counters)
