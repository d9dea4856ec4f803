"""A pipeline's name stands for one table: two under one name would take each other's messages for duplicates."""

from __future__ import annotations

import msgspec
import pytest

from loading import count, login_rows, logins, open_sink, query
from sofetch.errors import SinkRefused
from sofetch.settings import PipelineSettings, Settings


def named(name: str | None, table: str) -> Settings:
    settings = logins()
    sink = msgspec.structs.replace(settings.sink, table=table)
    return msgspec.structs.replace(settings, sink=sink, pipeline=PipelineSettings(name=name))


def load_two(settings: Settings, dsn: str) -> None:
    with open_sink(settings, dsn) as sink:
        sink.load(login_rows(2), [])


def test_a_name_that_belongs_to_another_table_is_refused(database: str) -> None:
    load_two(named("logins", "user_logins"), database)
    with pytest.raises(SinkRefused, match=r"the pipeline logins loads the table public\.user_logins, not other"):
        load_two(named("logins", "other"), database)
    assert count(database, "other") == 0


def test_a_name_goes_on_when_its_table_was_renamed(database: str) -> None:
    load_two(named("logins", "user_logins"), database)
    query(database, "ALTER TABLE user_logins RENAME TO renamed")
    load_two(named("logins", "renamed"), database)
    assert count(database, "renamed") == 4


def test_a_table_with_and_without_the_schema_public_is_one_pipeline(database: str) -> None:
    load_two(named(None, "user_logins"), database)
    load_two(named(None, "public.user_logins"), database)
    assert query(database, "SELECT name, relation FROM sofetch.pipeline") == [("user_logins", "public.user_logins")]


def test_two_names_may_load_one_table(database: str) -> None:
    load_two(named("first", "user_logins"), database)
    load_two(named("second", "user_logins"), database)
    assert count(database, "user_logins") == 4
