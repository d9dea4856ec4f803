"""Rows that the database refuses come back, each with its reason; their neighbours load."""

from __future__ import annotations

import random

import pytest

from loading import (
    count,
    login,
    login_rows,
    logins,
    names_of,
    open_sink,
    query,
    redelivered,
    rejection,
    row,
    settings_for,
)
from sofetch.errors import SinkRefused
from sofetch.load.setup.schema import apply_schema
from sofetch.record import MaskedRecord, Reason, Refused

CHECKED = "ALTER TABLE user_logins ADD CONSTRAINT no_poison CHECK (user_id NOT LIKE 'poison%')"


@pytest.mark.parametrize("poison", [0, 1, 5, 200, 1000])
def test_exactly_the_poison_comes_back_and_the_rest_is_in_the_table(database: str, poison: int) -> None:
    bad = set(random.Random(poison).sample(range(1000), poison))
    records = [login(f"poison-{n}" if n in bad else f"good-{n}") for n in range(1000)]
    with open_sink(logins(), database) as sink:
        query(database, CHECKED)
        results = sink.load(records, [])
        expected = [
            Refused(record.message_id, Reason.CHECK_VIOLATION) if n in bad else None for n, record in enumerate(records)
        ]
        assert [result if isinstance(result, Refused) else None for result in results] == expected
        assert count(database, "user_logins") == count(database, "sofetch.ledger") == 1000 - poison
        sealed = [rejection(key=record.key, reason=Reason.CHECK_VIOLATION) for record in records if record.key]
        sealed = [one for n, one in enumerate(sealed) if n in bad]
        assert names_of(sink.load([], sealed)) == ["Rejected"] * poison
        again = names_of(sink.load(redelivered(records), []))
    assert again == ["Duplicate"] * 1000
    assert count(database, "sofetch.quarantine") == poison
    assert count(database, "user_logins") == 1000 - poison


def test_poison_is_found_among_messages_that_were_loaded_before(database: str) -> None:
    before = login_rows(100)
    with open_sink(logins(), database) as sink:
        query(database, CHECKED)
        sink.load(before, [])
        records = [*redelivered(before), login("good"), login("poison"), login("good")]
        results = sink.load(records, [rejection()])
    assert names_of(results) == ["Duplicate"] * 100 + ["Loaded", "Refused", "Loaded", "Rejected"]


def test_of_two_rows_with_one_unique_value_the_first_loads(database: str) -> None:
    with open_sink(logins(), database) as sink:
        query(database, "CREATE UNIQUE INDEX ON user_logins (user_id)")
        results = sink.load([login("a"), login("b"), login("a"), login("c")], [])
    assert names_of(results) == ["Loaded", "Loaded", "Refused", "Loaded"]
    assert isinstance(results[2], Refused)
    assert results[2].reason is Reason.UNIQUE_VIOLATION


def test_a_constraint_that_is_deferred_to_commit_blames_its_row_all_the_same(database: str) -> None:
    with open_sink(logins(), database) as sink:
        query(database, "ALTER TABLE user_logins ADD UNIQUE (user_id) DEFERRABLE INITIALLY DEFERRED")
        results = sink.load([login("a"), login("b"), login("a")], [])
    assert names_of(results) == ["Loaded", "Loaded", "Refused"]


def test_a_foreign_key_which_names_no_line_is_found_by_halving(database: str) -> None:
    with open_sink(logins(), database) as sink:
        query(database, "CREATE TABLE users (id varchar PRIMARY KEY)")
        query(database, "INSERT INTO users SELECT 'user-' || n FROM generate_series(0, 99) AS n WHERE n <> 37")
        query(database, "ALTER TABLE user_logins ADD FOREIGN KEY (user_id) REFERENCES users")
        records = login_rows(100)
        results = sink.load(records, [])
    refused = [result for result in results if isinstance(result, Refused)]
    assert refused == [Refused(records[37].message_id, Reason.FOREIGN_KEY_VIOLATION)]


TRIGGER = """
CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_id = 'poison' THEN RAISE EXCEPTION 'no: %', NEW.user_id; END IF;
    IF NEW.user_id = 'divide' THEN PERFORM 1 / (length(NEW.user_id) - 6); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER judge BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION judge();
"""


def test_what_a_trigger_refuses_is_refused(database: str) -> None:
    with open_sink(logins(), database) as sink:
        query(database, TRIGGER)
        results = sink.load([login("a"), login("poison"), login("divide"), login("b")], [])
    assert names_of(results) == ["Loaded", "Refused", "Refused", "Loaded"]
    assert {result.reason for result in results if isinstance(result, Refused)} == {Reason.DATABASE_REFUSED_VALUE}


def test_an_exclusion_constraint_is_told_by_its_name(database: str) -> None:
    settings = settings_for([{"name": "address", "type": "text"}])
    with open_sink(settings, database) as sink:
        query(database, "ALTER TABLE events ADD EXCLUDE (address WITH =)")
        results = sink.load([row("a"), row("a")], [])
    assert isinstance(results[1], Refused)
    assert results[1].reason is Reason.EXCLUSION_VIOLATION


