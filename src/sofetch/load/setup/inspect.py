"""Looking at everything the sink needs, before anything is loaded, and saying what to do about what is not right.

Owns the findings of ``sofetch check`` about the database. Changes nothing in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.rows import dict_row

from sofetch.errors import SofetchError
from sofetch.findings import Finding, Severity
from sofetch.load.cells import Misfit
from sofetch.load.connection import MINIMUM_VERSION, connect, sink_error
from sofetch.load.defaults import VERIFIED, leads_elsewhere
from sofetch.load.key_index import key_misfits, may, privileges
from sofetch.load.migrations import latest_migration
from sofetch.load.partitions.check import partition_findings
from sofetch.load.registry import APPLY, schema_state
from sofetch.load.rows import fit_columns, narrow_columns, unfilled_columns
from sofetch.load.statements import statement
from sofetch.load.table import Table, find_table
from sofetch.settings import Settings


def check_sink(settings: Settings, *, dsn: str) -> list[Finding]:
    """Findings about server, schema, table, columns, privileges, partitions and logging, in this order."""
    try:
        connection = connect(dsn, settings.sink, role=" check")
    except SofetchError as error:
        return [_finding("error", "sink_unreachable", "database", error.what, error.hint)]
    try:
        return list(_look(connection, settings))
    except psycopg.Error as error:
        ours = sink_error(error)
        return [_finding("error", "sink_check_failed", "database", ours.what, ours.hint)]
    finally:
        connection.close()


def _look(connection: Connection[Any], settings: Settings) -> Iterator[Finding]:
    with connection.cursor(row_factory=dict_row) as cursor:
        server = cursor.execute(statement("server")).fetchone() or {}
    yield from _server_findings(server)
    severity, what, hint = protection(connection)
    yield Finding(severity=severity, code="sink_tls", where=f"database {server['database']}", what=what, hint=hint)
    yield from _schema_findings(connection, settings)
    yield from _table_findings(connection, settings)
    yield _log_finding(server)


def _server_findings(server: dict[str, Any]) -> Iterator[Finding]:
    where = f"database {server['database']}"
    version = server["version"]
    known = f"PostgreSQL {version // 10_000}.{version % 10_000}, user {server['role']}"
    if version < MINIMUM_VERSION:
        yield _finding("error", "sink_version", where, f"{known}: too old", "sofetch needs PostgreSQL 13 or newer")
    else:
        yield _finding("ok", "sink_version", where, known)
    if server["standby"]:
        yield _finding("error", "sink_standby", where, "the server is a standby", "connect to the primary")
    elif server["read_only"]:
        hint = "is this an old primary? Else: default_transaction_read_only must be off for this role and database"
        yield _finding("error", "sink_read_only", where, "transactions are read-only", hint)
    if server["encoding"] != "UTF8":
        hint = "messages with characters that it cannot hold go to quarantine; a UTF8 database holds all"
        yield _finding("warning", "sink_encoding", where, f"the database's encoding is {server['encoding']}", hint)


def _schema_findings(connection: Connection[Any], settings: Settings) -> Iterator[Finding]:
    usable = connection.execute("SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'sofetch'")
    row = usable.fetchone()
    if row is None:
        yield _finding("error", "sink_schema", "schema sofetch", "it does not exist", APPLY)
        return
    if not row[0]:
        hint = _grants(connection)
        yield _finding("error", "sink_schema_privilege", "schema sofetch", "this role may not use it", hint)
        return
    yield from _schema_privileges(connection)
    if _may(connection, "sofetch.migration", "SELECT"):
        state, latest = schema_state(connection), latest_migration()
        if state is None or state < latest:
            what = f"it is at migration {state or 0}, this version needs {latest}"
            yield _finding("error", "sink_schema", "schema sofetch", what, APPLY)
        else:
            yield _finding("ok", "sink_schema", "schema sofetch", f"it is at migration {state}")
    if settings.sink.dedupe == "message":
        yield from _partition_findings(connection)


def protection(connection: Connection[Any]) -> tuple[Severity, str, str]:
    """How the link to the server is protected, as it is and not as it was asked for: severity, what, hint."""
    mode = next((option.val or b"" for option in connection.pgconn.info if option.keyword == b"sslmode"), b"").decode()
    if not connection.pgconn.ssl_in_use:
        if not leads_elsewhere({"host": connection.info.host, "hostaddr": connection.info.hostaddr}, {}):
            return "ok", "no TLS, and the server is on this machine", ""
        hint = "drop sslmode from the DSN, and its certificate is verified; or be sure that nobody else is on the way"
        return "warning", f"no TLS (sslmode {mode}): rows travel in the clear", hint
    if mode == VERIFIED:
        return "ok", f"TLS, the server's certificate is verified (sslmode {mode})", ""
    hint = f"sslmode={VERIFIED}, which is what holds without any; sslrootcert=FILE names the CA's certificate"
    return "warning", f"TLS, and nobody knows with whom (sslmode {mode})", hint


NEEDED = {
    "sofetch.migration": ("SELECT",),
    "sofetch.pipeline": ("SELECT", "INSERT"),
    "sofetch.ledger": ("SELECT", "INSERT"),
    "sofetch.ledger_content": ("SELECT", "INSERT"),
    "sofetch.ledger_memory": ("SELECT",),
    "sofetch.quarantine": ("SELECT", "INSERT", "UPDATE"),
    "sofetch.key_fingerprint": ("SELECT", "INSERT"),
    "sofetch.drift": ("SELECT", "INSERT", "UPDATE"),
}
FUNCTIONS = (
    "sofetch.make_ledger_partitions(integer, integer)",
    "sofetch.ask_for_ledger(text, integer)",
    "sofetch.drop_ledger_partitions(integer)",
)


# Of the quarantine a loader counts the attempts, and sees no body.
COLUMNS = {
    ("sofetch.quarantine", "SELECT"): " (pipeline_id, key, attempts, receive_count)",
    ("sofetch.quarantine", "UPDATE"): " (attempts, last_seen, receive_count)",
}


def grants(role: str) -> list[str]:
    """What a loader's role needs in our schema, as GRANT statements; ``role`` as an identifier, quoted if need be."""
    tables = [
        f"GRANT {', '.join(privilege + COLUMNS.get((table, privilege), '') for privilege in privileges)}"
        f" ON {table} TO {role}"
        for table, privileges in NEEDED.items()
    ]
    functions = [f"GRANT EXECUTE ON FUNCTION {function} TO {role}" for function in FUNCTIONS]
    return [f"GRANT USAGE ON SCHEMA sofetch TO {role}", *tables, *functions]


