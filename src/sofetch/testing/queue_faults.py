"""What can go wrong with a call to a queue, planned by a test and used up call by call.

Owns the kinds of faults and their order. It must not touch messages: the queue does what a fault says.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sofetch.errors import SofetchError, SourceRefused, SourceUnavailable
from sofetch.source.transport import EntryFailure


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """The call does its work, and then the answer is lost: the caller sees the error."""

    error: SofetchError


@dataclass(frozen=True, slots=True)
class LostDelete:
    """The entry at ``position`` is answered as deleted, but a server did not hear of it: the message comes again."""

    position: int = 0


EntryFault = EntryFailure | LostDelete
Fault = EntryFault | tuple[EntryFault, ...] | SofetchError | LostAnswer
"""What may be planned for one call: one or several of its entries, the whole call by an error, or its answer."""


@dataclass(slots=True)
class CallFaults:
    """What one call has to suffer."""

    failures: dict[int, EntryFailure] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    lost_answer: SofetchError | None = None

    def end(self) -> None:
        """The call's work is done; raises if its answer is lost."""
        if self.lost_answer is not None:
            raise self.lost_answer


_NONE = CallFaults()


class FaultPlan:
    """The faults of one kind of call, first planned, first met."""

    def __init__(self) -> None:
        self._faults: deque[Fault] = deque()

    def extend(self, faults: tuple[Fault, ...]) -> None:
        """Plan a fault for each of the next calls."""
        self._faults.extend(faults)

    def begin(self) -> CallFaults:
        """What the call that begins has to suffer. Raises the error of a call that is not carried out."""
        if not self._faults:
            return _NONE
        fault = self._faults.popleft()
        if isinstance(fault, SofetchError):
            raise fault
        if isinstance(fault, LostAnswer):
            return CallFaults(lost_answer=fault.error)
        entries = fault if isinstance(fault, tuple) else (fault,)
        return CallFaults(
            failures={entry.position: entry for entry in entries if isinstance(entry, EntryFailure)},
            lost={entry.position for entry in entries if isinstance(entry, LostDelete)},
        )


def unavailable_source() -> SourceUnavailable:
    """The error of a queue that does not answer, for ``MemoryQueue.fail_*``."""
    return SourceUnavailable("the queue does not answer", hint="this fault was planned by a test")


def refused_source() -> SourceRefused:
    """The error of a queue that denies the call, for ``MemoryQueue.fail_*``."""
    return SourceRefused("the queue denies the call", hint="this fault was planned by a test")
