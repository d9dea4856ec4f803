"""Rows by key: which one stays, what cannot be a key, what a role needs. Any order is in ``test_write_models``."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import pytest
from msgspec import structs
from psycopg.conninfo import make_conninfo

from loading import gone, names_of, open_sink, query, row, settings_for
from masking import K1, K2, cell_of, entry, ring
from sofetch.decode import compile_decoder
from sofetch.errors import SinkRefused
from sofetch.load.postgres import PostgresSink
from sofetch.load.rotation.tokens import rotate_table
from sofetch.load.setup.inspect import check_sink
from sofetch.load.setup.roles import sink_roles
from sofetch.load.setup.schema import apply_schema, plan_schema
from sofetch.mask import Keyring, Keyrings, compile_masker, ledger_key
from sofetch.mask.upgrade import compile_upgrades
from sofetch.pipeline import Steps, process
from sofetch.record import FIRST_KEY_ATTRIBUTE
from sofetch.source.transport import RawMessage
from writing import EPOCH, Sent, found, profiles


def test_an_ignored_row_leaves_the_first_and_of_one_batch_the_first_sent_stays(database: str) -> None:
    late, early = Sent(1, "a", 5, "late"), Sent(2, "a", 1, "early")
    with open_sink(profiles("insert_ignore"), database) as sink:
        answers = names_of(sink.load([late.record(), early.record()], []))
        assert (answers, found(database)) == (["Duplicate", "Loaded"], {"a": (1, "early")})
        assert names_of(sink.load([Sent(3, "a", 0, "older").record(), Sent(4, "b", 0, None).record()], [])) == [
            "Duplicate",
            "Loaded",
        ]
    assert found(database) == {"a": (1, "early"), "b": (0, None)}


def test_a_row_that_is_older_than_what_is_there_changes_nothing_and_is_not_tried_again(database: str) -> None:
    newer, older = Sent(1, "a", 5, "newer"), Sent(2, "a", 1, "older")
    with open_sink(profiles("upsert"), database) as sink:
        assert names_of(sink.load([newer.record()], [])) == ["Loaded"]
        assert names_of(sink.load([older.record()], [])) == ["Duplicate"]
        assert query(database, "SELECT count(*) FROM sofetch.ledger") == [(2,)]
        query(database, "DELETE FROM profiles")
        assert names_of(sink.load([older.record()], [])) == ["Duplicate"]
    assert found(database) == {}


def test_a_bad_row_goes_to_quarantine_and_the_newest_good_one_stays(database: str) -> None:
    good, bad, other = Sent(1, "a", 1, "good"), Sent(2, "a", 2, "bad"), Sent(3, "b", 1, "good")
    with open_sink(profiles("upsert"), database) as sink:
        query(database, "ALTER TABLE profiles ADD CHECK (state <> 'bad')")
        assert names_of(sink.load([good.record(), bad.record(), other.record()], [])) == ["Loaded", "Refused", "Loaded"]
    assert found(database) == {"a": (1, "good"), "b": (1, "good")}


@pytest.mark.parametrize("write", ["insert_ignore", "upsert"])
def test_a_trigger_that_swallows_a_row_is_no_row_of_its_key(database: str, write: str) -> None:
    swallow = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    with open_sink(profiles(write), database) as sink:
        query(database, swallow)
        query(database, "CREATE TRIGGER swallow BEFORE INSERT ON profiles FOR EACH ROW EXECUTE FUNCTION swallow()")
        with pytest.raises(SinkRefused, match="took 0 of 1 rows"):
            sink.load([Sent(1, "a", 1, "x").record()], [])
    assert query(database, "SELECT count(*) FROM sofetch.ledger") == [(0,)]


DROP_KEY = "ALTER TABLE profiles DROP CONSTRAINT profiles_pkey"


@pytest.mark.parametrize(
    "alter",
    [
        DROP_KEY,
        "ALTER TABLE profiles ALTER COLUMN sent DROP NOT NULL",
        f"{DROP_KEY}, ADD UNIQUE (user_id) DEFERRABLE",
        f"{DROP_KEY}; CREATE UNIQUE INDEX ON profiles (user_id) WHERE state > ''",
        f'{DROP_KEY}; CREATE UNIQUE INDEX ON profiles (user_id COLLATE "C")',
    ],
)
def test_a_table_that_cannot_tell_rows_by_their_key_is_refused_and_the_schema_mends_it(
    database: str, alter: str
) -> None:
    settings = profiles("upsert")
    apply_schema(settings, dsn=database)
    query(database, alter)
    with pytest.raises(SinkRefused, match="table profiles"), open_sink(settings, database, schema=False):
        pass
    assert "sink_key" in [one.code for one in check_sink(settings, dsn=database) if one.severity == "error"]
    apply_schema(settings, dsn=database)
    assert plan_schema(settings, dsn=database) == []
    with open_sink(settings, database, schema=False):
        pass


def test_equal_keys_are_equal_as_the_database_has_it(database: str) -> None:
    """Cells become what the column holds before they are compared: a batch holds no key twice."""
    columns: list[dict[str, Any]] = [
        {"name": "price", "type": "numeric", "required": True},
        {"name": "sent", "value": "sent_time", "type": "timestamp"},
        {"name": "seen", "type": "jsonb"},
        {"name": "at", "type": "inet"},
        {"name": "level"},
    ]
    with open_sink(profiles("insert"), database):
        query(database, "CREATE TYPE level AS ENUM ('low', 'high')")
        query(
            database,
            "CREATE TABLE prices (price numeric(6,1) PRIMARY KEY, sent timestamp(0) NOT NULL, seen jsonb, at inet,"
            " level level)",
        )
    settings = settings_for(columns, table="prices", write="upsert", key=["price"])
    rows = [row(Decimal(price), EPOCH, b'{"n": 1}', ip_address("10.0.0.1"), "low") for price in ("1.04", "1.01", "2")]
    with open_sink(settings, database) as sink:
        assert sorted(names_of(sink.load(rows, []))) == ["Duplicate", "Loaded", "Loaded"]
    assert query(database, "SELECT price::text FROM prices ORDER BY 1") == [("1.0",), ("2.0",)]


@pytest.mark.parametrize("write", ["insert_ignore", "upsert"])
def test_a_role_made_for_loading_may_do_what_the_mode_needs_and_check_names_what_it_lacks(
    database: str, write: str
) -> None:
    settings = profiles(write)
    apply_schema(settings, dsn=database)
    prefix = f"w{uuid.uuid4().hex[:8]}_"
    sink_roles(settings, dsn=database, prefix=prefix, apply=True)
    query(database, f"CREATE ROLE {prefix}user LOGIN IN ROLE {prefix}loader")
    try:
        dsn = make_conninfo(database, user=f"{prefix}user")
        with open_sink(settings, dsn, schema=False) as sink:
            sink.load([Sent(1, "a", 1, "x").record()], [])
            sink.load([Sent(2, "a", 2, "y").record()], [])
        assert [one for one in check_sink(settings, dsn=dsn) if one.code == "sink_privilege"] == []
        query(database, f"REVOKE SELECT (user_id) ON profiles FROM {prefix}loader")
        [lack] = [one for one in check_sink(settings, dsn=dsn) if one.code == "sink_privilege"]
        assert f'write = "{write}" needs SELECT on user_id' in lack.what
    finally:
        query(database, "DROP TABLE profiles; DROP SCHEMA sofetch CASCADE")
        for name in ("user", "loader", "analyst", "auditor"):
            query(database, f"DROP OWNED BY {prefix}{name}; DROP ROLE {prefix}{name}")


TOKENS: list[dict[str, Any]] = [
    {"name": "who", "mask": "token", "domain": "who", "required": True},
    {"name": "sent", "value": "sent_time", "type": "timestamp"},
]


def test_no_row_comes_under_a_new_key_beside_one_under_the_old(database: str) -> None:
    settings = settings_for(TOKENS, table="people", write="upsert", key=["who"])
    old, new = ring(entry()), ring(entry("k1", K1, "active"), entry("k2", K2))

    def load(keyring: Keyring, ms: int) -> list[str]:
        with closing(PostgresSink(settings, dsn=database)) as sink:
            sink.prepare([one for up in compile_upgrades(settings, Keyrings(keyring)) for one in up.fingerprints])
            token = cell_of("ann", keyring, domain="who")
            return names_of(sink.load([row(token, EPOCH + timedelta(milliseconds=ms))], []))

    apply_schema(settings, dsn=database)
    assert load(old, 1) == ["Loaded"]
    with pytest.raises(SinkRefused, match="column who of people is in `key` and holds tokens of another key than k2"):
        load(new, 2)
    with open_sink(settings, database), pytest.raises(SinkRefused, match="no worker runs"):
        rotate_table(settings, compile_upgrades(settings, Keyrings(new)), dsn=database)
    gone(database)
    rotate_table(settings, compile_upgrades(settings, Keyrings(new)), dsn=database)
    assert load(new, 3) == ["Loaded"]
    assert query(database, "SELECT count(*) FROM people") == [(1,)]


def test_a_second_row_of_an_identity_stops_the_rotation_with_words(database: str) -> None:
    settings = settings_for(TOKENS, table="people", write="upsert", key=["who"])
    old, new = ring(entry()), ring(entry("k1", K1, "active"), entry("k2", K2))
    apply_schema(settings, dsn=database)
    for keyring in (old, new):
        query(database, "INSERT INTO people VALUES (%s, now())", cell_of("ann", keyring, domain="who"))
    with pytest.raises(SinkRefused, match="same identity under two keys"):
        rotate_table(settings, compile_upgrades(settings, Keyrings(new)), dsn=database)


def test_an_old_message_that_is_redriven_does_not_replace_what_is_newer(database: str) -> None:
    """It is sent again now; what it says is as old as it was."""
    settings = profiles("upsert")
    first = RawMessage(id="old", receipt_handle="r", body=BODY % b"old", sent_ms=1_795_000_000_000)
    key = ledger_key(first.message(queue="q", received_ms=0)).hex()
    newer = RawMessage(id="newer", receipt_handle="r", body=BODY % b"newer", sent_ms=1_795_000_100_000)
    redriven = structs.replace(first, id="again", sent_ms=1_795_000_200_000, attributes={FIRST_KEY_ATTRIBUTE: key})
    with open_sink(settings, database) as sink:
        steps = Steps(compile_decoder(settings), compile_masker(settings, ring()), sink)
        for raw in (newer, redriven):
            process([raw.message(queue="q", received_ms=0)], steps)
    assert query(database, "SELECT state FROM profiles") == [("newer",)]


BODY = b'{"user_id": "u", "state": "%s"}'
