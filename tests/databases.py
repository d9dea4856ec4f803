"""Empty databases for the tests, used again when nothing of a test is left in them.

A test that makes ten tables costs 147 ms of CPU in a database made and dropped for it, most of it the kernel's, which
has to find room for 7 MB of files; in one that is emptied, 75 ms. Whoever asks gets a database whose catalogues, grants
and settings are those of a new one: what cannot be emptied, or holds anything unusual afterwards, is dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

MOST_USES = 30
"""Of one database: catalogues grow with what was dropped."""

# What a test can leave behind: objects of every kind, and what the cluster keeps about the database.
_CATALOGUES = (
    "pg_am",
    "pg_attrdef",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_index",
    "pg_language",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_operator",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_rewrite",
    "pg_seclabel",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_type",
)
_STATE = (
    "SELECT array[" + ", ".join(f"(SELECT count(*) FROM {name})" for name in _CATALOGUES) + "],"
    " (SELECT array_agg((relname, relacl)::text ORDER BY oid) FROM pg_class WHERE relacl IS NOT NULL),"
    " (SELECT array_agg((proname, proacl)::text ORDER BY oid) FROM pg_proc WHERE proacl IS NOT NULL),"
    " (SELECT array_agg((nspname, nspowner, nspacl)::text ORDER BY nspname) FROM pg_namespace),"
    " (SELECT (datdba, datacl, datallowconn, datconnlimit, datistemplate, encoding, datcollate)::text"
    "  FROM pg_database WHERE datname = current_database()),"
    " (SELECT count(*) FROM pg_db_role_setting AS s"
    "  WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),"
    " (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()),"
    " (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())"
)
# As initdb makes it; a plain CREATE SCHEMA would leave it to its maker alone.
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL client_min_messages = warning;
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    COMMENT ON SCHEMA public IS 'standard public schema';
END $$
"""


class Databases:
    """The databases of one server."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._spare: list[tuple[str, int]] = []
        self._new: object = None

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Connection string of an empty database, for as long as it is needed."""
        name, uses = self._spare.pop() if self._spare else (self._create(), 0)
        yield make_conninfo(self._dsn, dbname=name)
        if uses + 1 < MOST_USES and self._emptied(name):
            self._spare.append((name, uses + 1))
        else:
            self._drop(name)

    def _create(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
        if self._new is None:
            with psycopg.connect(self._dsn, dbname=name, autocommit=True) as connection:
                self._new = _state(connection)
        return name

    def _emptied(self, name: str) -> bool:
        try:
            with psycopg.connect(self._dsn, dbname=name, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                connection.execute(_EMPTY)
                return _state(connection) == self._new
        except psycopg.Error:  # a test may leave it closed, read-only or locked; it is dropped then
            return False

    def _drop(self, name: str) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def _state(connection: psycopg.Connection) -> object:
    return connection.execute(_STATE.encode()).fetchone()
