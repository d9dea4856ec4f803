"""The collecting column on a real Postgres: rows written by key, and what the console shows of it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from loading import SENT_MS, count, names_of, query, settings_for
from masking import ring
from sofetch.console.data import Data
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError
from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker
from sofetch.pipeline import Steps, process
from sofetch.record import Message
from sofetch.settings import DriftSettings, Settings

NAME = "kanarie-anna-7101"
COLUMNS: list[dict[str, Any]] = [
    {"name": "extra", "type": "jsonb"},
    {"name": "user_id", "required": True},
    {"name": "device", "mask": "token"},
    {"name": "sent", "value": "sent_time", "type": "timestamp"},
]


def collecting(**sink: Any) -> Settings:
    drift = DriftSettings(unknown_fields="collect", collect_into="extra")
    return replace(settings_for(COLUMNS, **sink), drift=drift)


def message(number: int, user: str, **fields: object) -> Message:
    body = json.dumps({"user_id": user, "device": "d"} | fields).encode()
    sent = SENT_MS + 1_000 * number
    return Message(id=str(uuid.UUID(int=number)), body=body, queue="q", sent_ms=sent, received_ms=sent)


def delivered(settings: Settings, dsn: str, messages: Sequence[Message]) -> list[str]:
    sink = PostgresSink(settings, dsn=dsn)
    try:
        masker = compile_masker(settings, ring())
        sink.prepare(masker.fingerprints())
        return names_of(process(messages, Steps(compile_decoder(settings), masker, sink)).outcomes)
    finally:
        sink.close()


@pytest.mark.parametrize(("write", "kept"), [("upsert", [2, None]), ("insert_ignore", [1, 4])])
def test_a_row_that_is_written_by_key_has_the_collected_fields_of_its_own_message(
    database: str, write: str, kept: list[int | None]
) -> None:
    """The newest message or the first; without unknown fields it makes the cell NULL, also where one was there."""
    settings = collecting(write=write, key=["user_id"])
    apply_schema(settings, dsn=database)
    delivered(settings, database, [message(1, "anna", visits=1, note=NAME), message(4, "bob", visits=4)])
    delivered(settings, database, [message(2, "anna", visits=2, note=NAME), message(5, "bob")])
    delivered(settings, database, [message(2, "anna", visits=2, note=NAME), message(3, "bob", visits=3)])
    rows = query(database, "SELECT (extra->>'visits')::int, extra->>'note' FROM events ORDER BY user_id")
    assert [visits for visits, _ in rows] == kept
    assert str(rows[0][1]).startswith("u1.k1.")
    assert count(database, "events") == 2


@pytest.mark.parametrize("dedupe", ["content", ["user_id"]])
def test_what_is_deduplicated_by_content_or_fields_is_loaded_once_with_its_collected_fields(
    database: str, dedupe: Any
) -> None:
    settings = collecting(dedupe=dedupe)
    apply_schema(settings, dsn=database)
    delivered(settings, database, [message(1, "anna", note=NAME), message(2, "anna", note=NAME)])
    [(cell,)] = query(database, "SELECT extra FROM events")
    assert re.fullmatch(r"u1\.k1\.[0-9a-f]{40}", cell["note"])


def test_the_console_neither_offers_nor_reads_the_column_as_one_of_tokens(database: str) -> None:
    settings = collecting()
    apply_schema(settings, dsn=database)
    delivered(settings, database, [message(at, "anna", note=NAME, visits=at) for at in range(3)])
    data = Data(settings, file=None, dsn=database, write_dsn=None)
    assert [one.name for one in data.masked_columns()] == ["device"]
    assert [one.rows for one in data.repeats("device").tokens] == [3]
    with pytest.raises(ConfigError):
        data.repeats("extra")
    [(token,)] = query(database, "SELECT DISTINCT extra->>'note' FROM events")
    assert data.find_token(token) == {}
    column = next(one for one in data.privacy().columns if one.name == "extra")
    assert column.collected is not None
    assert (column.scheme, column.collected.kids, column.collected.strangers) == ("collected", {"k1": 3}, 0)
    assert data.configuration()["drift"]["collect_into"] == "extra"
