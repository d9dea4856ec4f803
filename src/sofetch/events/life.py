"""A worker from its start to its end: it begins, its loop turns, it stops, or it cannot go on.

Owns what is told of a worker itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from sofetch.events.base import Event, Level, Measure


class WorkerStarted(Event, frozen=True, kw_only=True):
    """The database is prepared and receiving begins."""

    pipeline: str
    queue: str
    table: str
    version: str


class Listening(Event, frozen=True, kw_only=True):
    """`/health`, `/livez`, `/readyz` and `/metrics` can be asked for at this address."""

    address: str


class Heartbeat(Event, frozen=True, kw_only=True):
    """The worker's loop turns: what it holds, and its calls to the queue so far. Told every few seconds.

    ``oldest_age_ms`` is the age of the oldest message that is held and not done; null where there is none.
    """

    held_messages: int
    held_bytes: int
    receives: int
    empty_receives: int
    deletes: int
    visibility_changes: int
    requests: int
    oldest_age_ms: int | None = None

    @property
    def level(self) -> Level:
        """It says nothing new: shown at debug."""
        return "debug"


class Draining(Event, frozen=True, kw_only=True):
    """Stopping was asked for: receiving ends, what is held is finished or released."""

    signal: str


class Failed(Event, frozen=True, kw_only=True):
    """The worker cannot go on: a person must act."""

    code: str
    what: str
    hint: str

    @property
    def level(self) -> Level:
        """The last line before the exit."""
        return "error"


class Unexpected(Event, frozen=True, kw_only=True):
    """A fault of the program. Its type and place are told; its text is not, since it could hold a value."""

    error: str
    place: str

    @property
    def level(self) -> Level:
        """A bug."""
        return "error"

    def measures(self) -> Iterator[Measure]:
        """Such faults."""
        yield "sofetch_unexpected_errors_total", "", 1


class LibraryWarning(Event, frozen=True, kw_only=True):
    """A library logged a warning. Its text is not repeated: it could hold a value."""

    logger: str

    @property
    def level(self) -> Level:
        """As the library said."""
        return "warning"


class Stopped(Event, frozen=True, kw_only=True):
    """The worker ended in good order: its messages by outcome, its calls to the queue, and what they are billed as.

    ``away`` names the dependencies that were away: then not all was done.
    """

    received: int
    loaded: int
    duplicates: int
    quarantined: int
    released: int
    away: str | None
    seconds: float
    receives: int = 0
    empty_receives: int = 0
    deletes: int = 0
    visibility_changes: int = 0
    requests: int = 0
