"""How old the oldest message at hand is, from what a worker tells of its batches and with its heartbeats.

Owns when the age grows, when it is 0, and when nobody knows it. Pure: it is given the time.
"""

from __future__ import annotations

from sofetch.events import BatchDone, Heartbeat


class AtHand:
    """The age of one worker's oldest message that was received and is not done. Times are of the monotonic clock.

    What is held is known by the heartbeat: from then on it ages, whatever becomes of it, until the next one. A batch
    that is done tells the age that its oldest message had. The older of the two counts; the batch's, until none was
    done from one heartbeat to the next. Where then nothing is held, it is 0.
    """

    def __init__(self) -> None:
        self._held: tuple[float, float] | None = None
        self._done: float | None = None
        self._batches = False

    @property
    def any(self) -> bool:
        """Whether anything was at hand at the last heartbeat."""
        return self._held is not None

    def seconds(self, *, now: float) -> float | None:
        """How old it is; None before anything was told."""
        if self._held is None:
            return self._done
        seconds, at = self._held
        return max(seconds + now - at, self._done or 0.0)

    def batch(self, batch: BatchDone) -> None:
        """A batch was done."""
        self._batches = True
        if batch.oldest_age_ms is not None:
            self._done = _seconds(batch.oldest_age_ms)

    def beat(self, heartbeat: Heartbeat, *, now: float) -> None:
        """The worker says what it holds."""
        age_ms = heartbeat.oldest_age_ms
        self._held = None if age_ms is None else (_seconds(age_ms), now)
        if not self._batches:
            self._done = 0.0 if age_ms is None else None
        self._batches = False


def _seconds(age_ms: int) -> float:
    """The queue's clock, by which messages are stamped, may be ahead of ours."""
    return max(0, age_ms) / 1_000
