"""Rows tried one by one in few round trips: where many of them are bad, nothing else proves each of them as cheaply.

Owns the pipeline of single INSERTs, each under a savepoint. Runs inside a transaction of the caller's, with a savepoint
called ``sofetch_row``, and leaves it usable; if it raises, the connection must be closed. It must not decide what
becomes of a row. It needs nothing of the session: no temporary table, no setting, no named prepared statement, so that
it works behind a pooler.

What the server sees for each row is one group, ended by a Sync, at which it goes on after an error:

    ROLLBACK TO sofetch_row;  INSERT …;  RELEASE sofetch_row;  SAVEPOINT sofetch_row;  Sync

A row that is taken moves the savepoint behind it. One that is refused leaves it where it was, for the rest of its group
is skipped, and the ROLLBACK that begins the next group undoes the refused row alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection, errors, generators, pq
from psycopg.abc import Buffer, PQGen
from psycopg.pq.abc import PGresult

from sofetch.load.rows import Row, RowWriter

MOST_IN_FLIGHT = 250
"""Rows sent before the answers are waited for: it bounds what both sides buffer. A round trip each."""

_BEFORE = b"ROLLBACK TO SAVEPOINT sofetch_row"
_AFTER = (b"RELEASE SAVEPOINT sofetch_row", b"SAVEPOINT sofetch_row")
_INSERT_AT = 1
_ANSWERS = 2 + len(_AFTER) + 1
"""Of one group: one for each statement, and the Sync."""


def is_possible() -> bool:
    """Whether libpq has pipelines (14 and newer)."""
    return psycopg.Pipeline.is_supported()


def try_each(connection: Connection[Any], writer: RowWriter, rows: Sequence[Row]) -> list[psycopg.Error | None]:
    """Insert each row, with those before it in place; for each the error, or None if it is stored.

    Raises psycopg.Error if the connection fails, and SinkRefused if a trigger swallows a row.
    """
    found: list[psycopg.Error | None] = []
    for start in range(0, len(rows), MOST_IN_FLIGHT):
        part = rows[start : start + MOST_IN_FLIGHT]
        answers = connection.wait(_round_trip(connection, writer, part))
        found += [_error(answers[at : at + _ANSWERS], writer, connection) for at in range(0, len(answers), _ANSWERS)]
    connection.execute(_BEFORE)  # the last row may have left the transaction failed
    return found


def _round_trip(connection: Connection[Any], writer: RowWriter, rows: Sequence[Row]) -> PQGen[list[PGresult]]:
    """Send a group for each row; the result of each statement, in order."""
    pgconn = connection.pgconn
    commands = deque(command for insert in writer.insert(connection, rows) for command in _group(pgconn, *insert))
    expected = len(rows) * _ANSWERS
    pgconn.enter_pipeline_mode()
    answers = yield from generators.pipeline_communicate(pgconn, commands)
    while len(answers) < expected:
        answers.append((yield from generators.fetch_many(pgconn)))
    pgconn.exit_pipeline_mode()
    return [answer[-1] for answer in answers]


def _group(pgconn: pq.abc.PGconn, insert: bytes, values: list[Buffer | None]) -> Iterator[Callable[[], None]]:
    yield partial(pgconn.send_query_params, _BEFORE, None)
    yield partial(pgconn.send_query_params, insert, values, param_formats=[pq.Format.BINARY] * len(values))
    yield from (partial(pgconn.send_query_params, after, None) for after in _AFTER)
    yield pgconn.pipeline_sync


def _error(group: Sequence[PGresult], writer: RowWriter, connection: Connection[Any]) -> psycopg.Error | None:
    """The error of the group's INSERT; that of another of its statements is none of the row's and is raised."""
    for at, result in enumerate(group):
        if result.status == pq.ExecStatus.FATAL_ERROR:
            error = errors.error_from_result(result, encoding=connection.info.encoding)
            if at != _INSERT_AT:
                raise error from None
            return error
    writer.require_all_taken(group[_INSERT_AT].command_tuples or 0, 1)
    return None
