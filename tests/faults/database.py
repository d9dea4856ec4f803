"""The faults of the database: what an administrator, a failover or a full disk does to it.

Owns the server's bad days and that each is over when its function returns. Talks to Postgres past the proxy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psycopg
from psycopg import sql

from sofetch.embedded import Embedded

_WORKERS = "FROM pg_stat_activity WHERE application_name = 'sofetch' AND pid <> pg_backend_pid()"
_FULL = """CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$"""
_FULL_TRIGGER = "CREATE TRIGGER disk_full BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION disk_full()"


class Database:
    """One embedded Postgres and a database in it."""

    def __init__(self, server: Embedded, dsn: str) -> None:
        self._server = server
        self.dsn = dsn

    def spoil(self, kind: str, seconds: float) -> None:
        """Make one bad day, of so many seconds where it has a length."""
        _KINDS[kind](self, seconds)

    def execute(self, *statements: str | sql.Composed) -> None:
        """Carry out statements, each by itself."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode() if isinstance(statement, str) else statement)

    def restart(self, *, immediate: bool, seconds: float) -> None:
        """Down for so long."""
        self._server.stop_postgres(immediate=immediate)
        time.sleep(seconds)
        self._server.start_postgres()

    def terminate(self, _seconds: float = 0.0) -> None:
        """End every worker's session."""
        self.execute(f"SELECT pg_terminate_backend(pid) {_WORKERS}")

    def cancel(self, _seconds: float) -> None:
        """Cancel whatever the workers' sessions are doing."""
        self.execute(f"SELECT pg_cancel_backend(pid) {_WORKERS}")

    def read_only(self, seconds: float) -> None:
        """As an old primary after a failover."""
        self._alter("SET default_transaction_read_only = on")
        time.sleep(seconds)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            name = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
            connection.execute(f"SELECT pg_terminate_backend(pid) {_WORKERS}".encode())

    def lock(self, seconds: float) -> None:
        """A migration holds the table."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute("LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def fill(self, seconds: float) -> None:
        """Every row meets a full disk, by its SQLSTATE."""
        self.execute(_FULL, _FULL_TRIGGER)
        time.sleep(seconds)
        self.execute("DROP TRIGGER disk_full ON user_logins", "DROP FUNCTION disk_full")

    def use_up(self, seconds: float) -> None:
        """Every connection is somebody else's."""
        taken: list[psycopg.Connection[tuple[object, ...]]] = []
        admin = psycopg.connect(self.dsn, autocommit=True)
        try:
            with suppress(psycopg.OperationalError):
                for _ in range(200):
                    taken.append(psycopg.connect(self.dsn))  # noqa: PERF401 - until one is refused
            admin.execute(f"SELECT pg_terminate_backend(pid) {_WORKERS}".encode())
            with suppress(psycopg.OperationalError):
                for _ in range(200):
                    taken.append(psycopg.connect(self.dsn))  # noqa: PERF401 - until one is refused
            time.sleep(seconds)
        finally:
            for connection in (*taken, admin):
                connection.close()

    def rename(self, seconds: float) -> None:
        """The table is elsewhere for a while."""
        self.execute("ALTER TABLE user_logins RENAME TO elsewhere")
        time.sleep(seconds)
        self.execute("ALTER TABLE elsewhere RENAME TO user_logins")

    def widen(self, _seconds: float) -> None:
        """A column's type changes under the workers, and back."""
        self.execute("ALTER TABLE user_logins ALTER app_version TYPE varchar(64)")
        self.execute("ALTER TABLE user_logins ALTER app_version TYPE varchar(32)")

    def _alter(self, change: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(connection.info.dbname)) + sql.SQL(change)
            )
            connection.execute(f"SELECT pg_terminate_backend(pid) {_WORKERS}".encode())


_KINDS: Mapping[str, Callable[[Database, float], None]] = {
    "restarted at once": lambda database, seconds: database.restart(immediate=True, seconds=seconds),
    "restarted in order": lambda database, seconds: database.restart(immediate=False, seconds=seconds),
    "backends terminated": Database.terminate,
    "statements cancelled": Database.cancel,
    "read-only": Database.read_only,
    "table locked": Database.lock,
    "disk full": Database.fill,
    "connections used up": Database.use_up,
    "table gone": Database.rename,
    "column widened": Database.widen,
}
