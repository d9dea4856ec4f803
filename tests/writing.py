"""Messages of users' states, for the tests of the write modes, and the table of one row a user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from loading import query, settings_for
from sofetch.record import MaskedRecord
from sofetch.settings import Settings

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "required": True, "max_length": 64},
    {"name": "sent", "value": "sent_time", "type": "timestamp"},
    {"name": "state"},
]


def profiles(write: str, *, table: str = "profiles") -> Settings:
    key = {} if write == "insert" else {"key": ["user_id"]}
    return settings_for(COLUMNS, table=table, write=write, **key)


class Sent(NamedTuple):
    """A message: of whom, sent when, what it says."""

    number: int
    user: str
    ms: int
    state: str | None

    def record(self) -> MaskedRecord:
        key = (1_795_000_000_000 + self.ms).to_bytes(6, "big") + self.number.to_bytes(10, "big")
        return MaskedRecord(str(self.number), key, (self.user, EPOCH + timedelta(milliseconds=self.ms), self.state))


def found(dsn: str) -> dict[str, tuple[int, str | None]]:
    rows = query(dsn, "SELECT user_id, sent, state FROM profiles")
    assert len({user for user, _, _ in rows}) == len(rows)
    return {user: ((sent - EPOCH) // timedelta(milliseconds=1), state) for user, sent, state in rows}
