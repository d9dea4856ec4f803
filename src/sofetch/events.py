"""What is worth telling: each event is one log line and the metrics that go with it.

Owns the vocabulary. An event has only the fields declared here: names, codes, counts and durations. No field takes a
value of a message, so no log line can hold one. Writing the lines is ``sofetch.observe.log``'s.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, structs

from sofetch.errors import SofetchError

Level = Literal["debug", "info", "warning", "error"]
Measure = tuple[str, str, float]
"""A metric's name, its one label's value ("" if it has none), and by how much it grows."""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=_snake):
    """Base of the events. ``level`` is its severity; the fields are the line.

    ``pipeline`` names the pipeline where several share a process, ``process`` the worker's process where a supervisor
    has several; where there is one it stands in no line.
    """

    pipeline: str | UnsetType = UNSET
    process: int | UnsetType = UNSET

    @property
    def level(self) -> Level:
        """How severe it is."""
        return "info"

    def measures(self) -> Iterator[Measure]:
        """The counters that this event raises."""
        yield from ()


class WorkerStarted(Event, frozen=True, kw_only=True):
    """The database is prepared and receiving begins."""

    pipeline: str
    queue: str
    table: str
    version: str


class BatchDone(Event, frozen=True, kw_only=True):
    """A batch is durable: table, quarantine and ledger are committed."""

    messages: int
    loaded: int
    duplicates: int
    quarantined: int
    retried: int
    body_bytes: int
    milliseconds: int
    oldest_age_ms: int | None

    @property
    def level(self) -> Level:
        """Batches are many: shown at debug."""
        return "debug"

    def measures(self) -> Iterator[Measure]:
        """Batches, bytes, messages, and what became of them; quarantined ones are counted by reason."""
        yield "sofetch_batches_total", "", 1
        yield "sofetch_body_bytes_total", "", self.body_bytes
        yield "sofetch_messages_received_total", "", self.messages
        yield "sofetch_rows_loaded_total", "", self.loaded
        yield "sofetch_duplicates_total", "", self.duplicates
        yield "sofetch_released_total", "", self.retried


class MessagesQuarantined(Event, frozen=True, kw_only=True):
    """Messages of one batch went to quarantine for one reason."""

    reason: str
    field: str | None
    count: int

    @property
    def level(self) -> Level:
        """Somebody should look, some day."""
        return "warning"

    def measures(self) -> Iterator[Measure]:
        """Quarantined messages by reason."""
        yield "sofetch_quarantined_total", self.reason, self.count


class MessagesDamaged(Event, frozen=True, kw_only=True):
    """Messages came with a body that is not the one that was sent (its MD5 says so). They are left to come again."""

    count: int

    @property
    def level(self) -> Level:
        """The network, a proxy or the queue's server is not sound."""
        return "warning"

    def measures(self) -> Iterator[Measure]:
        """Such messages."""
        yield "sofetch_damaged_messages_total", "", self.count


class LeftForTime(Event, frozen=True, kw_only=True):
    """A function's time was nearly over: these messages were not tried, and come again."""

    count: int

    @property
    def level(self) -> Level:
        """The function's timeout is too short for its batches, or the database slow."""
        return "warning"


class ValuesNotOfKind(Event, frozen=True, kw_only=True):
    """Personal values of a column were not of its kind and were tokenised as plain strings, by policy."""

    column: str
    count: int

    @property
    def level(self) -> Level:
        """They do not join with the rest, so it matters."""
        return "warning"

    def measures(self) -> Iterator[Measure]:
        """Such values by column."""
        yield "sofetch_not_of_kind_total", self.column, self.count


class FieldDrifted(Event, frozen=True, kw_only=True):
    """Messages of one batch were not as the configuration expects, in this field. Those that came again count again."""

    kind: str
    field: str
    count: int

    @property
    def level(self) -> Level:
        """Told once by ``new_drift``; a producer that has changed goes on like that."""
        return "debug"

    def measures(self) -> Iterator[Measure]:
        """Such messages by kind: the fields of a producer are without bound."""
        yield "sofetch_drifted_total", self.kind, self.count


class NewDrift(Event, frozen=True, kw_only=True):
    """Messages began to differ from the configuration in this field: the pipeline has not seen that before."""

    kind: str
    field: str

    @property
    def level(self) -> Level:
        """A producer has changed, and somebody should look."""
        return "warning"


class DriftNotKept(Event, frozen=True, kw_only=True):
    """What drifted could not be written to ``sofetch.drift``. The counts are kept, and tried again in a minute."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """Loading goes on."""
        return "warning"


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


def event_types() -> Iterable[type[Event]]:
    """Every kind of event, for the documentation."""
    return Event.__subclasses__()
