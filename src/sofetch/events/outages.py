"""A dependency that is away, and that is back.

Owns what is told of it: a code, and never the text of a vendor's error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sofetch.errors import SofetchError
from sofetch.events.base import Event, Level, Measure


class Outage(Event, frozen=True, kw_only=True):
    """A dependency is away; what is held stays held, and it is tried again."""

    dependency: Literal["queue", "database", "archive"]
    code: str
    what: str
    sqlstate: str | None = None
    attempt: int
    retry_in_seconds: float

    @property
    def level(self) -> Level:
        """Nothing is lost, but nothing moves."""
        return "warning"

    def measures(self) -> Iterator[Measure]:
        """Failed attempts by dependency."""
        yield "sofetch_outage_attempts_total", self.dependency, 1


class Recovered(Event, frozen=True, kw_only=True):
    """The dependency is back."""

    dependency: Literal["queue", "database", "archive"]
    attempts: int
    outage_seconds: float


class BreakerChanged(Event, frozen=True, kw_only=True):
    """The circuit breaker of a dependency changed: open (nothing is asked of it, and nothing more is received for a
    database), half_open (one attempt goes, the probe) or closed (all goes on). ``attempts`` failed so far.
    """

    dependency: Literal["queue", "database", "archive"]
    state: Literal["closed", "open", "half_open"]
    attempts: int

    @property
    def level(self) -> Level:
        """The first opening and the closing are shown; what comes between is shown at debug, as `outage` tells it."""
        return "info" if self.state == "closed" or (self.state == "open" and self.attempts == 1) else "debug"

    def measures(self) -> Iterator[Measure]:
        """Outages by dependency."""
        if self.state == "open" and self.attempts == 1:
            yield "sofetch_outages_total", self.dependency, 1


def outage(
    dependency: Literal["queue", "database", "archive"], error: SofetchError, *, attempt: int, retry_in_seconds: float
) -> Outage:
    """The event for an error that may pass."""
    sqlstate = getattr(error, "sqlstate", None)
    return Outage(
        dependency=dependency,
        code=error.code,
        what=error.what,
        sqlstate=sqlstate,
        attempt=attempt,
        retry_in_seconds=retry_in_seconds,
    )
