"""One identity, one token, in the columns that rows are told by.

Owns the look for rows under an earlier key: beside them a row under the new one would be a second of the same identity,
and no index would say so. Looks only where more than one key was ever used, and not for long.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from sofetch.columns import token_domain
from sofetch.errors import SinkRefused
from sofetch.load.rotation.kids import PREFIX_OF_MASK, holds_other
from sofetch.load.rows import Row
from sofetch.load.table import Table
from sofetch.settings import ColumnSettings, Settings


def require_one_key(connection: Connection[Any], settings: Settings, table: Table, row: Row) -> None:
    """SinkRefused where a key column holds tokens of another key than this row's.

    A table too large to be looked through in five seconds is taken for right: `sofetch check` looks likewise.
    """
    for place, column in enumerate(settings.column):
        scheme = PREFIX_OF_MASK.get(column.mask) if column.mask else None
        if scheme is None or column.name not in settings.sink.key or not _has_several(connection, column, scheme):
            continue
        kid = str(row[place]).split(".")[1]
        if holds_other(connection, table, column.name, scheme=scheme, kid=kid):
            raise SinkRefused(
                f"column {column.name} of {settings.sink.table} is in `key` and holds tokens of another key than "
                f"{kid}: one identity would get two rows",
                hint="stop all workers of this table, run `sofetch rotate` with the new keyring, then start them",
            )


def renewed_keys(settings: Settings) -> list[str]:
    """Columns that rows are told by and whose tokens a rotation renews."""
    return [column.name for column in settings.column if column.name in settings.sink.key and _names_key(column)]


def _names_key(column: ColumnSettings) -> bool:
    return column.mask is not None and column.mask in PREFIX_OF_MASK


def _has_several(connection: Connection[Any], column: ColumnSettings, scheme: str) -> bool:
    query = "SELECT count(DISTINCT kid) > 1 FROM sofetch.key_fingerprint WHERE scheme = %s AND domain = %s"
    row = connection.execute(query, [scheme, token_domain(column)]).fetchone()
    return bool(row and row[0])
