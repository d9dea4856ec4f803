"""The vault's schema: its DDL, applied or told, and whether the vault at hand is as it must be.

Owns the vault's part of ``sofetch schema`` and ``sofetch check``. Nothing is dropped; the check changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection

from sofetch.errors import SofetchError
from sofetch.findings import Finding, Severity
from sofetch.load.connection import connect, require_version
from sofetch.load.migrations import VAULT, applied_migration, latest_migration, migrate, pending_migrations
from sofetch.load.setup.inspect import protection
from sofetch.load.setup.schema import SchemaStep
from sofetch.load.vault.store import APPLY, STORE_FUNCTION, vault_error
from sofetch.settings import SinkSettings


def plan_vault(dsn: str, *, limits: SinkSettings) -> list[SchemaStep]:
    """What ``apply_vault`` would do, in order; empty if all is there. Changes nothing."""
    with _Opened(dsn, limits, role=" schema") as connection:
        applied = applied_migration(connection, VAULT)
        return _steps(applied, pending_migrations(applied, VAULT))


def apply_vault(dsn: str, *, limits: SinkSettings) -> list[SchemaStep]:
    """Apply what is missing and return it. Safe to run by many at once."""
    with _Opened(dsn, limits, role=" schema") as connection:
        was_there = applied_migration(connection, VAULT)
        applied = migrate(connection, VAULT)
        return _steps(was_there, applied) if applied else []


def check_vault(dsn: str, *, limits: SinkSettings) -> list[Finding]:
    """Findings about the vault's database, schema and privileges: this role is to write and not to read."""
    try:
        with _Opened(dsn, limits, role=" check") as connection:
            return list(_look(connection))
    except SofetchError as error:
        return [_finding("error", "vault_unreachable", error.what, error.hint)]


class _Opened:
    """A connection to the vault for a while; what goes wrong meanwhile is an error of the vault's."""

    def __init__(self, dsn: str, limits: SinkSettings, *, role: str) -> None:
        self._dsn = dsn
        self._limits = limits
        self._role = role

    def __enter__(self) -> Connection[Any]:
        try:
            self._connection = connect(self._dsn, self._limits, role=self._role)
            require_version(self._connection)
        except SofetchError as error:
            raise vault_error(error) from None
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(error, psycopg.Error):
            raise vault_error(error) from None


def _steps(was_there: int | None, names: list[str]) -> list[SchemaStep]:
    wanted = names if was_there is not None else ["bookkeeping", *names]
    return [SchemaStep(what=f"the vault's schema {VAULT.schema}: {name}", sql=VAULT.script(name)) for name in wanted]


def _look(connection: Connection[Any]) -> Iterator[Finding]:
    severity, what, hint = protection(connection)
    yield Finding(severity=severity, code="vault_tls", where="vault", what=what, hint=hint)
    may_use = _asked(connection, "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s")
    if may_use is None:
        yield _finding("error", "vault_schema", "the schema sofetch_vault does not exist", APPLY)
        return
    if not may_use:
        yield _finding("error", "vault_privilege", "this role may not use the schema sofetch_vault", GRANT)
        return
    applied, latest = applied_migration(connection, VAULT), latest_migration(VAULT)
    if applied is None or applied < latest:
        what = f"the schema is at migration {applied or 0}, this version needs {latest}"
        yield _finding("error", "vault_schema", what, APPLY)
        return
    yield _finding("ok", "vault_schema", f"the schema sofetch_vault is at migration {applied}")
    yield from _privileges(connection)


def _privileges(connection: Connection[Any]) -> Iterator[Finding]:
    may_store = connection.execute("SELECT has_function_privilege(%s, 'EXECUTE')", [STORE_FUNCTION]).fetchone()
    if not may_store or not may_store[0]:
        yield _finding("error", "vault_privilege", "this role may not write to the vault", GRANT)
    row = connection.execute(READABLE).fetchone()
    if row and row[0]:
        what = f"this role may do more than write to the vault ({row[0]}); a loader needs none of it"
        yield _finding("warning", "vault_too_much", what, GRANT)
    elif may_store and may_store[0]:
        yield _finding("ok", "vault_write_only", "this role may write to the vault and not read it")


def _asked(connection: Connection[Any], query: str) -> bool | None:
    row = connection.execute(query.encode(), [VAULT.schema]).fetchone()
    return None if row is None else bool(row[0])


GRANT = "`sofetch schema --roles` makes the role sofetch_vault_writer: grant it to the loader's user, and nothing else"
READABLE = """
SELECT string_agg(lower(p) || ' on ' || t, ', ' ORDER BY t, p)
FROM unnest(ARRAY['sofetch_vault.subject_key', 'sofetch_vault.value']) AS t,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p
WHERE has_table_privilege(t, p)
   OR p IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(t, p)
"""


def _finding(severity: Severity, code: str, what: str, hint: str = "") -> Finding:
    return Finding(severity=severity, code=code, where="vault", what=what, hint=hint)
