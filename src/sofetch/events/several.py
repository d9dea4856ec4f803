"""Several pipelines and several processes: which begin, which end, and what a reload changes.

Owns what a supervisor is told, and what it tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from sofetch.events.base import Event, Level, Measure


class Reloaded(Event, frozen=True, kw_only=True):
    """SIGHUP: the configuration was read anew. Pipelines that it left as they were go on untouched.

    ``started`` counts those that start now or, where one of their name has to end first, soon.
    """

    started: int
    ended: int
    unchanged: int


class ReloadRefused(Event, frozen=True, kw_only=True):
    """SIGHUP: the configuration is wrong as it is now. All goes on with the one before."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """A person meant something, and it did not happen."""
        return "error"


class RestartNeeded(Event, frozen=True, kw_only=True):
    """SIGHUP: these sections changed, and belong to the process: they take effect when it is started again."""

    sections: str

    @property
    def level(self) -> Level:
        """A person meant something, and it has not happened yet."""
        return "warning"


class PipelineStarted(Event, frozen=True, kw_only=True):
    """A worker's process begins with one of its pipelines, and reaches for the database and the queue next."""

    pipeline: str

    @property
    def level(self) -> Level:
        """`worker_started` tells that it works: shown at debug."""
        return "debug"


class PipelineEnded(Event, frozen=True, kw_only=True):
    """A worker's process is done with one of its pipelines: ``code`` if by an error, with the exit code that goes with
    it. Not ``configured``: it was removed from the configuration.
    """

    pipeline: str
    configured: bool = True
    code: str | None = None
    what: str = ""
    hint: str = ""
    exit_code: int = 0

    @property
    def level(self) -> Level:
        """`failed` or `stopped` told it: shown at debug."""
        return "debug"


class ProcessStarted(Event, frozen=True, kw_only=True):
    """One of several workers was started, in a process of its own."""

    process: int
    pid: int


class ProcessEnded(Event, frozen=True, kw_only=True):
    """One of several workers ended. What it left is in the queue; ``restart_in_seconds`` if another takes its place.

    ``reload``: it gave way to one that starts with the configuration as it is now.
    """

    process: int
    exit_code: int
    restart_in_seconds: float | None
    reload: bool = False

    @property
    def level(self) -> Level:
        """An end that was not asked for is worth a look."""
        return "info" if self.exit_code == 0 or self.reload else "warning"

    def measures(self) -> Iterator[Measure]:
        """Restarts that nobody asked for."""
        if self.restart_in_seconds is not None and not self.reload:
            yield "sofetch_process_restarts_total", "", 1
