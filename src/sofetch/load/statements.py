"""The SQL that lives in ``sql/*.sql``: reading it, and putting names into it safely.

Owns the way from a file to a statement. Values never come in here: they are always parameters.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from psycopg import sql

from sofetch.errors import ConfigError


@cache
def statement(name: str) -> bytes:
    """The text of ``sql/<name>.sql``."""
    return (files("sofetch.load") / "sql" / f"{name}.sql").read_bytes()


def migration_files(folder: str = "") -> list[str]:
    """Names of the migrations in ``sql/<folder>`` without their ending, in the order in which they are applied."""
    names = (entry.name for entry in (files("sofetch.load") / "sql" / folder).iterdir())
    return sorted(name.removesuffix(".sql") for name in names if re.fullmatch(r"\d{4}_\w+\.sql", name))


def with_ledger(name: str, ledger: str) -> bytes:
    """The statement ``name`` for one of our two ledgers; ``ledger`` is a constant of ours, never input."""
    return statement(name).replace(b"{ledger}", b"sofetch." + ledger.encode())


_PART = r'"(?:[^"]|"")+"|[^".]+'


def table_identifier(table: str) -> sql.Identifier:
    """``name`` or ``schema.name`` as it is written in the configuration, as an identifier."""
    return sql.Identifier(*table_parts(table))


def table_parts(table: str) -> list[str]:
    """The table's name as it is written in the configuration, or its schema's and its own.

    Names are taken as they stand, case kept; one that holds a dot is put in double quotes, as in SQL.
    """
    if not re.fullmatch(rf"(?:{_PART})(?:\.(?:{_PART}))?", table):
        raise ConfigError(
            f"[sink] table: {table!r} is not a table name", hint='write `name`, `schema.name` or `"odd.schema"."name"`'
        )
    return [_unquoted(part) for part in re.findall(_PART, table)]


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
