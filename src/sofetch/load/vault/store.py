"""The vault in Postgres: sealed values beside the tokens, in the schema ``sofetch_vault``, usually in its own database.

Owns its statements. It must not open anything: what goes through here is sealed, and the key that opens it is not here.
Who only loads can call ``store`` and nothing else; ``find``, ``find_subject`` and ``destroy_subject`` need roles of
their own (``sofetch.load.setup.roles``). One thread uses a store at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import dict_row, kwargs_row

from sofetch.errors import SinkRefused, SinkUnavailable, SofetchError
from sofetch.load.connection import beginning, connect, is_alive, require_version, sink_error
from sofetch.load.migrations import VAULT, applied_migration, latest_migration
from sofetch.load.standby import WAIT, StandbyWait
from sofetch.load.statements import statement
from sofetch.record import StoredValue, Vaulted
from sofetch.settings import SinkSettings

STORE_FUNCTION = "sofetch_vault.store(uuid[], text[], bytea[], text[], text[], text[], text[], uuid[], bytea[])"
APPLY = "`sofetch schema --apply` makes the vault's schema too, where a column has vault = true"


class Destroyed(Struct, frozen=True):
    """What is gone of a subject: data keys, and the values that they sealed."""

    keys: int
    values: int


class Listed(Struct, frozen=True):
    """That there is a value, and under which key; nothing of it."""

    domain: str
    token: str
    key_id: bytes


class VaultStore:
    """Connects when it must; a lost connection is made anew by the next call.

    Every method raises SinkUnavailable (hold and retry) or SinkRefused (a person must act), both saying that it is
    the vault.
    """

    def __init__(self, dsn: str, *, limits: SinkSettings | None = None) -> None:
        self._dsn = dsn
        self._limits = limits or SinkSettings(table="sofetch_vault.value")
        self._connection: Connection[Any] | None = None
        self._standby: StandbyWait | None = None

    def __repr__(self) -> str:
        return "<VaultStore>"  # the connection string can hold a password

    def prepare(self) -> None:
        """Connect, and refuse to start where the schema is missing or old, or may not be written to."""
        with _Mapped(self):
            require_vault_schema(self._ready())

    def store(self, vaulted: Vaulted) -> int:
        """Commit values that are not there yet, and the keys of those; how many values are new. Idempotent.

        Returns after the commit, and where the server waits for a standby, after that has the values: those too that
        were there already.
        """
        if not vaulted.entries:
            return 0
        with _Mapped(self):
            connection = self._ready()
            if self._limits.pooled:  # else it is one statement, which needs no transaction of its own
                connection.execute(beginning(self._limits))
            row = connection.execute(statement("vault/store"), _columns(vaulted)).fetchone()
            new = int(row[0]) if row else 0
            if new < len(vaulted.entries):
                connection.execute(WAIT)
            if self._limits.pooled:
                connection.execute("COMMIT")
            if self._standby is not None:
                self._standby.require()
        return new

    def find(self, domain: str, token: str) -> list[StoredValue]:
        """The value behind a token, once for each subject that had it. Still sealed."""
        return self._values("vault/find", {"domain": domain, "token": token})

    def find_subject(self, subject: str) -> list[StoredValue]:
        """All values of a subject; ``subject`` is a token (``sofetch.mask.vaulting.subject_tokens``). Still sealed."""
        return self._values("vault/find_subject", {"subject": subject})

    def list_subject(self, subject: str) -> list[Listed]:
        """What there is of a subject. For one who may erase and not read: it reads nothing sealed."""
        with _Mapped(self):
            rows = self._ready().execute(statement("vault/list_subject"), {"subject": subject}).fetchall()
        return [Listed(domain, token, key_id.bytes) for domain, token, key_id in rows]

    def destroy_subject(self, subject: str) -> Destroyed:
        """Delete a subject's keys, and with them every way to its values; the values too. Returns after the commit."""
        with _Mapped(self), self._ready().cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(statement("vault/destroy_subject"), {"subject": subject}).fetchone() or {}
        return Destroyed(keys=int(row["keys"]), values=int(row["values"]))

    def revive(self) -> None:
        """Let go of a connection that died while nobody used it; see ``PostgresSink.revive``."""
        if self._connection is not None and not is_alive(self._connection):
            self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _values(self, name: str, parameters: Mapping[str, str]) -> list[StoredValue]:
        with _Mapped(self), self._ready().cursor(row_factory=kwargs_row(_stored)) as cursor:
            return cursor.execute(statement(name), parameters).fetchall()

    def _ready(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn, self._limits, role=" vault", pooled=self._limits.pooled)
            self._standby = StandbyWait(self._connection)
        return self._connection


class _Mapped:
    """Turns what goes wrong inside into an error of the vault's, and gives the connection up."""

    def __init__(self, store: VaultStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        self._store.close()
        if isinstance(error, psycopg.Error | SinkUnavailable | SinkRefused):
            raise vault_error(error) from None


def vault_error(error: psycopg.Error | SofetchError) -> SofetchError:
    """Our error for what went wrong with the vault: of the sink's kinds, and saying that it is the vault."""
    ours = sink_error(error) if isinstance(error, psycopg.Error) else error
    hint = ours.hint.replace("SOFETCH_SINK_DSN", "SOFETCH_VAULT_DSN").replace("[sink]", "[vault]")
    match ours:
        case SinkUnavailable() | SinkRefused():
            return type(ours)(f"the vault: {ours.what}", hint=hint, sqlstate=ours.sqlstate)
        case _:
            return ours


def require_vault_schema(connection: Connection[Any]) -> None:
    """SinkRefused unless the vault's schema is there and up to date."""
    require_version(connection)
    applied, latest = applied_migration(connection, VAULT), latest_migration(VAULT)
    if applied is None:
        raise SinkRefused("the schema sofetch_vault is not in this database", hint=APPLY, sqlstate="3F000")
    if applied < latest:
        raise SinkRefused(f"the schema is at migration {applied}, this version needs {latest}", hint=APPLY)


def _columns(vaulted: Vaulted) -> dict[str, list[Any]]:
    # Sorted as the function asks: two writers that take the same values in different orders would deadlock.
    entries = sorted(vaulted.entries, key=lambda entry: (entry.subject, entry.domain, entry.origin))
    return {
        "key_ids": [UUID(bytes=key.key_id) for key in vaulted.keys],
        "key_subjects": [key.subject for key in vaulted.keys],
        "wrapped": [key.wrapped for key in vaulted.keys],
        "subjects": [entry.subject for entry in entries],
        "domains": [entry.domain for entry in entries],
        "origins": [entry.origin for entry in entries],
        "tokens": [entry.token for entry in entries],
        "value_key_ids": [UUID(bytes=entry.key_id) for entry in entries],
        "sealed": [entry.sealed for entry in entries],
    }


def _stored(*, key_id: Any, **fields: Any) -> StoredValue:
    return StoredValue(key_id=key_id.bytes, **fields)
