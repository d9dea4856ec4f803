"""Which entries of the quarantine a command is about, as parameters of our statements.

Pure. Owns that a selection names nothing by accident: what is not limited says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from sofetch.record import Reason
from sofetch.settings import Settings


class Selection(Struct, frozen=True, kw_only=True):
    """Entries that meet every condition given. ``names`` are ledger keys (hexadecimal) or message ids."""

    names: Sequence[str] | None = None
    reasons: Sequence[Reason] | None = None
    expired: bool = False

    def parameters(self, pipeline_id: int) -> dict[str, Any]:
        """For the statements that select."""
        names = None if self.names is None else list(self.names)
        return {
            "pipeline_id": pipeline_id,
            "names": names,
            "keys": [key for name in names or () if (key := as_key(name)) is not None],
            "reasons": None if self.reasons is None else [reason.value for reason in self.reasons],
            "expired": self.expired,
        }


def as_key(text: str) -> UUID | None:
    """A ledger key as people write it, hyphens or not; None for what is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def known_pipeline(connection: Connection[Any], settings: Settings) -> int | None:
    """The pipeline's number, or None: then it has loaded nothing yet, and has no quarantine."""
    find = "SELECT id FROM sofetch.pipeline WHERE name = %s"
    row = connection.execute(find, [settings.pipeline_name]).fetchone()
    return int(row[0]) if row else None
