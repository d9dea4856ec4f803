"""What the pipeline needs of the world, as Protocols, beside their consumer. Adapters and fakes fill them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.record import LoadResult, MaskedRecord, Message, ObjectRef, Reason, SealedRejection, Vaulted


class Source(Protocol):
    """Where messages come from. One consumer thread calls it; the adapter may run fleets of its own inside.

    Guarantees of every adapter (``tests/contract/test_source.py``): a message is given at most once while it is
    held, a second delivery only replaces its receipt handle; nothing is deleted but what ``acknowledge`` names;
    held messages are kept invisible until they are acknowledged or the source is closed, or until they were held for
    as long as the queue allows: then they go back to it, and acknowledging them does nothing.
    """

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        """Up to ``max_messages`` messages of up to ``max_bytes`` body bytes together (at least one, if there is one).

        Gathers for at most ``wait_seconds`` and returns early once full; returns an empty list if none came.
        Raises SourceUnavailable (may pass) or SourceRefused (a person must act).
        """
        ...

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Delete, release or go on holding messages that ``receive`` gave. Does not wait for the queue's answer."""
        ...

    def pause(self) -> None:
        """Begin no more receive calls until ``resume``; what is held stays held, and acknowledging goes on.

        Those under way are not cut off: what they bring was counted as received, so it is held too. Idempotent.
        """
        ...

    def resume(self) -> None:
        """Receive again. Idempotent."""
        ...

    def flush(self, *, timeout_seconds: float) -> bool:
        """Wait until every delete and release handed over is answered. True if all were done in time."""
        ...

    def drained(self) -> bool:
        """True if the queue said, since the last message came, that nothing waits and nothing is held here."""
        ...

    def calls(self) -> Calls:
        """The calls that were made to the queue so far."""
        ...

    def close(self, *, grace_seconds: float) -> None:
        """Stop receiving, finish the deletes, release what is not done, end every thread. Idempotent."""
        ...


class Sink(Protocol):
    """Where masked rows go. Takes MaskedRecord and SealedRejection only, so it never sees a personal value.

    Guarantees of every adapter (``tests/contract/test_sink.py``): for each key, exactly one of row and quarantine
    entry is ever committed, whoever else loads it at the same time; the answer comes after the commit.
    """

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        """Commit rows, quarantine entries and their ledger keys in one transaction; one result per message given.

        A row that the database refuses on its own account comes back as Refused and its neighbours load.
        Raises SinkUnavailable (hold and retry; nothing of this call is committed, or all of it is and a retry
        answers Duplicate) or SinkRefused (a person must act; the same holds).
        """
        ...

    def close(self) -> None:
        """Close the connection. Idempotent."""
        ...


class Vault(Protocol):
    """Where the values behind tokens go, sealed. It can be written to and not read."""

    def store(self, vaulted: Vaulted) -> int:
        """Commit the values that are not there yet; how many were new. Idempotent. Returns after the commit.

        Raises SinkUnavailable (hold and retry) or SinkRefused (a person must act).
        """
        ...

    def close(self) -> None:
        """Close the connection. Idempotent."""
        ...


class ObjectStream(Protocol):
    """One object while it is read. ``version`` is the same for the same content of the same object, and no other;
    ``modified_ms`` is when that content was stored, in milliseconds since the epoch, or 0.
    """

    @property
    def version(self) -> str:
        """What tells this content of the object from any other it had or will have."""
        ...

    @property
    def modified_ms(self) -> int:
        """When this content was stored."""
        ...

    def __iter__(self) -> Iterator[bytes]:
        """The content, piece by piece. Raises SourceUnavailable where it breaks off."""
        ...

    def close(self) -> None:
        """Give back the connection. Idempotent."""
        ...


class ObjectStore(Protocol):
    """Where bodies are that messages only point to. It is read from and never written to.

    Guarantees of every adapter (``tests/contract/test_object_store.py``): no more than ``max_bytes`` of an object are
    held or read; a Reason for an object that is missing or too large, which no retry mends.
    """

    def fetch(self, refs: Sequence[ObjectRef], *, max_bytes: int) -> list[bytes | Reason]:
        """Whole objects, one result each, in order. Raises SourceUnavailable (may pass) or SourceRefused."""
        ...

    def open(self, ref: ObjectRef, *, max_bytes: int) -> ObjectStream | Reason:
        """One object, to be read piece by piece and closed. Raises SourceUnavailable or SourceRefused."""
        ...

    def close(self) -> None:
        """Give back the connections. Idempotent."""
        ...


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...
