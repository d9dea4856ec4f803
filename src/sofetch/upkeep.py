"""Upkeep of the table by a worker that has nothing else to do: when, and what is told of it.

Owns that it comes at most once an hour and never stops the loading. What it does is ``sofetch.load.maintain``'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sofetch.errors import SofetchError, place_of
from sofetch.events import Events, MaintenanceFailed, PartitionsKept, Unexpected
from sofetch.ports import Clock

UPKEEP_SECONDS = 3_600.0
"""Partitions are days or months and made ahead: nothing is late within an hour."""


class Kept(Protocol):
    """What was done (``load.maintain.Maintenance`` has it)."""

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


class Upkeep:
    """To be called whenever the worker is idle. Does ``keep`` at the first call, and then once an hour."""

    def __init__(self, keep: Callable[[], Kept], *, clock: Clock, events: Events) -> None:
        self._keep = keep
        self._clock = clock
        self._events = events
        self._due = clock.monotonic()

    def __call__(self) -> None:
        """The worker is idle. Never raises: what fails is told of and tried again in an hour."""
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + UPKEEP_SECONDS
        try:
            kept = self._keep()
        except SofetchError as error:
            self._events.emit(MaintenanceFailed(code=error.code, what=error.what))
            return
        except Exception as error:  # noqa: BLE001 - a fault here is no reason to stop loading
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
            return
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
