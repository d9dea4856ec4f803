"""What the pipeline needs of the world, as Protocols, beside their consumer. Adapters and fakes fill them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.record import LoadResult, MaskedRecord, Message, SealedRejection, Vaulted


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


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...
