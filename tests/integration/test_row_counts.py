"""The table's rows by the hour of sending: counted where the rows tell it, and if not, why not."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import SENT_MS, new_key, open_sink, query, row, settings_for
from sofetch.load.reconciling import LedgerReader
from sofetch.load.row_counts import Counted, NotCounted
from sofetch.load.setup.roles import sink_roles
from sofetch.settings import Settings

HOUR_MS = 3_600_000
FIRST_MS = SENT_MS // HOUR_MS * HOUR_MS
END_MS = FIRST_MS + 3 * HOUR_MS
SENT: dict[str, Any] = {"name": "sent", "value": "sent_time", "type": "timestamp"}


def configured(*columns: dict[str, Any], **sink: Any) -> Settings:
    return settings_for([{"name": "user_id"}, *columns], **sink)


def rows_of(settings: Settings, dsn: str) -> Counted | NotCounted:
    with LedgerReader(settings, dsn=dsn) as reader:
        return reader.rows(FIRST_MS, END_MS)


@pytest.mark.parametrize("declared", ["timestamptz", "timestamp", "bigint"])
def test_rows_are_counted_by_the_hour_and_those_of_other_hours_are_not_looked_at(database: str, declared: str) -> None:
    settings = configured({**SENT, "type": "bigint" if declared == "bigint" else "timestamp"})
    offsets_ms = [-1, 0, 1, HOUR_MS - 1, 2 * HOUR_MS, 3 * HOUR_MS]
    query(database, f"CREATE TABLE events (user_id text, sent {declared})")
    query(database, f"ALTER DATABASE {conninfo_to_dict(database)['dbname']} SET timezone = 'Asia/Kolkata'")
    with open_sink(settings, database) as sink:
        for offset_ms in offsets_ms:
            at = datetime.fromtimestamp(FIRST_MS / 1_000, UTC) + timedelta(milliseconds=offset_ms)
            sink.load([row("u", FIRST_MS + offset_ms if declared == "bigint" else at, key=new_key())], [])
    query(database, "INSERT INTO events VALUES ('without', NULL)")
    assert rows_of(settings, database) == Counted({FIRST_MS: 3, FIRST_MS + 2 * HOUR_MS: 1})


def test_where_rows_do_not_tell_the_sent_time_it_says_so(database: str) -> None:
    settings = configured({"name": "sent_on", "value": "sent_date", "type": "date"})
    with open_sink(settings, database):
        assert "no column tells the sent time" in why_not(settings, database)
        assert "events has no column sent" in why_not(configured(SENT), database)
        assert "gone has no column sent" in why_not(configured(SENT, table="gone"), database)


def test_a_table_that_does_not_answer_in_time_is_passed_over(database: str) -> None:
    settings = configured(SENT)
    with open_sink(settings, database):
        pass
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        for limit in ("lock_timeout_seconds", "statement_timeout_seconds"):
            assert "did not answer in time" in why_not(configured(SENT, **{limit: 1}), database)


def test_a_role_that_may_only_load_is_told_what_it_may_not_read(database: str) -> None:
    settings = configured(SENT)
    prefix = f"c{uuid.uuid4().hex[:8]}_"
    with open_sink(settings, database):
        sink_roles(settings, dsn=database, prefix=prefix, apply=True)
    query(database, f"CREATE ROLE {prefix}user LOGIN IN ROLE {prefix}loader")
    try:
        dsn = make_conninfo(database, user=f"{prefix}user")
        assert "may not read sent of events" in why_not(settings, dsn)
    finally:
        query(database, "DROP TABLE events; DROP SCHEMA sofetch CASCADE")
        for name in ("user", "loader", "analyst", "auditor"):
            query(database, f"DROP OWNED BY {prefix}{name}; DROP ROLE {prefix}{name}")


def why_not(settings: Settings, dsn: str) -> str:
    found = rows_of(settings, dsn)
    assert isinstance(found, NotCounted)
    return found.why
