"""Database roles: who may load, analyse, write and read the vault, audit and erase; each may do that and nothing more.

Owns what each role may do. They are groups without a login: grant one to the user that a program or a person connects
as. Applying the same again changes nothing, and takes back what was granted to a role beyond it in our schemas and in
this table; what PUBLIC may do is not touched.

============= ===================================== =====================================================
role          in the sink's database                in the vault's
============= ===================================== =====================================================
loader        inserts into the table; the ledger
              (by key: reads what it writes, updates)
analyst       reads the table
console       reads the table; quarantine, no body
console_asker asks for replays and purges
vault_writer                                        puts values in
vault_reader  writes the audit                      reads sealed values
auditor       reads the audit
eraser        removes rows, quarantine; the audit   destroys keys and values; reads no sealed value
============= ===================================== =====================================================
"""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg
from psycopg import Connection, sql

from sofetch.errors import ConfigError, SofetchError
from sofetch.load.connection import connect, require_version, sink_error
from sofetch.load.key_index import may
from sofetch.load.registry import require_schema
from sofetch.load.setup.inspect import grants
from sofetch.load.setup.schema import SchemaStep
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.load.vault.store import require_vault_schema, vault_error
from sofetch.settings import Settings

PREFIX: Final = "sofetch_"
SINK_ROLES: Final = ("loader", "analyst", "auditor", "console", "console_asker")
GOVERNED_ROLES: Final = ("vault_reader", "eraser")
"""Roles of the sink's database that are of use with a vault."""
VAULT_ROLES: Final = {
    "vault_writer": "in_vault_writer",
    "vault_reader": "in_vault_reader",
    "eraser": "in_vault_eraser",
}


def sink_roles(settings: Settings, *, dsn: str, prefix: str = PREFIX, apply: bool = False) -> list[SchemaStep]:
    """The roles of the sink's database, in order; applied all together or not at all. Schema and table must be there.

    Raises ConfigError, SinkRefused or SinkUnavailable.
    """
    _require_prefix(prefix)
    connection = connect(dsn, settings.sink, role=" roles")
    try:
        require_version(connection)
        require_schema(connection)
        names = SINK_ROLES + (GOVERNED_ROLES if settings.keeps_values else ())
        steps = _steps(connection, {name: name for name in names}, prefix, _places(connection, settings))
        return _done(connection, steps, apply=apply)
    except psycopg.Error as error:
        raise sink_error(error) from None
    finally:
        connection.close()


def vault_roles(settings: Settings, *, dsn: str, prefix: str = PREFIX, apply: bool = False) -> list[SchemaStep]:
    """The roles of the vault's database, likewise. Roles are the server's: on one server they are the same ones."""
    _require_prefix(prefix)
    connection: Connection[Any] | None = None
    try:
        connection = connect(dsn, settings.sink, role=" roles")
        require_vault_schema(connection)
        return _done(connection, _steps(connection, VAULT_ROLES, prefix, {}), apply=apply)
    except (psycopg.Error, SofetchError) as error:
        raise vault_error(error) from None
    finally:
        if connection is not None:
            connection.close()


def _require_prefix(prefix: str) -> None:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,39}", prefix):
        raise ConfigError(
            "the roles' prefix cannot begin a role's name", hint="use up to 40 of a-z 0-9 _, not a digit first"
        )
    if prefix.startswith("pg_"):
        raise ConfigError("names that begin with pg_ are Postgres' own", hint="choose another prefix")


def _steps(
    connection: Connection[Any], files: dict[str, str], prefix: str, places: dict[str, sql.Composable]
) -> list[SchemaStep]:
    steps = []
    for name, file in files.items():
        role: dict[str, sql.Composable] = {"role": sql.Identifier(prefix + name), "name": sql.Literal(prefix + name)}
        role["needed"] = sql.SQL(";\n").join(map(sql.SQL, grants(prefix + name)))
        parts = ("role", file, *_extra(name, places))
        text = ";\n".join(_filled(connection, part, role | places) for part in parts)
        steps.append(SchemaStep(what=f"role {prefix}{name}", sql=text))
    return steps


def _extra(name: str, places: dict[str, sql.Composable]) -> tuple[str, ...]:
    return ("sequences",) if name == "loader" and "sequences" in places else ()


def _filled(connection: Connection[Any], name: str, values: dict[str, sql.Composable]) -> str:
    text = statement(f"roles/{name}").decode()
    return sql.SQL(text).format(**values).as_string(connection).strip()


def _places(connection: Connection[Any], settings: Settings) -> dict[str, sql.Composable]:
    """The table by its full name: whoever applies this later may have another search path."""
    table = require_table(connection, settings)
    row = connection.execute(FULL_NAME, [table.oid]).fetchone()
    schema, name = (row[0], row[1]) if row else ("public", table.name)
    places: dict[str, sql.Composable] = {
        "schema": sql.Identifier(schema),
        "table": sql.Identifier(schema, name),
        "may": may(settings),
    }
    sequences = [sql.Identifier(*found) for found in connection.execute(SEQUENCES, [table.oid])]
    if sequences:
        places["sequences"] = sql.SQL(", ").join(sequences)
    return places


FULL_NAME = """
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
# Of serial columns; an identity column needs no privilege on its sequence.
SEQUENCES = """
SELECT n.nspname::text, s.relname::text
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.relnamespace
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND d.deptype = 'a'
ORDER BY 1, 2
"""


def _done(connection: Connection[Any], steps: list[SchemaStep], *, apply: bool) -> list[SchemaStep]:
    if apply:
        with connection.transaction():
            for step in steps:
                connection.execute(step.sql.encode())
    return steps
