"""Upkeep of the table by a worker: when, for how long, and what is told of it.

Owns that it comes once an hour, at leisure where the worker is idle and in brief where it never is, and never stops
the loading. What it does is ``sofetch.load.partitions.maintain``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sofetch.errors import SofetchError, place_of
from sofetch.events import Events, MaintenanceFailed, PartitionsKept, PartitionsSeen, Unexpected
from sofetch.ports import Clock

UPKEEP_SECONDS = 3_600.0
"""Partitions are days or months and made ahead: nothing is late within an hour."""

AGAIN_SECONDS = 60.0
"""After this it is tried again where another maintenance was under way: that may have been of another table."""

OVERDUE_SECONDS = 300.0
"""How long it waits for an idle moment before it comes between two batches. Messages wait for it there."""

BRIEF_SECONDS = 5.0
"""What it may begin between two batches it begins within this, and no statement of it takes longer."""


class Kept(Protocol):
    """What was done (``load.partitions.maintain.Maintenance`` has it)."""

    @property
    def busy(self) -> bool: ...  # noqa: D102
    @property
    def made(self) -> list[str]: ...  # noqa: D102
    @property
    def moved_rows(self) -> int: ...  # noqa: D102
    @property
    def dropped(self) -> list[str]: ...  # noqa: D102
    @property
    def expired_rows(self) -> int: ...  # noqa: D102
    @property
    def postponed(self) -> list[str]: ...  # noqa: D102
    @property
    def ends(self) -> datetime | None: ...  # noqa: D102


class Upkeep:
    """To be called whenever the worker is idle, and by ``meanwhile`` between batches. Does ``keep`` at the first idle
    moment or after some minutes without one, and then once an hour. ``keep`` is told how many seconds it may take.
    """

    def __init__(self, keep: Callable[[float | None], Kept], *, clock: Clock, events: Events) -> None:
        self._keep = keep
        self._clock = clock
        self._events = events
        self._due = clock.monotonic()

    def __call__(self) -> None:
        """The worker is idle. Never raises: what fails is told of and tried again in an hour."""
        if self._clock.monotonic() >= self._due:
            self._do(None)

    def meanwhile(self) -> None:
        """The worker is between two batches. As when it is idle, in brief, if that has not been for long."""
        if self._clock.monotonic() >= self._due + OVERDUE_SECONDS:
            self._do(BRIEF_SECONDS)

    def _do(self, within_seconds: float | None) -> None:
        self._due = self._clock.monotonic() + UPKEEP_SECONDS
        try:
            kept = self._keep(within_seconds)
        except SofetchError as error:
            self._events.emit(MaintenanceFailed(code=error.code, what=error.what))
            return
        except Exception as error:  # noqa: BLE001 - a fault here is no reason to stop loading
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
            return
        if kept.busy:
            self._due = self._clock.monotonic() + AGAIN_SECONDS
        self._tell(kept)

    def _tell(self, kept: Kept) -> None:
        if kept.ends is not None:
            self._events.emit(PartitionsSeen(ends_ms=int(kept.ends.timestamp() * 1_000)))
        if kept.made or kept.dropped or kept.expired_rows or kept.postponed:
            self._events.emit(
                PartitionsKept(
                    made=len(kept.made),
                    moved_rows=kept.moved_rows,
                    dropped=len(kept.dropped),
                    expired_rows=kept.expired_rows,
                    postponed=len(kept.postponed),
                )
            )
