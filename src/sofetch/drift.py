"""What drifted, on its way to the table of it: counted as batches are done, written down now and then.

Owns when it is written: at once where a field is new to this process, else at most once a minute. What it is written to
is ``sofetch.load.drift``'s. What is lost with a process that is killed is a minute's counts, and no message.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sofetch.errors import SofetchError, place_of
from sofetch.events import DriftNotKept, Event, Events, FieldDrifted, NewDrift, Unexpected
from sofetch.ports import Clock
from sofetch.record import Drift, DriftKind

WRITE_SECONDS: Final = 60.0

MOST_FIELDS: Final = 1_000
"""So many of one kind are told apart by one process; those that come later are counted as the field ``*``."""

Keep = Callable[[Mapping[Drift, int]], Sequence[Drift]]
"""Writes counts down and says which of them nobody has seen before. Raises SofetchError where it cannot."""


class DriftKeeper:
    """Hears the events of a worker; ``write`` is to be called from its loop. Fit for many threads."""

    def __init__(self, keep: Keep, *, clock: Clock, events: Events) -> None:
        self._keep = keep
        self._clock = clock
        self._events = events
        self._due = clock.monotonic()
        self._counts: Counter[Drift] = Counter()
        self._known: dict[DriftKind, set[Drift]] = {kind: set() for kind in DriftKind}
        self._is_new = False
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Take notice of an event."""
        if isinstance(event, FieldDrifted):
            drift = Drift(DriftKind(event.kind), event.field)
            with self._lock:
                self._counts[self._told_apart(drift)] += event.count

    def write(self, *, at_once: bool = False) -> None:
        """Write down what is due, or with ``at_once`` all. Never raises: what fails is told and kept for later."""
        if not self._counts:  # nearly always
            return
        with self._lock:
            if not (at_once or self._is_new or self._clock.monotonic() >= self._due):
                return
            counts, self._counts, self._is_new = self._counts, Counter(), False
            self._due = self._clock.monotonic() + WRITE_SECONDS
        try:
            new = self._keep(counts)
        except SofetchError as error:
            self._later(counts)
            self._events.emit(DriftNotKept(code=error.code, what=error.what))
        except Exception as error:  # noqa: BLE001  # told; a fault here is no reason to stop loading
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
        else:
            for drift in new:
                self._events.emit(NewDrift(kind=drift.kind.value, field=drift.field))

    def _told_apart(self, drift: Drift) -> Drift:
        known = self._known[drift.kind]
        if drift in known:
            return drift
        if len(known) >= MOST_FIELDS:
            drift = Drift(drift.kind, "*")
        self._is_new |= drift not in known
        known.add(drift)
        return drift

    def _later(self, counts: Counter[Drift]) -> None:
        with self._lock:
            self._counts.update(counts)
