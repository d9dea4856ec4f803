"""Our schema, by numbered migrations that are only ever added to: expand first, contract in a later version.

Owns the order and that each runs once, whoever starts at the same time.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from sofetch.load.statements import migration_files, statement

LOCK_ID = 7_309_475_598_860_672
"""Advisory lock of all who migrate ("sofetch" in bytes, so to say); the partitions' lock is the next number."""


def latest_migration() -> int:
    """Number of the newest migration that this version knows."""
    return _number(migration_files()[-1])


def pending_migrations(applied: int | None) -> list[str]:
    """Names of the migrations past number ``applied``."""
    return [name for name in migration_files() if _number(name) > (applied or 0)]


def migrate(connection: Connection[Any]) -> list[str]:
    """Apply what is missing, all in one transaction, and name it. Safe to run by many at once."""
    applied: list[str] = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])
        # Asked before CREATE IF NOT EXISTS: that needs CREATE on the database even where the schema is there.
        if not _exists(connection):
            connection.execute(statement("bookkeeping"))
        row = connection.execute("SELECT coalesce(max(number), 0) FROM sofetch.migration").fetchone()
        for name in pending_migrations(row[0] if row else 0):
            connection.execute(statement(name))
            connection.execute("INSERT INTO sofetch.migration (number, name) VALUES (%s, %s)", [_number(name), name])
            applied.append(name)
    return applied


def _exists(connection: Connection[Any]) -> bool:
    row = connection.execute("SELECT to_regclass('sofetch.migration') IS NOT NULL").fetchone()
    return bool(row and row[0])


def _number(name: str) -> int:
    return int(name[:4])
