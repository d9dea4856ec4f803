"""The oracle: knows every message that was sent, and says what is not as it must be.

Owns I1 (each exactly once in table ∪ quarantine, by key), I2 (the queue drained, no dead letters) and I4 (a retry gives
the same row: every row is recomputed). It holds ten bytes a message; the rest follows from the message's number, and
the comparison is Postgres' work. Where planted values are looked for (I3) is ``leaks``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from faults.corpus import Corpus

_HERE = Path(__file__).parent
_KEY_BYTES = 10
MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that may not be: of which kind, how many, and some of them."""

    what: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what}: {self.count} ({'; '.join(self.examples)})"


@dataclass
class Sent:
    """What went onto the queue, in the order of the messages' numbers."""

    corpus: Corpus
    bits: bytearray = field(default_factory=bytearray)

    def add(self, message_ids: list[str]) -> None:
        """The next messages were sent, and these are their ids."""
        for message_id in message_ids:
            self.bits += UUID(message_id).bytes[:_KEY_BYTES]

    @property
    def count(self) -> int:
        """How many."""
        return len(self.bits) // _KEY_BYTES

    def expected(self) -> Iterator[tuple[Any, ...]]:
        """For each number what ``oracle.expected`` holds."""
        for number in range(self.count):
            message = self.corpus.message(number)
            bits = bytes(self.bits[number * _KEY_BYTES : (number + 1) * _KEY_BYTES])
            yield (number, bits, *(message.row or (None,) * 6), message.reason)


def judge(sent: Sent, dsn: str) -> list[Violation]:
    """Compare what is in the database with what was sent. Empty if all is well."""
    with psycopg.connect(dsn, autocommit=True, options="-c work_mem=256MB -c search_path=public") as connection:
        connection.execute((_HERE / "oracle.sql").read_bytes())
        with connection.cursor() as cursor, cursor.copy("COPY oracle.expected FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "bytea", *["text"] * 7])
            for row in sent.expected():
                copy.write_row(row)
        connection.execute((_HERE / "found.sql").read_bytes())
        found = [_violation(connection, what, statement) for what, statement in _checks()]
    return [violation for violation in found if violation is not None]


def quarantined(dsn: str) -> dict[str, int]:
    """Messages in quarantine, by reason."""
    with psycopg.connect(dsn) as connection:
        return dict(
            connection.execute("SELECT reason, count(*) FROM sofetch.quarantine GROUP BY 1 ORDER BY 1").fetchall()
        )


def _checks() -> list[tuple[str, str]]:
    parts = re.split(r"-- violation: (.+)\n", (_HERE / "checks.sql").read_text())
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _violation(connection: psycopg.Connection[Any], what: str, statement: str) -> Violation | None:
    rows = connection.execute(statement.encode()).fetchall()
    return Violation(what, len(rows), tuple(str(row[0]) for row in rows[:MOST_SHOWN])) if rows else None
