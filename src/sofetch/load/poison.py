"""Finding the rows that the database refuses, among many that it takes.

Owns the search: the line that a COPY error names, confirmed alone, a few times; then halving. Runs inside a transaction
of the caller's and leaves it usable. It must not decide what becomes of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.load.batch import Fault
from sofetch.load.rows import Row, RowWriter
from sofetch.load.sqlstate import Blame, blame, copy_line, reason_of

Rows = Sequence[tuple[bytes, Row]]

MOST_GUIDED = 8
"""How often a named line is followed: each time sends the rest of the batch again, so with much poison halving wins."""


def find_faults(connection: Connection[Any], writer: RowWriter, rows: Mapping[bytes, Row]) -> dict[bytes, Fault]:
    """The rows that fail alone, given that those before them are stored.

    Raises psycopg.Error for whatever is not a row's fault. The good rows are stored in the open transaction.
    """
    search = _Search(connection, writer)
    search.run(list(rows.items()))
    return search.faults


class _Search:
    def __init__(self, connection: Connection[Any], writer: RowWriter) -> None:
        self._connection = connection
        self._writer = writer
        self._guided = 0
        self.faults: dict[bytes, Fault] = {}

    def run(self, rows: Rows) -> None:
        self._connection.execute("SAVEPOINT sofetch_poison")
        waiting = [rows]
        while waiting:
            segment = waiting.pop()
            error = self._attempt(segment)
            if error is None:
                continue
            if len(segment) == 1:
                self.faults[segment[0][0]] = fault_of(error, self._writer.names)
            else:  # the first part is tried first: later rows are judged with the earlier ones in place
                waiting += reversed(self._parts(segment, error))

    def _attempt(self, segment: Rows) -> psycopg.Error | None:
        try:
            self._writer.copy(self._connection, (row for _, row in segment))
        except psycopg.Error as error:
            if blame(error.diag) is not Blame.ROW:
                raise
            self._connection.execute("ROLLBACK TO SAVEPOINT sofetch_poison")
            return error
        self._connection.execute("RELEASE SAVEPOINT sofetch_poison; SAVEPOINT sofetch_poison")
        return None

    def _parts(self, segment: Rows, error: psycopg.Error) -> list[Rows]:
        line = copy_line(error.diag.context, table=self._writer.table.name)
        if line is not None and 1 <= line <= len(segment) and self._guided < MOST_GUIDED:
            self._guided += 1
            parts = [segment[: line - 1], segment[line - 1 : line], segment[line:]]
        else:
            middle = len(segment) // 2
            parts = [segment[:middle], segment[middle:]]
        return [part for part in parts if part]


def fault_of(error: psycopg.Error, names: Sequence[str]) -> Fault:
    """Reason and, where the error names a configured column, the field."""
    return Fault(reason_of(error.diag.sqlstate), _field(error, names))


def _field(error: psycopg.Error, names: Sequence[str]) -> str | None:
    """The column of the diagnosis, or the one that COPY's context ends with (``COPY t, line 2, column ip``)."""
    if error.diag.column_name in names:
        return error.diag.column_name
    _, number, last = (error.diag.context or "").rpartition(", ")
    ends = [name for name in names if number and last.endswith(f" {name}")]
    return max(ends, key=len, default=None)