def _grants(connection: Connection[Any]) -> str:
    role = sql.Identifier(connection.info.user).as_string(connection)
    return "as the schema's owner: " + "; ".join(grants(role))


def _schema_privileges(connection: Connection[Any]) -> Iterator[Finding]:
    query = "SELECT to_regclass(t) IS NULL OR has_any_column_privilege(t, p) FROM (VALUES (%s, %s)) AS v (t, p)"
    missing = [
        f"{privilege} on {table}"
        for table, privileges in NEEDED.items()
        for privilege in privileges
        if not _true(connection, query, table, privilege)
    ]
    query = "SELECT to_regprocedure(f) IS NULL OR has_function_privilege(f, 'EXECUTE') FROM (VALUES (%s)) AS v (f)"
    missing += [f"EXECUTE on {function}" for function in FUNCTIONS if not _true(connection, query, function)]
    if missing:
        what = f"this role lacks {', '.join(missing)}"
        yield _finding("error", "sink_schema_privilege", "schema sofetch", what, _grants(connection))


def _partition_findings(connection: Connection[Any]) -> Iterator[Finding]:
    query = "SELECT to_regclass('sofetch.ledger_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')) IS NOT NULL"
    if _true(connection, query):
        yield _finding("ok", "sink_ledger_partition", "sofetch.ledger", "today's partition is there")
    else:
        hint = "`sofetch run` makes it when it starts; until then keys go into the default partition"
        yield _finding("warning", "sink_ledger_partition", "sofetch.ledger", "today's partition is missing", hint)


