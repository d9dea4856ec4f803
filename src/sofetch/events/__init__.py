"""What is worth telling: each event is one log line and the metrics that go with it.

Owns the vocabulary. An event has only the fields declared for it: names, codes, counts and durations. No field takes a
value of a message, so no log line can hold one. Writing the lines is ``sofetch.observe.log``'s.
"""

from __future__ import annotations

from collections.abc import Iterable

from sofetch.events.base import Event, Level, Measure
from sofetch.events.batches import BatchDone, LeftForTime, MessagesDamaged, MessagesQuarantined, ValuesNotOfKind
from sofetch.events.drift import DriftNotKept, FieldDrifted, NewDrift
from sofetch.events.emitter import Events
from sofetch.events.life import (
    Draining,
    Failed,
    Heartbeat,
    LibraryWarning,
    Listening,
    Stopped,
    Unexpected,
    WorkerStarted,
)
from sofetch.events.outages import BreakerChanged, Outage, Recovered, outage
from sofetch.events.several import (
    PipelineEnded,
    PipelineStarted,
    ProcessEnded,
    ProcessStarted,
    Reloaded,
    ReloadRefused,
    RestartNeeded,
)
from sofetch.events.upkeep import (
    ArchiveUnfinished,
    HourArchived,
    MaintenanceFailed,
    PartitionsKept,
    PartitionsSeen,
    RequestDone,
    RequestFailed,
    SchemaApplied,
)

__all__ = [
    "ArchiveUnfinished",
    "BatchDone",
    "BreakerChanged",
    "Draining",
    "DriftNotKept",
    "Event",
    "Events",
    "Failed",
    "FieldDrifted",
    "Heartbeat",
    "HourArchived",
    "LeftForTime",
    "Level",
    "LibraryWarning",
    "Listening",
    "MaintenanceFailed",
    "Measure",
    "MessagesDamaged",
    "MessagesQuarantined",
    "NewDrift",
    "Outage",
    "PartitionsKept",
    "PartitionsSeen",
    "PipelineEnded",
    "PipelineStarted",
    "ProcessEnded",
    "ProcessStarted",
    "Recovered",
    "ReloadRefused",
    "Reloaded",
    "RequestDone",
    "RequestFailed",
    "RestartNeeded",
    "SchemaApplied",
    "Stopped",
    "Unexpected",
    "ValuesNotOfKind",
    "WorkerStarted",
    "event_types",
    "outage",
]

_TYPES: tuple[type[Event], ...] = (
    WorkerStarted,
    BatchDone,
    MessagesQuarantined,
    MessagesDamaged,
    LeftForTime,
    ValuesNotOfKind,
    FieldDrifted,
    NewDrift,
    DriftNotKept,
    Outage,
    Recovered,
    BreakerChanged,
    SchemaApplied,
    PartitionsSeen,
    PartitionsKept,
    RequestDone,
    RequestFailed,
    MaintenanceFailed,
    HourArchived,
    ArchiveUnfinished,
    Listening,
    Heartbeat,
    Draining,
    Failed,
    Unexpected,
    LibraryWarning,
    Stopped,
    Reloaded,
    ReloadRefused,
    RestartNeeded,
    PipelineStarted,
    PipelineEnded,
    ProcessStarted,
    ProcessEnded,
)
"""All there are, in the order in which the documentation tells them."""


def event_types() -> Iterable[type[Event]]:
    """Every kind of event, for the documentation and for whoever reads them back."""
    return _TYPES
