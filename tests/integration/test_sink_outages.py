"""A database that goes away, is fenced off or altered: nothing is lost, nothing is doubled, nothing is quarantined."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from faults.tcp_proxy import tcp_proxy
from loading import (
    count,
    lasting_day,
    login,
    login_rows,
    logins,
    names_of,
    new_key,
    open_sink,
    query,
    redelivered,
    row,
    settings_for,
)
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.record import MaskedRecord

KILL = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'sofetch'"""


def test_a_connection_that_was_killed_is_made_anew(database: str) -> None:
    records = login_rows(10)
    with open_sink(logins(), database) as sink:
        sink.load(records[:5], [])
        assert query(database, KILL) == [(1,)]
        with pytest.raises(SinkUnavailable):
            sink.load(records[5:], [])
        assert names_of(sink.load(records, [])) == ["Duplicate"] * 5 + ["Loaded"] * 5


def test_a_backend_killed_in_the_middle_of_the_write_leaves_nothing_behind(database: str) -> None:
    records = login_rows(100)
    with open_sink(logins(), database) as sink, psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        # The keys are taken and the rows wait for this lock: in the middle of the transaction.
        other.execute("LOCK TABLE public.user_logins IN SHARE MODE")
        future = pool.submit(sink.load, records, [])
        _until(database, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        query(database, KILL)
        with pytest.raises(SinkUnavailable):
            future.result(timeout=60)
        other.rollback()
        assert count(database, "sofetch.ledger") == 0
        assert names_of(sink.load(records, [])) == ["Loaded"] * 100
    assert count(database, "user_logins") == 100


def test_a_lost_reply_to_commit_ends_in_duplicates_not_in_double_rows(database: str) -> None:
    records = login_rows(20)
    apply_schema(logins(), dsn=database)
    with tcp_proxy(database) as proxy, open_sink(logins(), proxy.dsn, schema=False) as sink:
        proxy.arm("reply to commit lost")
        with pytest.raises(SinkUnavailable):
            sink.load(records, [])
        assert names_of(sink.load(redelivered(records), [])) == ["Duplicate"] * 20
    assert count(database, "user_logins") == 20


@pytest.mark.parametrize("fault", ["commit lost", "cut in copy", "cut in reply"])
def test_a_link_cut_in_the_middle_of_a_transaction_leaves_nothing_behind(database: str, fault: str) -> None:
    records = login_rows(2_000)
    apply_schema(logins(), dsn=database)
    with tcp_proxy(database) as proxy, open_sink(logins(), proxy.dsn, schema=False) as sink:
        proxy.arm(fault)
        with pytest.raises(SinkUnavailable):
            sink.load(records, [])
        assert proxy.armed(fault) == 0
        assert (count(database, "user_logins"), count(database, "sofetch.ledger")) == (0, 0)
        assert names_of(sink.load(redelivered(records), [])) == ["Loaded"] * 2_000


def test_a_database_that_became_read_only_is_an_outage(database: str) -> None:
    records = login_rows(3)
    with open_sink(logins(), database) as sink:
        name = conninfo_to_dict(database)["dbname"]
        query(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        query(database, KILL)
        for _ in range(2):
            with pytest.raises(SinkUnavailable):
                sink.load(records, [])
        query(database, "BEGIN READ WRITE; " + f"ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT")
        assert names_of(_load_until_it_works(sink, records)) == ["Loaded"] * 3


def test_a_lock_that_is_not_to_be_had_is_an_outage_and_ends_in_time(database: str) -> None:
    records = login_rows(3)
    settings = logins(lock_timeout_seconds=1)
    with open_sink(settings, database) as sink, psycopg.connect(database) as other:
        other.execute("LOCK TABLE public.user_logins IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SinkUnavailable) as caught:
            sink.load(records, [])
        assert caught.value.sqlstate == "55P03"
        other.rollback()
        assert names_of(sink.load(records, [])) == ["Loaded"] * 3


def test_a_reader_of_the_ledger_does_not_stop_the_loading(database: str) -> None:
    """Old days cannot be dropped while pg_dump, say, holds them; that waits, the messages do not."""
    with open_sink(logins(), database) as sink, psycopg.connect(database) as reader:
        query(database, "SELECT sofetch.make_ledger_partitions(50, 1)")
        reader.execute("LOCK TABLE sofetch.ledger IN ACCESS SHARE MODE")
        sink._partitions_due = 0
        assert names_of(sink.load(login_rows(3), [])) == ["Loaded"] * 3
        reader.rollback()
        sink._partitions_due = 0
        sink.load(login_rows(1), [])
    days = "SELECT count(*) FROM pg_class WHERE relname ~ '^ledger_[0-9]{8}$'"
    assert query(database, days) == [(39,)]


def test_a_key_that_meets_the_making_of_its_day_is_tried_again(database: str) -> None:
    today = lasting_day()
    record = login(key=new_key(sent_ms=int(today.timestamp() * 1_000)))
    with open_sink(logins(), database) as sink:
        query(database, f"DROP TABLE sofetch.ledger_{today:%Y%m%d}")
        with psycopg.connect(database) as maker, ThreadPoolExecutor(1) as pool:
            maker.execute("SELECT sofetch.make_ledger_partitions(0, 0)")
            future = pool.submit(sink.load, [record], [])
            _until(database, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            maker.commit()
            try:
                results = future.result(timeout=60)
            except SinkUnavailable:
                results = sink.load([record], [])
        assert names_of(results) == ["Loaded"]


def test_a_table_that_vanished_needs_a_person_and_loads_once_it_is_back(database: str) -> None:
    records = login_rows(3)
    with open_sink(logins(), database) as sink:
        query(database, "ALTER TABLE user_logins RENAME TO elsewhere")
        with pytest.raises(SinkRefused) as caught:
            sink.load(records, [])
        assert caught.value.sqlstate == "42P01"
        query(database, "ALTER TABLE elsewhere RENAME TO user_logins")
        assert names_of(sink.load(records, [])) == ["Loaded"] * 3


def test_a_missing_partition_of_the_table_needs_a_person_and_quarantines_nothing(database: str) -> None:
    query(database, "CREATE TABLE events (day date) PARTITION BY RANGE (day)")
    settings = settings_for([{"name": "day", "type": "date"}])
    with open_sink(settings, database) as sink:
        record = row(date(2026, 11, 23))
        with pytest.raises(SinkRefused, match="no partition"):
            sink.load([record], [])
        query(database, "CREATE TABLE events_default PARTITION OF events DEFAULT")
        assert names_of(sink.load([record], [])) == ["Loaded"]


@pytest.mark.parametrize(
    ("before", "after", "cell"),
    [("varchar(4)", "integer", "1234"), ("integer", "bigint", 7), ("bigint", "integer", 7), ("integer", "text", 7)],
)
def test_a_column_altered_while_running_never_gets_garbage(
    database: str, before: str, after: str, cell: str | int
) -> None:
    """Four letters are a valid binary int4: without a look at the catalog they would be stored as a number."""
    kind = "text" if before.startswith("varchar") else "bigint" if before == "bigint" else "int"
    settings = settings_for([{"name": "c", "type": kind}])
    query(database, f"CREATE TABLE events (c {before})")
    with open_sink(settings, database) as sink:
        sink.load([row(cell)], [])
        query(database, f"ALTER TABLE events ALTER c TYPE {after} USING c::text::{after}")
        with pytest.raises((SinkUnavailable, SinkRefused)):
            sink.load([row(cell)], [])
        assert count(database, "events") == 1


def test_a_column_widened_while_running_is_noticed(database: str) -> None:
    settings = settings_for([{"name": "c"}])
    query(database, "CREATE TABLE events (c varchar(3))")
    with open_sink(settings, database) as sink:
        assert names_of(sink.load([row("1234")], [])) == ["Refused"]
        query(database, "ALTER TABLE events ALTER c TYPE varchar(4)")
        assert names_of(sink.load([row("1234")], [])) == ["Loaded"]


def test_limits_are_set_and_what_the_connection_string_says_is_kept(database: str) -> None:
    dsn = make_conninfo(database, options="-c lock_timeout=77s -c work_mem=5MB", application_name="mine")
    with open_sink(logins(), dsn) as sink:
        assert sink._session is not None
        names = ("application_name", "lock_timeout", "work_mem", "statement_timeout", "client_encoding")
        shown = [_setting(sink._session.connection, name) for name in names]
        assert shown == ["mine", "77s", "5MB", "1min", "UTF8"]


def test_a_commit_is_never_asynchronous(database: str) -> None:
    with open_sink(logins(), make_conninfo(database, options="-c synchronous_commit=off")) as sink:
        assert sink._session is not None
        assert _setting(sink._session.connection, "synchronous_commit") == "on"


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_roles_isolation_level_does_not_matter(database: str, level: str) -> None:
    dsn = make_conninfo(database, options=f"-c default_transaction_isolation={level.replace(' ', chr(92) + ' ')}")
    with open_sink(logins(), dsn) as sink:
        known, contested = login(key=new_key()), login(key=new_key())
        assert names_of(sink.load([known], [])) == ["Loaded"]
        with psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
            other.execute("INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", [contested.key.hex()])
            future = pool.submit(sink.load, [known, contested, login()], [])
            _until(database, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            other.commit()  # after the loader's snapshot, were it to have one for the whole transaction
            assert names_of(future.result(timeout=60)) == ["Duplicate", "Duplicate", "Loaded"]


def test_closing_twice_and_loading_after_closing_work(database: str) -> None:
    with open_sink(logins(), database) as sink:
        sink.close()
        sink.close()
        assert names_of(sink.load(login_rows(1), [])) == ["Loaded"]


def test_no_error_shows_a_value_or_the_connection_string(database: str) -> None:
    dsn = make_conninfo(database, dbname="no_such_database", password="kanarie-password")
    sink = PostgresSink(logins(), dsn=dsn)
    with pytest.raises(SinkUnavailable, match="there is no such database") as caught:
        sink.load([login("kanarie-value")], [])
    shown = f"{caught.value} {caught.value!r} {sink!r} {caught.value.__cause__} {vars(caught.value)}"
    assert "kanarie" not in shown
    assert caught.value.__suppress_context__


def _load_until_it_works(sink: PostgresSink, records: list[MaskedRecord]) -> Any:
    for _ in range(3):
        try:
            return sink.load(records, [])
        except SinkUnavailable:
            continue
    raise AssertionError("it never worked")


def _setting(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def _until(dsn: str, condition: str) -> None:
    for _ in range(2_000):
        if query(dsn, condition) == [(True,)]:
            return
    raise AssertionError("it never came to that")
