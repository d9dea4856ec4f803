"""Who loads, and with which keys: the pipeline's number and the fingerprints of the keys that made the tokens.

Owns the check that a wrong key cannot fork the tokens unseen: the first to use a domain registers its fingerprint,
whoever comes later must have the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from psycopg import Connection

from sofetch.errors import KeyringError, SinkRefused
from sofetch.load.migrations import applied_migration, latest_migration
from sofetch.load.statements import statement
from sofetch.load.table import Table
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


def pipeline_id(connection: Connection[Any], settings: Settings, table: Table) -> int:
    """The pipeline's number; a new name is registered, with its table.

    SinkRefused where the name belongs to another table: they would share a ledger, and each take the other's messages
    for duplicates of its own. A table that was renamed or dropped since then gives its name free.
    """
    name = settings.pipeline_name
    parameters = {"name": name, "table": table.oid}
    row = connection.execute(statement("pipeline_of_table"), parameters).fetchone()
    if row is None:
        connection.execute(statement("register_pipeline"), parameters)
        row = connection.execute(statement("pipeline_of_table"), parameters).fetchone()
    if row is None:
        raise SinkRefused(f"the pipeline {name} cannot be registered", hint="`sofetch check` says why")
    number, relation, of_another = row
    if of_another:
        raise SinkRefused(
            f"the pipeline {name} loads the table {relation}, not {settings.sink.table}",
            hint="give this one a [pipeline] name of its own: its ledger says which messages its table has",
        )
    return int(number)


def check_fingerprints(connection: Connection[Any], fingerprints: Sequence[Fingerprint]) -> None:
    """Register what is new; KeyringError, and nothing registered, where other keys made what this database holds."""
    if not fingerprints:
        return
    with connection.transaction():
        connection.execute(REGISTER, as_columns(fingerprints))
        require_same_keys(connection, fingerprints)


def require_same_keys(connection: Connection[Any], fingerprints: Sequence[Fingerprint]) -> None:
    """KeyringError where other keys made what this database holds. Registers nothing."""
    columns = as_columns(fingerprints)
    for contradiction in CONTRADICTIONS:
        if found := connection.execute(statement(contradiction.query), columns).fetchall():
            raise KeyringError(f"{contradiction.what}: {contradiction.named(found)}", hint=contradiction.hint)


def as_columns(fingerprints: Sequence[Fingerprint]) -> list[list[Any]]:
    """Scheme, domain, kid and fingerprint, a list of each, in one order for all who write at the same time."""
    rows = [(f.scheme, f.domain, f.kid, f.fingerprint) for f in sorted(fingerprints, key=_identity)]
    return [list(column) for column in zip(*rows, strict=True)]


def _identity(fingerprint: Fingerprint) -> tuple[str, str, str]:
    return fingerprint.scheme, fingerprint.domain, fingerprint.kid


REGISTER = """
INSERT INTO sofetch.key_fingerprint (scheme, domain, kid, fingerprint)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING
"""


class Contradiction(Struct, frozen=True, kw_only=True):
    """A way in which keys are not those of this database. ``query`` names the statement that finds it."""

    code: str
    what: str
    hint: str
    query: str

    def named(self, found: Sequence[tuple[Any, ...]]) -> str:
        """What was found (scheme, domain and kid), for an error."""
        return ", ".join(f"{domain} ({scheme}, kid {kid})" for scheme, domain, kid in found)


CONTRADICTIONS = (
    Contradiction(
        code="keys_differ",
        query="keys_differ",
        what="the keyring is not the one that this database's tokens were made with",
        hint="give the keyring that was used before. A new key needs a new kid beside the old one, never its place",
    ),
    # Tokens pass through every key of the chain, from the first that was ever used: without it, it is another chain.
    Contradiction(
        code="keys_fork",
        query="keys_fork",
        what="the keyring lacks the first key of this database's tokens, as an active key before the primary",
        hint="without it equal values get other tokens than the stored ones: add keys by `sofetch keys rotate`, and "
        "keep the earlier ones active",
    ),
    # An address names no key, so a column must be under one alone. Only a rotation of addresses changes it.
    Contradiction(
        code="keys_of_addresses",
        query="keys_of_addresses",
        what="columns of addresses are under another key",
        hint="an address does not say which key it is under, so they are rotated while no worker runs: stop all "
        "workers, run `sofetch rotate` with the new keyring, then start them with it",
    ),
)