def _table_findings(connection: Connection[Any], settings: Settings) -> Iterator[Finding]:
    where = f"table {settings.sink.table}"
    table = find_table(connection, settings)
    if table is None:
        yield _finding("error", "sink_table", where, "it does not exist", APPLY)
        return
    for fit in [*fit_columns(settings, table), *unfilled_columns(settings, table)]:
        if isinstance(fit, Misfit):
            yield _finding("error", "sink_column", f"{where}, column {fit.column}", fit.what, fit.hint)
    for misfit in key_misfits(connection, settings, table):
        yield _finding("error", "sink_key", f"{where}, column {misfit.column}", misfit.what, misfit.hint)
    yield from _width_findings(settings, table)
    yield from _table_privileges(connection, settings, table)
    yield from partition_findings(connection, settings, table)
    if _true(connection, NO_COPY, table.oid):
        hint = "name the table behind it, or give the view an INSTEAD OF INSERT trigger"
        yield _finding("error", "sink_view", where, "it is a view, and a view takes no rows by COPY", hint)
    if _true(connection, "SELECT row_security_active(%s::oid)", table.oid):
        hint = "COPY cannot load under row-level security: give the loader's role BYPASSRLS, or load into another table"
        yield _finding("error", "sink_row_security", where, "row-level security applies to this role", hint)


NO_COPY = """
SELECT c.relkind IN ('v', 'm') AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgtype & 64 <> 0 AND t.tgtype & 4 <> 0)
FROM pg_catalog.pg_class AS c WHERE c.oid = %s::oid
"""  # 64: INSTEAD OF, 4: INSERT


def _width_findings(settings: Settings, table: Table) -> Iterator[Finding]:
    """Text that can be longer than the column: those rows, and only those, go to quarantine."""
    for misfit in narrow_columns(settings, table):
        where = f"table {settings.sink.table}, column {misfit.column}"
        yield _finding("warning", "sink_width", where, misfit.what, misfit.hint)


def _table_privileges(connection: Connection[Any], settings: Settings, table: Table) -> Iterator[Finding]:
    where = f"table {settings.sink.table}"
    query = "SELECT has_column_privilege(%s::oid, %s, %s)"
    names = [column.name for column in settings.column if column.name in table.columns]
    lacking = [name for name in names if not _true(connection, query, table.oid, name, "INSERT")]
    unread = [name for name in names if not _true(connection, query, table.oid, name, "SELECT")]
    role = sql.Identifier(connection.info.user).as_string(connection)
    quoted = table.identifier.as_string(connection)
    for privilege, wanted in privileges(settings).items():
        refused = [n for n in wanted if n in table.columns and not _true(connection, query, table.oid, n, privilege)]
        if refused:
            what = f'write = "{settings.sink.write}" needs {privilege} on {", ".join(refused)}'
            grant = sql.SQL("GRANT {} ON {} TO ").format(may(settings), table.identifier).as_string(connection)
            yield _finding("error", "sink_privilege", where, what, grant + role)
    if lacking:
        what = f"this role may not insert into {', '.join(lacking)}"
        yield _finding("error", "sink_privilege", where, what, f"GRANT INSERT ON {quoted} TO {role}")
    if unread:
        what = f"this role may not read {', '.join(unread)}: right for a loader; `sofetch show` needs another role"
        yield _finding("ok", "sink_insert_only", where, what)
    if names and not lacking:
        yield _finding(
            "ok", "sink_table", where, f"{len(names)} of {len(settings.column)} columns are there to load into"
        )


def _log_finding(server: dict[str, Any]) -> Finding:
    if server["verbosity"] == "terse":
        return _finding(
            "ok", "sink_log", "the server's log", "log_error_verbosity is terse: no value of a row is logged"
        )
    what = "if a constraint of the table refuses a row, Postgres logs its unmasked values (masked ones are tokens)"
    role = server["quoted_role"]
    hint = f"as a superuser: ALTER ROLE {role} SET log_error_verbosity = 'terse'"
    return _finding("warning", "sink_log", "the server's log", what, hint)


def _may(connection: Connection[Any], table: str, privilege: str) -> bool:
    query = "SELECT to_regclass(t) IS NOT NULL AND has_table_privilege(t, p) FROM (VALUES (%s, %s)) AS v (t, p)"
    return _true(connection, query, table, privilege)


def _true(connection: Connection[Any], query: Any, *parameters: object) -> bool:
    row = connection.execute(query, parameters).fetchone()
    return bool(row and row[0])


def _finding(severity: Severity, code: str, where: str, what: str, hint: str = "") -> Finding:
    return Finding(severity=severity, code=code, where=where, what=what, hint=hint)
