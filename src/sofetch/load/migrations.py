"""Our schemas, by numbered migrations that are only ever added to: expand first, contract in a later version.

Owns the order and that each runs once, whoever starts at the same time. There are two series: the schema beside the
table, and the vault's, which is usually in another database.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from msgspec import Struct
from psycopg import Connection, sql

from sofetch.load.statements import migration_files, statement

LOCK_ID = 7_309_475_598_860_672
"""Advisory lock of all who migrate ("sofetch" in bytes, so to say); the partitions' lock is the next number."""


class Series(Struct, frozen=True):
    """The migrations of one schema: the files of ``sql/<folder>``."""

    schema: str
    folder: str = ""

    def statement(self, name: str) -> bytes:
        """The text of a migration, or of ``bookkeeping``, which is before them all."""
        return statement(f"{self.folder}/{name}" if self.folder else name)

    def script(self, name: str) -> str:
        """The same for whoever applies it by hand: it notes that it was applied."""
        text = self.statement(name).decode().strip()
        if name == "bookkeeping":
            return text
        return f"{text}\n\nINSERT INTO {self.schema}.migration (number, name) VALUES ({_number(name)}, '{name}');"


SINK: Final = Series("sofetch")
VAULT: Final = Series("sofetch_vault", "vault")


def latest_migration(series: Series = SINK) -> int:
    """Number of the newest migration that this version knows."""
    return _number(migration_files(series.folder)[-1])


def pending_migrations(applied: int | None, series: Series = SINK) -> list[str]:
    """Names of the migrations past number ``applied``."""
    return [name for name in migration_files(series.folder) if _number(name) > (applied or 0)]


def applied_migration(connection: Connection[Any], series: Series = SINK) -> int | None:
    """Number of the newest migration in this database, or None where the schema is missing."""
    if not _exists(connection, series):
        return None
    newest = _in(series, "SELECT coalesce(max(number), 0) FROM {}.migration")
    row = connection.execute(newest).fetchone()
    return int(row[0]) if row else 0


def migrate(connection: Connection[Any], series: Series = SINK) -> list[str]:
    """Apply what is missing, all in one transaction, and name it. Safe to run by many at once."""
    applied: list[str] = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_ID])
        # Asked before CREATE IF NOT EXISTS: that needs CREATE on the database even where the schema is there.
        if not _exists(connection, series):
            connection.execute(series.statement("bookkeeping"))
        for name in pending_migrations(applied_migration(connection, series), series):
            connection.execute(series.statement(name))
            note = _in(series, "INSERT INTO {}.migration (number, name) VALUES (%s, %s)")
            connection.execute(note, [_number(name), name])
            applied.append(name)
    return applied


def _in(series: Series, query: LiteralString) -> sql.Composed:
    return sql.SQL(query).format(sql.Identifier(series.schema))


def _exists(connection: Connection[Any], series: Series) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{series.schema}.migration"]).fetchone()
    return bool(row and row[0])


def _number(name: str) -> int:
    return int(name[:4])
