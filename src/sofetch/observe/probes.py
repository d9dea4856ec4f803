"""Two questions that a supervisor asks: is it alive, and is it ready?

Owns the two answers. Alive: the loop of each worker has turned lately. Ready: a worker has reached the database and the
queue and is not draining. An outage of either makes nobody dead: whoever were started instead would wait for the same
database, and what is held would be received once more.
"""

from __future__ import annotations

from sofetch.events import (
    Event,
    Failed,
    LibraryWarning,
    MessagesDamaged,
    ProcessEnded,
    ProcessStarted,
    Stopped,
    Unexpected,
    WorkerStarted,
)
from sofetch.ports import Clock
from sofetch.stopping import Stop

_ALONE = 1
"""The number of the worker where there is one, and no supervisor."""


class Probes:
    """Hears the events of one worker, or with ``hear`` those of several. ``live`` and ``ready`` may be called from any
    thread.
    """

    def __init__(self, *, clock: Clock, stop: Stop, stuck_after_seconds: float) -> None:
        self._clock = clock
        self._stop = stop
        self.stuck_after_seconds = stuck_after_seconds
        self._heard = clock.monotonic()
        self._turned: dict[int, float] = {}
        self._started: frozenset[int] = frozenset()

    def __call__(self, event: Event) -> None:
        """Take notice of an event of the only worker."""
        self.hear(_ALONE, event)

    def hear(self, process: int, event: Event) -> None:
        """Take notice of an event of, or about, a worker's process."""
        match event:
            case LibraryWarning() | MessagesDamaged() | Unexpected():
                return  # they come from other threads than the loop's, too
            case WorkerStarted():
                self._started |= {process}
            case ProcessStarted() | ProcessEnded() | Stopped() | Failed():
                self._started -= {process}
            case _:
                pass
        self._heard = self._clock.monotonic()
        others = {number: at for number, at in self._turned.items() if number != process}
        # Replaced as a whole, so that another thread may go through it.
        self._turned = others if isinstance(event, ProcessEnded) else {**others, process: self._heard}

    def live(self) -> bool:
        """Whether no loop has been silent for longer than the bound; where no worker runs, the supervisor."""
        turned = self._turned.values() or [self._heard]
        return self._clock.monotonic() - min(turned) <= self.stuck_after_seconds

    def ready(self) -> bool:
        """Whether a worker works, and nobody asked it to stop."""
        return bool(self._started) and not self._stop.asked
