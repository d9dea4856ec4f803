"""Masked rows, rejections and configurations for the tests of the sink. Everything in them is made up."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.record import Cell, MaskedRecord, Reason, SealedRejection
from sofetch.settings import Settings

_numbers = itertools.count()
SENT_MS = 1_795_000_000_000


def settings_for(columns: Sequence[dict[str, Any]], *, table: str = "events", **sink: Any) -> Settings:
    """A configuration with these columns."""
    return msgspec.convert(
        {"source": {"queue": "q"}, "sink": {"table": table, **sink}, "column": list(columns)}, Settings
    )


LOGINS: list[dict[str, Any]] = [
    {"name": "user_id", "max_length": 128, "required": True},
    {"name": "masked_ip", "mask": "token", "kind": "ip", "from": "ip"},
    {"name": "app_version", "max_length": 32},
    {"name": "create_date", "type": "date", "value": "sent_date"},
]


def logins(**sink: Any) -> Settings:
    """The logins, in short."""
    return settings_for(LOGINS, table="user_logins", **sink)


def new_key(*, sent_ms: int = SENT_MS) -> bytes:
    """A time-ordered ledger key that no other call gave."""
    return (sent_ms + next(_numbers)).to_bytes(6, "big") + random.randbytes(10)


def row(*values: Cell, key: bytes | None = None) -> MaskedRecord:
    """A masked record with these cells."""
    return MaskedRecord(str(uuid.uuid4()), key or new_key(), values)


def login(user: str = "u1", *, version: str | None = "0.60", key: bytes | None = None) -> MaskedRecord:
    """A login as the masker gives it."""
    return row(user, "h1.k1." + "a" * 40, version, date(2026, 11, 23), key=key)


def login_rows(count: int) -> list[MaskedRecord]:
    """As many logins, of a user each."""
    return [login(f"user-{n}") for n in range(count)]


def rejection(*, key: bytes | None = None, reason: Reason = Reason.NOT_JSON) -> SealedRejection:
    """A sealed rejection."""
    return SealedRejection(
        message_id=str(uuid.uuid4()),
        key=key or new_key(),
        reason=reason,
        field=None,
        sent_ms=SENT_MS,
        receive_count=1,
        kid="k1",
        sealed_body=b"sealed" * 8,
    )


def redelivered(records: Sequence[MaskedRecord]) -> list[MaskedRecord]:
    """The same messages again."""
    return [MaskedRecord(record.message_id, record.key, record.values) for record in records]


@contextmanager
def open_sink(settings: Settings, dsn: str, *, schema: bool = True) -> Iterator[PostgresSink]:
    """A prepared sink; the schema is applied first unless told otherwise."""
    if schema:
        apply_schema(settings, dsn=dsn)
    sink = PostgresSink(settings, dsn=dsn)
    try:
        sink.prepare([])
        yield sink
    finally:
        sink.close()


def query(dsn: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement beside the sink; its rows, if it has any."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = public")  # the role's own name is that of our schema
        cursor = connection.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []


def gone(dsn: str) -> None:
    """Wait until no session of ours is left in this database: Postgres takes a moment to end one that was closed."""
    ours = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sofetch%'"
    give_up = time.monotonic() + 60
    while query(dsn, ours):
        assert time.monotonic() < give_up, "a session stays"


def lasting_day() -> datetime:
    """Noon of today, in UTC. Not within a minute of midnight: what reckons with today must not see it end."""
    while (now := datetime.now(UTC)).date() != (now + timedelta(minutes=1)).date():
        time.sleep(0.5)
    return now.replace(hour=12, minute=0, second=0, microsecond=0)


def count(dsn: str, table: str) -> int:
    """Rows of a table."""
    return int(query(dsn, f"SELECT count(*) FROM {table}")[0][0])


def names_of(results: Sequence[object]) -> list[str]:
    """What kind each result is, in order."""
    return [type(result).__name__ for result in results]
