"""What the ledger has forgotten is not loaded again, whoever forgot it and whatever is configured by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from archiving import message
from keyrings import KEYRING
from loading import count, lasting_day, login, logins, names_of, new_key, open_sink, query
from sofetch.backfill import Backfilled, backfill
from sofetch.clock import SystemClock
from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events, Outage
from sofetch.load.ledger import keep_partitions
from sofetch.load.setup.schema import apply_schema
from sofetch.record import Message
from sofetch.settings import Settings
from sofetch.stopping import Stop

BODY = b'{"user_id": "u", "ip": "10.0.0.1", "app_version": "1"}'


def sent(number: int, *, days_ago: int) -> Message:
    at_ms = int((lasting_day() - timedelta(days=days_ago)).timestamp() * 1_000)
    return message(number, sent_ms=at_ms, body=BODY)


def load(settings: Settings, dsn: str, batches: Iterator[Any] | list[Any], events: Events | None = None) -> Backfilled:
    return backfill(
        settings,
        batches,
        clock=SystemClock(),
        events=events or Events(),
        stop=Stop(),
        environ={"SOFETCH_SINK_DSN": dsn, "SOFETCH_KEYRING": KEYRING},
    )


def forget(dsn: str, settings: Settings) -> None:
    """As any worker of any pipeline does from time to time."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert keep_partitions(connection, settings)


def test_raising_ledger_days_does_not_bring_back_what_was_forgotten_and_a_backfill_does_not_double_it(
    database: str,
) -> None:
    """Who is told that the hours are too old for the ledger raises the number, and runs it again."""
    brief, patient = logins(ledger_days=20), logins(ledger_days=60)
    apply_schema(brief, dsn=database)
    old, young = sent(1, days_ago=30), sent(2, days_ago=5)
    with open_sink(brief, database):
        done = load(patient, database, [(None, [old, young])])
    assert done.loaded == 2
    query(database, "UPDATE sofetch.pipeline SET ledger_asked_at = NULL")  # as if 60 had never been asked for
    forget(database, brief)
    again = load(patient, database, [(None, [old, young])])
    assert (again.loaded, again.duplicates, again.too_old) == (0, 1, 1)
    assert count(database, "user_logins") == 2


def test_a_day_that_is_forgotten_while_a_backfill_runs_is_passed_over_from_then_on(database: str) -> None:
    settings = logins(ledger_days=60)
    apply_schema(settings, dsn=database)
    first, second = sent(1, days_ago=30), sent(2, days_ago=30)
    told: list[Event] = []
    assert load(settings, database, [(None, [first, second])]).loaded == 2

    def batches() -> Iterator[Any]:
        yield None, [first]
        query(database, "UPDATE sofetch.pipeline SET ledger_asked_at = NULL")
        forget(database, logins(ledger_days=20))
        yield None, [second]

    again = load(settings, database, batches(), Events(told.append))
    assert (again.loaded, again.duplicates, again.too_old) == (0, 1, 1)
    assert len([one for one in told if isinstance(one, Outage)]) == 1
    assert count(database, "user_logins") == 2


def test_a_sink_that_was_asked_what_the_ledger_remembers_loads_no_longer_than_that_holds(database: str) -> None:
    settings = logins(ledger_days=20)
    with open_sink(settings, database) as sink:
        assert sink.remember().forgotten_before is None
        assert names_of(sink.load([login()], [])) == ["Loaded"]
        old = int((lasting_day() - timedelta(days=30)).timestamp() * 1_000)
        query(database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", new_key(sent_ms=old).hex())
        forget(database, settings)
        with pytest.raises(SinkUnavailable, match="forgotten a day"):
            sink.load([login()], [])
        assert sink.remember().forgotten_before == lasting_day().date() - timedelta(days=20)
        assert names_of(sink.load([login()], [])) == ["Loaded"]
    with open_sink(settings, database, schema=False) as never_asked:
        assert names_of(never_asked.load([login()], [])) == ["Loaded"]
