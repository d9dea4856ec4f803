"""Who loads, and with which keys: the pipeline's number and the fingerprints of the keys that made the tokens.

Owns the check that a wrong key cannot fork the tokens unseen: the first to use a domain registers its fingerprint,
whoever comes later must have the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from psycopg import Connection

from sofetch.errors import KeyringError, SinkRefused
from sofetch.load.migrations import applied_migration, latest_migration
from sofetch.settings import Settings


class Fingerprint(Protocol):
    """What is known of a key without knowing the key (``sofetch.mask.keyring.KeyFingerprint``)."""

    @property
    def scheme(self) -> str: ...  # noqa: D102
    @property
    def domain(self) -> str: ...  # noqa: D102
    @property
    def kid(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> bytes: ...  # noqa: D102


APPLY = "`sofetch schema` shows what is missing, `sofetch schema --apply` makes it"


def require_schema(connection: Connection[Any]) -> None:
    """SinkRefused unless our schema is there, up to date, and usable by this role."""
    state = schema_state(connection)
    if state is None:
        raise SinkRefused("the schema sofetch is not in this database", hint=APPLY, sqlstate="3F000")
    if state < latest_migration():
        raise SinkRefused(
            f"the schema sofetch is at migration {state}, this version needs {latest_migration()}", hint=APPLY
        )


def schema_state(connection: Connection[Any]) -> int | None:
    """Number of the newest migration in this database, or None where our schema is missing."""
    return applied_migration(connection)


def pipeline_id(connection: Connection[Any], settings: Settings) -> int:
    """The pipeline's number; a new name is registered."""
    name = settings.pipeline_name
    find = "SELECT id FROM sofetch.pipeline WHERE name = %s"
    row = connection.execute(find, [name]).fetchone()
    if row is None:
        connection.execute("INSERT INTO sofetch.pipeline (name) VALUES (%s) ON CONFLICT DO NOTHING", [name])
        row = connection.execute(find, [name]).fetchone()
    if row is None:
        raise SinkRefused(f"the pipeline {name} cannot be registered", hint="`sofetch check` says why")
    return int(row[0])


def check_fingerprints(connection: Connection[Any], fingerprints: Sequence[Fingerprint]) -> None:
    """Register what is new; KeyringError where a domain's tokens were made with another key."""
    if not fingerprints:
        return
    rows = [(f.scheme, f.domain, f.kid, f.fingerprint) for f in sorted(fingerprints, key=_identity)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    connection.execute(REGISTER, columns)
    differing = connection.execute(DIFFERING, columns).fetchall()
    if differing:
        names = ", ".join(f"{domain} ({scheme}, kid {kid})" for scheme, domain, kid in differing)
        raise KeyringError(
            f"the keyring is not the one that this database's tokens were made with: {names}",
            hint="give the keyring that was used before. A new key needs a new kid beside the old one, never its place",
        )


def _identity(fingerprint: Fingerprint) -> tuple[str, str, str]:
    return fingerprint.scheme, fingerprint.domain, fingerprint.kid


REGISTER = """
INSERT INTO sofetch.key_fingerprint (scheme, domain, kid, fingerprint)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING
"""
DIFFERING = """
SELECT g.scheme, g.domain, g.kid
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) AS g (scheme, domain, kid, fingerprint)
JOIN sofetch.key_fingerprint AS k USING (scheme, domain, kid)
WHERE k.fingerprint <> g.fingerprint
ORDER BY 1, 2, 3
"""
