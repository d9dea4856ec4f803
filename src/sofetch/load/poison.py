"""Finding the rows that the database refuses, among many that it takes.

Owns the search, which is bounded: the line that a COPY error names, confirmed alone, a few times; then halving down to
parts of which each row is tried one by one, in a few round trips however many of them are bad. Runs inside a
transaction of the caller's and leaves it usable. It must not decide what becomes of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.load import one_by_one
from sofetch.load.batch import Fault
from sofetch.load.rows import Row, RowWriter
from sofetch.load.sqlstate import Blame, blame, copy_line, reason_of
from sofetch.load.statements import statement
from sofetch.record import Reason

Rows = Sequence[tuple[bytes, Row]]

MOST_GUIDED = 4
"""How often a named line is followed: each time sends the rest of the batch again, and costs three attempts to COPY."""

ONE_BY_ONE = 1_000
"""Rows from which on halving costs more than to try each. Halving would find one bad row among these in 20 attempts to
COPY, and 200 in a thousand; to try each takes four round trips and never more."""


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
        self._not_null: frozenset[tuple[str, str]] | None = None
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
                self.faults[segment[0][0]] = self._fault_of(error)
                continue
            parts = self._guided_parts(segment, error)
            if parts is None and len(segment) <= ONE_BY_ONE and one_by_one.is_possible():
                self._try_each(segment)
            else:  # the first part is tried first: later rows are judged with the earlier ones in place
                waiting += reversed(parts or _halves(segment))

    def _attempt(self, segment: Rows) -> psycopg.Error | None:
        try:
            self._writer.write(self._connection, [key for key, _ in segment], (row for _, row in segment))
        except psycopg.Error as error:
            if blame(error.diag) is not Blame.ROW:
                raise
            self._connection.execute("ROLLBACK TO SAVEPOINT sofetch_poison")
            return error
        self._connection.execute("RELEASE SAVEPOINT sofetch_poison; SAVEPOINT sofetch_poison")
        return None

    def _try_each(self, segment: Rows) -> None:
        self._connection.execute("SAVEPOINT sofetch_row")
        errors = one_by_one.try_each(self._connection, self._writer, [row for _, row in segment])
        for (key, _), error in zip(segment, errors, strict=True):
            if error is None:
                continue
            if blame(error.diag) is not Blame.ROW:
                raise error
            self.faults[key] = self._fault_of(error)
        self._connection.execute("RELEASE SAVEPOINT sofetch_poison; SAVEPOINT sofetch_poison")

    def _fault_of(self, error: psycopg.Error) -> Fault:
        """Reason and field: a configured column or, of a NULL, another one of the table that the error names."""
        fault = fault_of(error, self._writer.names)
        if fault.field is None and fault.reason is Reason.NOT_NULL_VIOLATION and self._is_not_null(error):
            return Fault(fault.reason, error.diag.column_name)
        return fault

    def _is_not_null(self, error: psycopg.Error) -> bool:
        """Whether the catalog has the column that the error names, as one that may not be NULL. A trigger may write
        whatever it likes there, a row's text too (``RAISE … USING COLUMN``), or stumble in another table.
        """
        if self._not_null is None:
            found = self._connection.execute(statement("not_null_columns"), {"table": self._writer.table.oid})
            self._not_null = frozenset((table, column) for table, column in found)
        return (error.diag.table_name, error.diag.column_name) in self._not_null

    def _guided_parts(self, segment: Rows, error: psycopg.Error) -> list[Rows] | None:
        """What is before the line that the error names, that line, and the rest; None if no line is to be followed."""
        line = copy_line(error.diag.context, table=self._writer.table.name)
        if line is None or not 1 <= line <= len(segment) or self._guided >= MOST_GUIDED:
            return None
        self._guided += 1
        parts = [segment[: line - 1], segment[line - 1 : line], segment[line:]]
        return [part for part in parts if part]


def _halves(segment: Rows) -> list[Rows]:
    middle = len(segment) // 2
    return [segment[:middle], segment[middle:]]


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
