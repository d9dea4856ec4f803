"""Whether the keys at hand are the ones that the database's tokens were made with; for ``sofetch check``.

Reads only: registering fingerprints is for those who load (``sofetch.load.registry``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.findings import Finding
from sofetch.load.connection import connect, sink_error
from sofetch.load.registry import CONTRADICTIONS, Fingerprint, as_columns
from sofetch.load.statements import statement
from sofetch.settings import Settings

_READABLE = """
SELECT CASE WHEN to_regclass('sofetch.key_fingerprint') IS NULL THEN false
       ELSE has_table_privilege('sofetch.key_fingerprint', 'SELECT') END
"""
_WHERE = "keys"


def check_key_use(settings: Settings, *, dsn: str, fingerprints: Sequence[Fingerprint]) -> list[Finding]:
    """What speaks against these keys, or that nothing does; empty where the database cannot tell.

    Raises SinkUnavailable or SinkRefused.
    """
    connection = connect(dsn, settings.sink, role=" check")
    try:
        return _look(connection, fingerprints)
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def _look(connection: Connection[Any], fingerprints: Sequence[Fingerprint]) -> list[Finding]:
    readable = connection.execute(_READABLE).fetchone()
    if not fingerprints or readable is None or not readable[0]:
        return []
    columns = as_columns(fingerprints)
    found = [(one, connection.execute(statement(one.query), columns).fetchall()) for one in CONTRADICTIONS]
    differing = [
        Finding(severity="error", code=one.code, where=_WHERE, what=f"{one.what}: {one.named(rows)}", hint=one.hint)
        for one, rows in found
        if rows
    ]
    what = "they are the ones that this database's tokens were made with, or its first"
    return differing or [Finding(severity="ok", code="keys_match", where=_WHERE, what=what)]
