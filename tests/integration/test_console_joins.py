"""What the console says of repeated values and joins, over the tables of one database and of several pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from psycopg.conninfo import conninfo_to_dict

from loading import query, settings_for
from sofetch.console.data import Data
from sofetch.load.console.neighbours import shared
from sofetch.load.setup.roles import sink_roles
from sofetch.load.setup.schema import apply_schema
from sofetch.settings import KeysSettings, Settings
from vaulting import login_role

DEVICE, CARD, OTHER = "h1.k1." + "a" * 40, "172-84-0391", "h1.k1." + "b" * 40


def token(name: str, domain: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "mask": "token", "domain": domain} | given


def fpe(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "mask": "fpe", "domain": "card"} | given


VISITS = settings_for([token("device", "device"), fpe("card"), token("ip", "ip", kind="ip")], table="visits")
ORDERS = settings_for(
    [token("gadget", "device"), token("buyer", "person"), fpe("paid_by"), fpe("code", alphabet="alnum")],
    table="orders",
)
GONE = settings_for([token("device", "device")], table="gone")
SAME = settings_for([token("device", "device"), token("again", "device")], table="public.visits")


@pytest.fixture
def tables(database: str) -> str:
    for settings in (VISITS, ORDERS):
        apply_schema(settings, dsn=database)
    query(database, "INSERT INTO visits (device, card) VALUES (%s, %s), (%s, %s)", DEVICE, CARD, DEVICE, CARD)
    query(database, "INSERT INTO orders (gadget, buyer) VALUES (%s, %s), (%s, %s)", DEVICE, DEVICE, OTHER, OTHER)
    return database


def data(dsn: str, *others: Settings) -> Data:
    return Data(VISITS, file=None, dsn=dsn, write_dsn=None, others=others)


def test_what_fpe_made_goes_by_its_rank_and_is_not_shown(tables: str) -> None:
    found = data(tables).repeats("card")
    assert [(one.token, one.rows) for one in found.tokens] == [(None, 2)]
    assert data(tables).find_token(CARD) == {}


def test_what_joins_is_found_in_the_tables_of_other_pipelines_that_are_there(tables: str) -> None:
    known = data(tables, ORDERS, GONE)
    assert [(one.name, one.joins) for one in known.masked_columns()] == [("device", []), ("card", []), ("ip", [])]
    assert known.joins() == {"device": ["orders.gadget"], "card": ["orders.paid_by"]}
    # Where it stands in a column of another domain it is another value's, and is not asked.
    assert known.find_token(DEVICE) == {"device": 2, "orders.gadget": 1}
    assert known.find_token(OTHER) == {"orders.gadget": 1}


def test_of_two_pipelines_into_one_table_no_column_is_listed_twice(tables: str) -> None:
    query(tables, "ALTER TABLE visits ADD COLUMN again text")
    assert data(tables, SAME).joins() == {"device": ["public.visits.again"]}


@contextmanager
def roles_of(dsn: str, prefix: str) -> Iterator[None]:
    """Roles are of the whole server, so they are dropped however the test ends."""
    try:
        sink_roles(VISITS, dsn=dsn, prefix=prefix, apply=True)
        yield
    finally:
        for role in ("loader", "analyst", "auditor", "console", "console_asker"):
            query(dsn, f"DROP OWNED BY {prefix}{role}")
            query(dsn, f"DROP ROLE {prefix}{role}")


def test_a_table_that_may_not_be_read_is_said_and_spares_the_answer_about_the_own(tables: str) -> None:
    prefix = f"{conninfo_to_dict(tables)['dbname']}_"
    with roles_of(tables, prefix), login_role(tables, "looks", f"{prefix}console") as reads:
        assert data(reads, ORDERS).find_token(DEVICE) == {"device": 2, "orders.gadget": None}
        query(tables, "CREATE SCHEMA closed")
        hidden = replace(ORDERS, sink=replace(ORDERS.sink, table="closed.orders"))
        assert data(reads, hidden).joins() == {}
        assert data(reads, hidden).find_token(DEVICE) == {"device": 2}
        sink_roles(ORDERS, dsn=tables, prefix=prefix, apply=True)  # as is done for all pipelines of a file
        assert data(reads, ORDERS).find_token(DEVICE) == {"device": 2, "orders.gadget": 1}


def test_a_database_that_is_away_leaves_the_page_of_columns_as_it_is() -> None:
    assert data("host=/nonexistent dbname=none", ORDERS).joins() == {}


def placed(name: str, *, keys: str | None = None, **sink: str) -> Settings:
    made = settings_for([token("device", "device")], table=name, **sink)
    return replace(made, keys=KeysSettings(file=keys))


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, ["same string", "same place"]),
        ({"SOFETCH_SINK_DSN": "dbname=one"}, ["same string", "same place", "elsewhere", "unreadable"]),
    ],
)
def test_only_what_is_in_the_same_database_under_the_same_keys_is_asked(
    environ: dict[str, str], found: Sequence[str]
) -> None:
    own = placed("own", dsn="host=a dbname=app")
    others = [
        placed("same string", dsn="host=a dbname=app"),
        placed("same place", dsn="postgresql://bo@a:5432/app"),
        placed("elsewhere", dsn="host=a dbname=other"),
        placed("unreadable", dsn_file="/nonexistent"),
        placed("other keys", dsn="host=a dbname=app", keys="/keys"),
    ]
    assert [one.sink.table for one in shared(own, others, environ=environ)] == found
