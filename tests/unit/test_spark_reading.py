"""What Spark read becomes messages, or rejections that no attempt names otherwise."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable
from typing import Any

import click
import msgspec
import pytest

from masking import ring, settings
from sofetch.errors import ConfigError
from sofetch.mask.identity import ledger_key
from sofetch.record import FIRST_KEY_ATTRIBUTE, Message, Reason, Rejection
from sofetch.settings import ColumnSettings, Settings
from sofetch.spark.batches import Batch, Gatherer
from sofetch.spark.command import plan_of
from sofetch.spark.lake import require_lake
from sofetch.spark.plan import Format, Plan, Result, total
from sofetch.spark.reading import Item, read_rows

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
PERSONAL = "canary@example.org"


def plan(input_format: Format = "envelopes", *, of: Settings | None = None, **fields: Any) -> Plan:
    encoded = msgspec.json.encode(of or settings())
    return Plan(settings=encoded, input=input_format, **({"has_ids": True} | fields))


def envelopes(*lines: object) -> list[Item]:
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(read_rows({"body": encoded}, plan(), queue="q", now_ms=NOW_MS))


def gathered(items: Iterable[Item], of: Settings, **fields: Any) -> tuple[list[Batch], dict[str, int]]:
    gatherer = Gatherer(of, plan(of=of, **fields), keyring=ring(), now_ms=NOW_MS)
    return list(gatherer.batches(items)), dict(gatherer.counts)


def message(id_: str = "", body: bytes = b"{}", sent_ms: int | None = NOW_MS) -> Message:
    return Message(id=id_, body=body, queue="q", sent_ms=sent_ms, received_ms=NOW_MS)


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"body": '{"ü": 1}'}, '{"ü": 1}'.encode()),
        ({"body": {"a": 1}}, b'{"a": 1}'),
        ({"body64": base64.b64encode(b"\xff").decode()}, b"\xff"),
    ],
)
def test_an_envelope_gives_the_body_as_it_came(given: dict[str, Any], body: bytes) -> None:
    [read] = envelopes({"id": "m1", "sent_ms": 5, **given})
    assert isinstance(read, Message)
    assert (read.id, read.sent_ms, read.body) == ("m1", 5, body)


def test_an_envelope_has_the_ledger_key_of_the_live_path_also_after_a_redrive() -> None:
    id_ = str(uuid.uuid4())
    [plain, redriven] = envelopes(
        {"id": id_, "sent_ms": NOW_MS, "body": "{}"},
        {"id": "other", "sent_ms": 1, "body": "{}", "attributes": {FIRST_KEY_ATTRIBUTE: "ab" * 16}},
    )
    assert isinstance(plain, Message)
    assert isinstance(redriven, Message)
    assert ledger_key(plain) == NOW_MS.to_bytes(6, "big") + uuid.UUID(id_).bytes[:10]
    assert ledger_key(redriven) == bytes.fromhex("ab" * 16)


@pytest.mark.parametrize(
    "line",
    [
        b"not json " + PERSONAL.encode(),
        b"\xff\xfe",
        b'{"id": "", "body": "x"}',
        b'{"id": "m"}',
        b'{"id": "m", "body": "\\ud800"}',
        b'{"id": "m", "body64": "%"}',
        b'{"id": "m", "sent_ms": -1, "body": "x"}',
        b'{"id": "m", "sent_ms": 1.5, "body": "x"}',
        b"[" * 5_000,
    ],
)
def test_what_is_no_envelope_is_a_rejection_with_the_whole_line(line: bytes) -> None:
    [read] = envelopes(line)
    assert isinstance(read, Rejection)
    assert (read.reason, read.message.body) == (Reason.NOT_AN_ENVELOPE, line)


def test_blank_lines_are_left_out_and_a_carriage_return_is_no_part_of_a_body() -> None:
    read = list(read_rows({"body": [b"", b"  ", b"{}\r"]}, plan("jsonl"), queue="q", now_ms=NOW_MS))
    assert [one.body for one in read if isinstance(one, Message)] == [b"{}"]


def test_a_row_of_columns_is_a_message_if_it_has_an_id_and_a_body() -> None:
    columns: dict[str, list[Any]] = {"id": ["a", None, "c"], "sent_ms": [1, 2, None], "body": [b"1", b"2", None]}
    kinds = [type(one) for one in read_rows(columns, plan("parquet"), queue="q", now_ms=NOW_MS)]
    assert kinds == [Message, Rejection, Rejection]


def test_batches_are_bounded_and_no_id_is_twice_in_one() -> None:
    of = msgspec.structs.replace(settings(), batch=msgspec.structs.replace(settings().batch, max_messages=2))
    items = [message("a"), message("b"), message("c"), message("c", sent_ms=NOW_MS + 1), message("c")]
    batches, counts = gathered(items, of)
    assert [[one.id for one in batch.messages] for batch in batches] == [["a", "b"], ["c"], ["c"], ["c"]]
    assert counts == {"read": 5}


def test_a_message_that_is_twice_in_a_batch_is_a_duplicate() -> None:
    batches, counts = gathered([message("a"), message("a")], settings())
    assert [len(batch.messages) for batch in batches] == [1]
    assert counts["duplicates"] == 1


def test_what_has_no_id_is_named_by_a_keyed_hash_of_its_content() -> None:
    items: list[Item] = [message(body=PERSONAL.encode()), Rejection(message(body=b"x"), Reason.NOT_AN_ENVELOPE)]
    [batch], _ = gathered(items, settings(dedupe="content"), input_format="jsonl")
    [again], _ = gathered(items, settings(dedupe="content"), input_format="jsonl")
    other = Gatherer(settings(), plan("jsonl"), keyring=ring(_OTHER), now_ms=NOW_MS)
    [elsewhere] = list(other.batches(items))
    assert batch.messages[0].id == again.messages[0].id != elsewhere.messages[0].id
    assert batch.rejections[0].message.id.startswith("content-")


_OTHER = {"kid": "k9", "status": "primary", "material": base64.b64encode(bytes(range(100, 132))).decode()}


def test_what_the_ledger_has_forgotten_is_passed_over_unless_forced() -> None:
    days = settings().sink.ledger_days
    old, kept = message("old", sent_ms=NOW_MS - (days + 2) * DAY_MS), message("kept", sent_ms=NOW_MS - DAY_MS)
    unknown = message("unknown", sent_ms=None)
    [batch], counts = gathered([old, kept, unknown], settings())
    assert [one.id for one in batch.messages] == ["kept", "unknown"]
    assert counts["too_old"] == 1
    [batch], _ = gathered([old], settings(), force=True)
    assert len(batch.messages) == 1


def test_bodies_without_ids_are_refused_where_rows_would_have_no_identity() -> None:
    with pytest.raises(ConfigError, match="no message ids"):
        plan_of(settings(), "jsonl", has_ids=True, sent_ms=None, force=False)
    assert plan_of(settings(dedupe="content"), "jsonl", has_ids=True, sent_ms=None, force=False).is_bare
    timed = settings(ColumnSettings(name="day", value="sent_date", type="date"), dedupe="content")
    with pytest.raises(ConfigError, match="does not say"):
        plan_of(timed, "jsonl", has_ids=True, sent_ms=None, force=False)


def test_a_plan_gives_the_settings_back_and_holds_no_secret() -> None:
    of = settings(ColumnSettings(name="masked", from_="a.b", mask="token"))
    made = plan_of(of, "envelopes", has_ids=True, sent_ms=None, force=False)
    assert made.load_settings() == of
    assert set(Plan.__struct_fields__) == {"settings", "input", "has_ids", "sent_ms", "force"}


def test_a_lake_keeps_no_vault() -> None:
    with pytest.raises(ConfigError, match="vault"):
        require_lake(settings(ColumnSettings(name="a", mask="token", vault=True)))


def test_counts_of_tasks_add_up() -> None:
    both = total([Result(read=1, loaded=1, reasons={"x": 1}), Result(read=2, reasons={"x": 2})])
    assert (both.read, both.loaded, both.reasons) == (3, 1, {"x": 3})


def test_the_help_names_every_option_with_an_example() -> None:
    from sofetch.spark.command import spark

    text = spark.get_help(click.Context(spark, info_name="sofetch-spark"))
    assert "Example" in text
    assert all(max(one.opts, key=len) in text for one in spark.params)