def test_a_domains_check_names_no_row_of_others(database: str) -> None:
    query(database, "CREATE DOMAIN short AS varchar(10) CHECK (value <> 'poison')")
    query(database, "CREATE TABLE events (a short, b integer)")
    settings = settings_for([{"name": "a"}, {"name": "b", "type": "int"}])
    with open_sink(settings, database) as sink:
        results = sink.load([row("good", 1), row("poison", 2), row("much too long", 3)], [])
    assert [(type(r).__name__, getattr(r, "reason", None), getattr(r, "field", None)) for r in results] == [
        ("Loaded", None, None),
        ("Refused", Reason.CHECK_VIOLATION, "a"),
        ("Refused", Reason.TOO_LONG, "a"),
    ]


def test_a_null_where_the_table_has_not_null_is_refused_before_the_server_logs_the_row(database: str) -> None:
    settings = logins()
    apply_schema(settings, dsn=database)
    query(database, "ALTER TABLE user_logins ALTER app_version SET NOT NULL")
    with open_sink(settings, database) as sink:
        bad = login(version=None)
        results = sink.load([login(), bad], [])
    assert results[1] == Refused(bad.message_id, Reason.NOT_NULL_VIOLATION, "app_version")


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_column_that_is_not_configured_and_may_not_be_null_is_named(database: str, partitioned: bool) -> None:
    query(database, f"CREATE TABLE events (a text){' PARTITION BY LIST (a)' if partitioned else ''}")
    if partitioned:
        query(database, "CREATE TABLE events_rest PARTITION OF events DEFAULT")
    with open_sink(settings_for([{"name": "a"}]), database) as sink:
        query(database, "ALTER TABLE events ADD tenant text NOT NULL")  # since it was looked at
        results = sink.load([row("b"), row("c")], [])
    assert [(getattr(one, "reason", None), getattr(one, "field", None)) for one in results] == [
        (Reason.NOT_NULL_VIOLATION, "tenant")
    ] * 2


@pytest.mark.parametrize(
    "stumbling",
    [
        "RAISE not_null_violation USING COLUMN = NEW.a, TABLE = 'events'",
        "INSERT INTO copied (id) VALUES (NULL)",
    ],
    ids=["its-own-words", "in-another-table"],
)
def test_a_column_that_only_a_trigger_names_is_not_told(database: str, stumbling: str) -> None:
    query(database, "CREATE TABLE events (a text, id int NOT NULL DEFAULT 1)")
    query(database, "CREATE TABLE copied (id int NOT NULL)")
    body = f"$$BEGIN {stumbling}; END$$"
    query(database, f"CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS {body}")
    query(database, "CREATE TRIGGER stumbles BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION stumble()")
    with open_sink(settings_for([{"name": "a"}]), database) as sink:
        (result,) = sink.load([row("somebody@example.org")], [])
    assert isinstance(result, Refused)
    assert (result.reason, result.field) == (Reason.NOT_NULL_VIOLATION, None)


def test_what_no_longer_violates_when_it_is_looked_for_loads(database: str) -> None:
    """A row that fails only beside others is not poison: the search finds none and the batch is tried again."""
    with open_sink(logins(), database) as sink:
        query(database, "CREATE SEQUENCE calls")
        query(
            database,
            """CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN IF nextval('calls') = 1 THEN RAISE EXCEPTION 'only once'; END IF; RETURN NEW; END $$""",
        )
        query(database, "CREATE TRIGGER j BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION judge()")
        assert names_of(sink.load([login("a"), login("b")], [])) == ["Loaded", "Loaded"]
    assert count(database, "user_logins") == 2


def test_a_wide_batch_of_poison_and_rejections_keeps_every_message(database: str) -> None:
    records: list[MaskedRecord] = [login("poison"), *login_rows(3)]
    rejections = [rejection() for _ in range(3)]
    with open_sink(logins(), database) as sink:
        query(database, CHECKED)
        results = sink.load(records, rejections)
    given = [record.message_id for record in records] + [one.message_id for one in rejections]
    assert [result.message_id for result in results] == given
    assert names_of(results) == ["Refused", *["Loaded"] * 3, *["Rejected"] * 3]


def test_a_trigger_that_swallows_a_row_ends_the_loading_and_nothing_is_lost(database: str) -> None:
    with open_sink(logins(), database) as sink:
        query(
            database,
            """CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$
               BEGIN IF NEW.user_id = 'u1' THEN RETURN NULL; END IF; RETURN NEW; END $$""",
        )
        query(
            database,
            "CREATE TRIGGER swallow BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION swallow()",
        )
        with pytest.raises(SinkRefused, match="a trigger swallows rows"):
            sink.load([login("u0"), login("u1")], [])
    assert (count(database, "user_logins"), count(database, "sofetch.ledger")) == (0, 0)
