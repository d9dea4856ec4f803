"""Erasing rows on a real Postgres: refused before anything is gone, whatever the columns' types, and never half."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from psycopg.conninfo import make_conninfo

from loading import count, logins, new_key, open_sink, query, rejection
from sofetch.errors import SinkRefused
from sofetch.governance.erasure import TablePlan
from sofetch.load.erasure import QUARANTINE_BATCH, ErasureTables
from sofetch.load.setup.schema import apply_schema

NAMES = ["ann", "h1.k1.x", "10.0.0.1"]


@pytest.fixture
def prepared(database: str) -> str:
    """A database with our schema and one more table."""
    apply_schema(logins(), dsn=database)
    query(database, "CREATE TABLE seen (who text, a varchar(9), i inet, u uuid, d date, n int NOT NULL DEFAULT 1)")
    query(database, "INSERT INTO seen (who) VALUES ('ann'), ('bob')")
    values = "a = 'token', i = '10.0.0.1', u = gen_random_uuid(), d = now()"
    query(database, f"UPDATE seen SET {values} WHERE who = 'ann'")
    return database


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """A role that may do nothing yet."""
    name = f"r_{uuid.uuid4().hex[:8]}"
    query(database, f"CREATE ROLE {name}")
    yield name
    query(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


def plan(*columns: str, mode: str = "delete", subject: str = "who", table: str = "seen") -> TablePlan:
    assert mode in {"delete", "randomise"}
    return TablePlan(
        table=table,
        subject_column=subject,
        mode="delete" if mode == "delete" else "randomise",
        columns=(subject, *columns),
    )


@pytest.mark.parametrize(
    ("plan_", "words"),
    [
        (plan(table="nowhere"), "nowhere does not exist"),
        (plan(subject="whom"), "no column whom"),
        (plan("x"), "no column x"),
        (plan("n", mode="randomise"), "NOT NULL"),
    ],
)
def test_what_could_not_be_done_is_refused(prepared: str, plan_: TablePlan, words: str) -> None:
    with ErasureTables(logins(), dsn=prepared) as tables, pytest.raises(SinkRefused, match=words):
        tables.require([plan_])


@pytest.mark.parametrize("mode", ["delete", "randomise"])
def test_a_role_that_may_not_is_told_so_before(prepared: str, role: str, mode: str) -> None:
    query(prepared, f"GRANT USAGE ON SCHEMA sofetch TO {role}; GRANT SELECT ON sofetch.migration TO {role}")
    query(prepared, f"GRANT SELECT ON seen TO {role}")
    dsn = make_conninfo(prepared, options=f"-c role={role} -c search_path=public")
    with ErasureTables(logins(), dsn=dsn) as tables, pytest.raises(SinkRefused, match="may not"):
        tables.require([plan(mode=mode)])


@pytest.mark.parametrize("subject", ["who", "i"])
def test_rows_are_found_by_text_and_by_address(prepared: str, subject: str) -> None:
    with ErasureTables(logins(), dsn=prepared) as tables:
        assert tables.count(plan(subject=subject), NAMES) == 1
        assert tables.erase(plan(subject=subject), NAMES, kid="k1") == 1
        assert tables.erase(plan(subject=subject), NAMES, kid="k1") == 0
    assert query(prepared, "SELECT who FROM seen") == [("bob",)]


def test_random_values_are_of_the_column_s_type_and_null_stays(prepared: str) -> None:
    [before] = query(prepared, "SELECT a, i, u, d FROM seen WHERE who = 'ann'")
    with ErasureTables(logins(), dsn=prepared) as tables:
        assert tables.erase(plan("a", "i", "u", "d", mode="randomise"), ["ann"], kid="k1") == 1
        assert tables.erase(plan("a", mode="randomise"), ["bob"], kid="k1") == 1
    [after] = query(prepared, "SELECT a, i, u, d FROM seen WHERE a IS NOT NULL")
    assert not set(before) & set(after)
    assert len(after[0]) == 9
    assert after[3] is None
    assert query(prepared, "SELECT count(*) FROM seen WHERE a IS NULL") == [(1,)]


def test_every_quarantined_entry_is_seen_once_however_many_batches(prepared: str) -> None:
    keys = {new_key() for _ in range(2 * QUARANTINE_BATCH + 1)}
    with open_sink(logins(), prepared) as sink:
        sink.load([], [rejection(key=key) for key in keys])
    with ErasureTables(logins(), dsn=prepared) as tables:
        batches = list(tables.quarantined())
        assert [len(batch) for batch in batches] == [QUARANTINE_BATCH, QUARANTINE_BATCH, 1]
        assert {entry.key for batch in batches for entry in batch} == keys
        assert tables.purge(sorted(keys)[:3]) == 3
        assert tables.purge(sorted(keys)[:3]) == 0
    assert count(prepared, "sofetch.quarantine") == len(keys) - 3


def test_another_pipeline_s_quarantine_is_left_alone(prepared: str) -> None:
    key = new_key()
    with open_sink(logins(), prepared) as sink:
        sink.load([], [rejection(key=key)])
    query(prepared, "UPDATE sofetch.pipeline SET name = 'another'")
    with ErasureTables(logins(), dsn=prepared) as tables:
        assert list(tables.quarantined()) == []
        assert tables.purge([key]) == 0
