"""Builders for the tests of the vault: configurations that keep values, records, recovery keys. Values are made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import query
from masking import message, ring
from sofetch.load.vault.schema import apply_vault
from sofetch.load.vault.store import VaultStore
from sofetch.mask import Keyring, Masker, compile_masker
from sofetch.mask.vaulting import (
    RecoveryKey,
    RecoveryPublicKey,
    new_recovery_keypair,
    parse_recovery_key,
    parse_recovery_public_key,
)
from sofetch.record import Masked, Record, StoredValue, Value, Vaulted
from sofetch.settings import Settings, SinkSettings

COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "max_length": 128},
    {"name": "masked_ip", "from": "ip", "mask": "token", "kind": "ip", "domain": "ip", "vault": True},
    {"name": "masked_device_id", "from": "device_id", "mask": "token", "domain": "device", "vault": True},
]
LIMITS = SinkSettings(table="sofetch_vault.value")


def vault_settings(*columns: Mapping[str, Any], **vault: Any) -> Settings:
    """A configuration that keeps addresses and device ids, by user."""
    document = {
        "source": {"queue": "q"},
        "sink": {"table": "user_logins"},
        "vault": {"subject": "user_id", **vault},
        "column": list(columns) or COLUMNS,
    }
    return msgspec.convert(document, Settings)


def recovery_pair() -> tuple[RecoveryKey, RecoveryPublicKey]:
    """A recovery key, both halves."""
    private, public = new_recovery_keypair()
    return parse_recovery_key(private), parse_recovery_public_key(public)


def vault_masker(
    public: RecoveryPublicKey, settings: Settings | None = None, *, keyring: Keyring | None = None
) -> Masker:
    return compile_masker(settings or vault_settings(), keyring or ring(), recovery=public)


def records(*rows: tuple[Value, ...]) -> list[Record]:
    return [Record(message(), row) for row in rows]


def vaulted_of(masked: Masked) -> Vaulted:
    assert masked.vaulted is not None
    return masked.vaulted


def as_stored(vaulted: Vaulted) -> list[StoredValue]:
    """What the vault would give back of these."""
    from datetime import UTC, datetime

    wrapped = {key.key_id: key.wrapped for key in vaulted.keys}
    return [
        StoredValue(
            subject=entry.subject,
            domain=entry.domain,
            token=entry.token,
            origin=entry.origin,
            key_id=entry.key_id,
            wrapped=wrapped[entry.key_id],
            sealed=entry.sealed,
            first_seen=datetime.now(UTC),
        )
        for entry in vaulted.entries
    ]


@contextmanager
def open_vault(dsn: str, *, schema: bool = True) -> Iterator[VaultStore]:
    """A prepared store; the schema is applied first unless told otherwise."""
    if schema:
        apply_vault(dsn, limits=LIMITS)
    store = VaultStore(dsn, limits=LIMITS)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


@contextmanager
def login_role(dsn: str, name: str, *groups: str) -> Iterator[str]:
    """Connection string of a user that is in these groups and nothing else, unique to the database."""
    user = f"{name}_{conninfo_to_dict(dsn)['dbname']}"
    query(dsn, f"CREATE ROLE {user} LOGIN" + (f" IN ROLE {', '.join(groups)}" if groups else ""))
    try:
        yield make_conninfo(dsn, user=user)
    finally:
        query(dsn, f"DROP ROLE {user}")


def everything_in(dsn: str, schema: str) -> bytes:
    """All that a schema's tables hold, as text and with every bytea decoded, as a dump would."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT format('%%I.%%I', table_schema, table_name) FROM information_schema.tables WHERE table_schema = %s",
            [schema],
        ).fetchall()
        parts: list[bytes] = []
        for (table,) in tables:
            with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT BINARY)".encode()) as copy:
                parts += [bytes(part) for part in copy]
    return b"".join(parts)
