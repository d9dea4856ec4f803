"""The sink refuses to start where something is missing or wrong, and says which and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from psycopg.conninfo import make_conninfo

from loading import (
    LOGINS,
    count,
    lasting_day,
    login_rows,
    logins,
    names_of,
    new_key,
    open_sink,
    query,
    rejection,
    settings_for,
)
from sofetch.errors import KeyringError, SinkRefused
from sofetch.load.postgres import PostgresSink
from sofetch.load.reconciling import LedgerReader
from sofetch.load.setup.inspect import grants
from sofetch.load.setup.schema import apply_schema
from sofetch.settings import PipelineSettings, Settings


class Print(Struct, frozen=True):
    scheme: str
    domain: str
    kid: str
    fingerprint: bytes


def prepare(settings: Settings, dsn: str, *prints: Print) -> None:
    sink = PostgresSink(settings, dsn=dsn)
    try:
        sink.prepare(prints)
    finally:
        sink.close()


def ours(dsn: str) -> list[list[tuple[Any, ...]]]:
    """What our schema holds that a start may change."""
    tables = ("sofetch.pipeline", "sofetch.key_fingerprint", "sofetch.ledger", "sofetch.ledger_memory")
    days = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sofetch.ledger'::regclass"
    return [sorted(query(dsn, text)) for text in [*(f"SELECT * FROM {table}" for table in tables), days]]


def refused(settings: Settings, dsn: str) -> SinkRefused:
    with pytest.raises(SinkRefused) as caught:
        prepare(settings, dsn)
    return caught.value


def test_without_our_schema_it_says_how_to_make_it(database: str) -> None:
    error = refused(logins(), database)
    assert "schema sofetch" in error.what
    assert "sofetch schema --apply" in error.hint


def test_without_the_table_it_says_how_to_make_it(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(database, "DROP TABLE user_logins")
    error = refused(logins(), database)
    assert "user_logins does not exist" in error.what
    assert "--apply" in error.hint


def test_a_rehearsal_refuses_what_a_start_would_and_leaves_nothing_behind(database: str) -> None:
    """A configuration that is only tried, and is wrong perhaps, must not make the ledger of the right one forget."""
    known, new = Print("h1", "d", "k1", b"1"), Print("h1", "d", "k2", b"2")
    apply_schema(logins(), dsn=database)
    prepare(logins(ledger_days=60), database, known)
    old_ms = int((lasting_day() - timedelta(days=40)).timestamp() * 1_000)
    query(database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", new_key(sent_ms=old_ms).hex())
    before = ours(database)
    tried = PostgresSink(logins(ledger_days=1), dsn=database)
    tried.rehearse([known, new])
    named = msgspec.structs.replace(logins(ledger_days=1), pipeline=PipelineSettings(name="another"))
    PostgresSink(named, dsn=database).rehearse([known])
    with pytest.raises(KeyringError):
        tried.rehearse([Print("h1", "d", "k1", b"another")])
    query(database, "ALTER TABLE user_logins RENAME TO elsewhere")
    with pytest.raises(SinkRefused, match="user_logins does not exist"):
        tried.rehearse([known])
    assert ours(database) == before


def test_an_older_schema_is_refused(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(database, "DELETE FROM sofetch.migration WHERE number > 1")
    assert "migration 1" in refused(logins(), database).what


def test_every_column_that_does_not_fit_is_named_at_once(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(
        database,
        "ALTER TABLE user_logins DROP user_id, ALTER create_date TYPE timestamptz, ADD extra int NOT NULL,"
        " ALTER masked_ip TYPE varchar(20), ADD made int GENERATED ALWAYS AS (1) STORED",
    )
    error = refused(settings_for([*LOGINS, {"name": "made", "type": "int"}], table="user_logins"), database)
    for column in ("user_id", "create_date", "extra", "masked_ip", "made"):
        assert f"column {column} " in error.what


def test_an_integer_version_is_explained(database: str) -> None:
    query(database, "CREATE TABLE user_logins (user_id text, masked_ip text, app_version integer, create_date date)")
    apply_schema(logins(), dsn=database)
    error = refused(logins(), database)
    assert "app_version is integer" in error.what
    assert "version_int" in error.hint
    assert "--widen" in error.hint


def test_the_same_key_is_accepted_again_and_another_in_its_place_is_not(database: str) -> None:
    settings = logins()
    apply_schema(settings, dsn=database)
    prepare(settings, database, Print("h1", "ip", "k1", b"a" * 16), Print("h1", "device", "k1", b"b" * 16))
    prepare(settings, database, Print("h1", "ip", "k1", b"a" * 16), Print("h1", "ip", "k2", b"c" * 16))
    with pytest.raises(KeyringError, match=r"ip \(h1, kid k1\)") as caught:
        prepare(settings, database, Print("h1", "ip", "k1", b"x" * 16), Print("h1", "device", "k1", b"b" * 16))
    assert "device" not in caught.value.what
    assert count(database, "sofetch.key_fingerprint") == 3


@pytest.fixture
def loader(database: str) -> Iterator[str]:
    """Connection string of a role that may do no more than load."""
    apply_schema(logins(), dsn=database)
    role = "loader_" + database.partition("dbname=")[2].split()[0]
    query(database, f"CREATE ROLE {role} LOGIN")
    for statement in grants(role):
        query(database, statement)
    query(database, f"GRANT INSERT ON user_logins TO {role}")
    yield make_conninfo(database, user=role)
    query(database, f"DROP OWNED BY {role}")
    query(database, f"DROP ROLE {role}")


def test_a_role_that_may_only_insert_loads_everything_and_keeps_the_partitions(database: str, loader: str) -> None:
    partition = f"sofetch.ledger_{lasting_day():%Y%m%d}"
    query(database, f"DROP TABLE {partition}")
    with open_sink(logins(), loader, schema=False) as sink:
        records, bad = login_rows(5), rejection()
        assert names_of(sink.load(records, [bad])) == ["Loaded"] * 5 + ["Rejected"]
        assert names_of(sink.load(records, [bad])) == ["Duplicate"] * 5 + ["Rejected"]
    assert query(database, f"SELECT to_regclass('{partition}')") != [(None,)]


@pytest.mark.parametrize(
    "revoke",
    ["USAGE ON SCHEMA sofetch", "INSERT ON user_logins", "INSERT ON sofetch.ledger", "SELECT ON sofetch.pipeline"],
)
def test_a_missing_privilege_needs_a_person_and_loads_nothing(database: str, loader: str, revoke: str) -> None:
    role = make_conninfo(loader).partition("user=")[2].split()[0]
    query(database, f"REVOKE {revoke} FROM {role}")
    sink = PostgresSink(logins(), dsn=loader)
    with pytest.raises(SinkRefused) as caught:
        sink.load(login_rows(2), [])
    sink.close()
    assert caught.value.sqlstate == "42501"
    assert "schema --roles" in caught.value.hint  # `check` says this too: it must not say to run `check`
    assert count(database, "user_logins") == count(database, "sofetch.ledger") == 0


@pytest.mark.parametrize("revoke", ["USAGE ON SCHEMA sofetch", "SELECT ON sofetch.pipeline"])
def test_a_missing_privilege_is_no_fault_of_sofetch_to_who_verifies(database: str, loader: str, revoke: str) -> None:
    role = make_conninfo(loader).partition("user=")[2].split()[0]
    query(database, f"REVOKE {revoke} FROM {role}")
    with pytest.raises(SinkRefused) as caught:
        LedgerReader(logins(), dsn=loader)
    assert caught.value.sqlstate == "42501"


def test_the_loader_may_not_use_the_partition_functions_to_reach_anything_else(database: str, loader: str) -> None:
    row = query(
        database,
        "SELECT bool_and(prosecdef AND 'search_path=pg_catalog, pg_temp' = ANY (proconfig)) FROM pg_proc"
        " WHERE pronamespace = 'sofetch'::regnamespace AND proname LIKE '%_ledger_partitions'",
    )
    assert row == [(True,)]
    public = "SELECT bool_or(has_function_privilege('public', oid, 'EXECUTE')) FROM pg_proc"
    assert query(database, public + " WHERE pronamespace = 'sofetch'::regnamespace") == [(False,)]
