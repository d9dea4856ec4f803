"""A batch, and what became of its messages.

Owns what is told of messages: counts, codes and names of columns, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator

from sofetch.events.base import Event, Level, Measure


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
