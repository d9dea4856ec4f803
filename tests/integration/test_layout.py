"""The table beside the configuration, in a real Postgres: what disagrees, and SQL that really brings them together."""

from __future__ import annotations

from typing import Any

import pytest

from loading import login, logins, open_sink, query, settings_for
from sofetch.errors import SinkUnavailable
from sofetch.load.setup.layout import Fault, Layout, read_layout
from sofetch.load.setup.schema import apply_schema, plan_schema
from sofetch.settings import Settings

TABLE = (
    "CREATE TABLE events (id integer, code varchar(4), made integer GENERATED ALWAYS AS (1) STORED, age boolean, "
    "must text NOT NULL, old text, extra integer NOT NULL, number bigserial PRIMARY KEY, at timestamptz DEFAULT now())"
)
COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "type": "text"},
    {"name": "code", "max_length": 16},
    {"name": "made", "type": "int"},
    {"name": "age", "type": "int"},
    {"name": "must"},
    {"name": "plan"},
]


def faults(layout: Layout) -> dict[str | None, Fault]:
    return {fault.column: fault for fault in layout.faults}


def test_a_table_made_for_the_configuration_agrees_with_it(database: str) -> None:
    apply_schema(logins(), dsn=database)
    layout = read_layout(logins(), dsn=database)
    assert layout.faults == []
    assert [column.name for column in layout.columns] == ["user_id", "masked_ip", "app_version", "create_date"]


def test_no_table_is_one_fault_whose_sql_makes_it(database: str) -> None:
    [fault] = read_layout(logins(), dsn=database).faults
    assert fault.code == "table_missing"
    assert fault.sql is not None
    query(database, fault.sql)
    assert read_layout(logins(), dsn=database).faults == []


def test_each_disagreement_is_told_apart(database: str) -> None:
    query(database, TABLE)
    found = faults(read_layout(settings_for(COLUMNS), dsn=database))
    assert {name: fault.code for name, fault in found.items()} == {
        "id": "column_misfit",
        "made": "column_misfit",
        "age": "column_misfit",
        "code": "column_narrow",
        "must": "column_not_null",
        "plan": "column_missing",
        "extra": "column_unfilled",
        "old": "column_leftover",
    }
    assert {name for name, fault in found.items() if fault.caution} == {"id", "age", "old"}
    assert found["made"].sql is None  # nothing can be written into it


def test_the_sql_without_a_caution_can_be_run_as_it_is_and_keeps_every_row(database: str) -> None:
    query(database, TABLE)
    query(database, "INSERT INTO events (code, must, old, extra) VALUES ('abcd', 'm', 'o', 1)")
    before = query(database, "SELECT code, must, old, extra FROM events")
    for fault in read_layout(settings_for(COLUMNS), dsn=database).faults:
        if fault.sql is not None and not fault.caution:
            query(database, fault.sql)
    left = faults(read_layout(settings_for(COLUMNS), dsn=database))
    assert set(left) == {"id", "made", "age", "old", "extra"}
    assert left["extra"].code == "column_leftover"  # nothing fills it still, and no row is refused for that
    assert query(database, "SELECT code, must, old, extra FROM events") == before


def test_the_sql_with_a_caution_does_what_it_says(database: str) -> None:
    query(database, TABLE)
    query(database, "INSERT INTO events (id, age, must, extra) VALUES (60, true, 'm', 1)")
    for fault in read_layout(settings_for(COLUMNS), dsn=database).faults:
        if fault.column in {"id", "age"} and fault.sql is not None:
            query(database, fault.sql)
    assert query(database, "SELECT id, age FROM events") == [("60", 1)]
    assert {"id", "age"}.isdisjoint(faults(read_layout(settings_for(COLUMNS), dsn=database)))


def test_a_column_of_the_primary_key_is_never_said_to_become_null(database: str) -> None:
    query(database, "CREATE TABLE events (tenant integer PRIMARY KEY, id text)")
    found = faults(read_layout(settings_for([{"name": "id"}]), dsn=database))
    assert (found["tenant"].code, found["tenant"].sql) == ("column_unfilled", None)


def test_proposed_columns_have_sql_only_where_the_table_lacks_them(database: str) -> None:
    query(database, TABLE)
    proposed = settings_for([{"name": "plan"}, {"name": "old"}, {"name": "extra"}]).column
    assert read_layout(settings_for(COLUMNS), dsn=database, proposed=proposed).proposed == {
        "plan": 'ALTER TABLE "events" ADD COLUMN "plan" text'
    }


@pytest.mark.parametrize(
    ("sink", "table"),
    [
        ({"write": "insert_ignore", "key": ["user_id"]}, "user_id varchar(128)"),
        ({"partition_by": "day", "partition_column": "create_date"}, "user_id varchar(128)"),
    ],
)
def test_whatever_else_applying_would_do_is_told_too(database: str, sink: dict[str, Any], table: str) -> None:
    rest = "masked_ip varchar(256), app_version varchar(32), create_date date"
    by = " PARTITION BY RANGE (create_date)" if "partition_by" in sink else ""
    query(database, f"CREATE TABLE user_logins ({table}, {rest}){by}")
    settings = logins(**sink)
    told = [fault.sql for fault in read_layout(settings, dsn=database).faults]
    of_the_table = [step.sql for step in plan_schema(settings, dsn=database) if not step.what.startswith("schema ")]
    assert told == of_the_table != []


def test_looking_changes_nothing(database: str) -> None:
    query(database, TABLE)
    read_layout(settings_for(COLUMNS), dsn=database)
    assert query(database, "SELECT to_regnamespace('sofetch')") == [(None,)]


def test_a_worker_may_load_where_nothing_but_warnings_is_left(database: str) -> None:
    settings: Settings = logins()
    with open_sink(settings, database) as sink:
        query(database, "ALTER TABLE user_logins ADD COLUMN old text")
        assert [fault.code for fault in read_layout(settings, dsn=database).faults] == ["column_leftover"]
        sink.load([login("u1")], [])
    assert query(database, "SELECT user_id, old FROM user_logins") == [("u1", None)]


def test_a_database_that_is_away_is_an_outage_and_no_difference() -> None:
    with pytest.raises(SinkUnavailable) as raised:
        read_layout(logins(), dsn="host=/nowhere dbname=x user=x password=kanarie")
    assert "kanarie" not in str(raised.value)
