"""What a worker does beside loading: the schema, partitions, requests of the console, hours of the archive.

Owns what is told of it. What fails here holds up no message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sofetch.events.base import Event, Level, Measure


class SchemaApplied(Event, frozen=True, kw_only=True):
    """Missing DDL was applied before the start, as `--apply-schema` asks for."""

    steps: int


class PartitionsSeen(Event, frozen=True, kw_only=True):
    """A worker looked at the table's partitions: there is one for every instant from now until ``ends_ms``."""

    ends_ms: int

    @property
    def level(self) -> Level:
        """Once an hour, and usually as it should be: shown at debug."""
        return "debug"


class PartitionsKept(Event, frozen=True, kw_only=True):
    """A worker made or dropped partitions of the table. ``postponed`` of them were not to be had in time."""

    made: int
    moved_rows: int
    dropped: int
    expired_rows: int
    postponed: int


class RequestDone(Event, frozen=True, kw_only=True):
    """A worker carried out a replay or a purge that was asked for. ``done`` messages left the quarantine by it."""

    request: int
    action: Literal["replay", "purge"]
    messages: int
    done: int
    outcome: str


class RequestFailed(Event, frozen=True, kw_only=True):
    """A worker could not carry out what was asked for. It is tried again, and loading goes on."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """Somebody waits for it."""
        return "warning"


class MaintenanceFailed(Event, frozen=True, kw_only=True):
    """A worker could not keep the table's partitions. Loading goes on, into the default partition if need be."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """Nothing is lost or held up; somebody should look within days."""
        return "warning"

    def measures(self) -> Iterator[Measure]:
        """Such failures."""
        yield "sofetch_maintenance_failures_total", "", 1


class HourArchived(Event, frozen=True, kw_only=True):
    """An hour of the archive is closed: what this worker wrote into it, and its manifest is there."""

    hour: str
    files: int
    messages: int
    bytes: int


class ArchiveUnfinished(Event, frozen=True, kw_only=True):
    """An hour of the archive could not be closed. Its messages are safe in it; its manifest is missing."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """`sofetch archive manifest` makes it."""
        return "warning"
