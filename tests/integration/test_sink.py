"""A batch ends in the table, the quarantine and the ledger, in one transaction, each message once."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from loading import (
    SENT_MS,
    count,
    login,
    login_rows,
    logins,
    names_of,
    new_key,
    open_sink,
    query,
    redelivered,
    rejection,
    settings_for,
)
from sofetch.load.quarantine.entries import list_quarantine, show_quarantine
from sofetch.load.reading import count_rows, read_rows, repeated_values
from sofetch.record import Duplicate, Loaded, Reason, Rejected


def test_rows_and_rejections_are_committed_together(database: str) -> None:
    records, refused = login_rows(3), rejection(reason=Reason.MISSING_FIELD)
    with open_sink(logins(), database) as sink:
        results = sink.load(records, [refused])
    assert results == [*(Loaded(r.message_id) for r in records), Rejected(refused.message_id, Reason.MISSING_FIELD)]
    assert query(database, "SELECT user_id FROM user_logins ORDER BY 1") == [("user-0",), ("user-1",), ("user-2",)]
    keys = {UUID(bytes=key) for key in [refused.key, *(record.key for record in records)]}
    assert {key for (key,) in query(database, "SELECT key FROM sofetch.ledger")} == keys
    [entry] = list_quarantine(logins(), dsn=database)
    assert (entry.key, entry.reason, entry.attempts) == (UUID(bytes=refused.key), "missing_field", 1)


def test_a_batch_of_nothing_does_nothing(database: str) -> None:
    with open_sink(logins(), database) as sink:
        assert sink.load([], []) == []


def test_a_redelivery_is_a_duplicate_and_its_new_neighbours_load(database: str) -> None:
    first, second = login_rows(50), login_rows(50)
    with open_sink(logins(), database) as sink:
        sink.load(first, [])
        mixed = [record for pair in zip(redelivered(first), second, strict=True) for record in pair]
        results = sink.load(mixed, [])
    assert names_of(results) == ["Duplicate", "Loaded"] * 50
    assert count(database, "user_logins") == 100


def test_a_rejection_that_comes_again_counts_one_attempt_more(database: str) -> None:
    refused, records = rejection(), login_rows(2)
    with open_sink(logins(), database) as sink:
        sink.load([], [refused])
        assert names_of(sink.load(records, [refused])) == ["Loaded", "Loaded", "Rejected"]
    assert [entry.attempts for entry in list_quarantine(logins(), dsn=database)] == [2]
    assert count(database, "sofetch.quarantine") == 1


def test_a_rejection_of_a_message_that_is_in_the_table_is_a_duplicate(database: str) -> None:
    record = login()
    with open_sink(logins(), database) as sink:
        sink.load([record], [])
        again = rejection(key=record.key)
        assert sink.load([], [again]) == [Duplicate(again.message_id)]
    assert count(database, "sofetch.quarantine") == 0


def test_duplicates_within_a_batch_share_the_fate_of_the_first(database: str) -> None:
    key, bad_key = new_key(), new_key()
    records = [login("first", key=key), login("second", key=key), login("x" * 129, key=bad_key), login(key=bad_key)]
    rejections = [rejection(key=key), rejection(), rejection(key=bad_key)]
    rejections.append(rejection(key=rejections[1].key))
    with open_sink(logins(), database) as sink:
        results = sink.load(records, rejections)
    assert names_of(results) == [
        "Loaded",
        "Duplicate",
        "Refused",
        "Refused",
        "Duplicate",
        "Rejected",
        "Refused",
        "Rejected",
    ]
    assert query(database, "SELECT user_id FROM user_logins") == [("first",)]
    assert count(database, "sofetch.ledger") == 2


def test_keys_in_any_order_are_taken(database: str) -> None:
    records = login_rows(200)
    random.Random(7).shuffle(records)
    with open_sink(logins(), database) as sink:
        assert names_of(sink.load(records, [])) == ["Loaded"] * 200


@pytest.mark.parametrize("dedupe", ["content", ["user_id"]])
def test_keys_made_of_content_need_no_order_in_time(database: str, dedupe: str | list[str]) -> None:
    records = [login(key=random.randbytes(16)) for _ in range(100)]
    with open_sink(logins(dedupe=dedupe), database) as sink:
        assert names_of(sink.load(records, [])) == ["Loaded"] * 100
        assert names_of(sink.load(redelivered(records), [])) == ["Duplicate"] * 100
    assert count(database, "sofetch.ledger_content") == 100
    assert count(database, "sofetch.ledger") == 0


def test_two_pipelines_load_the_same_messages_each_into_its_own_table(database: str) -> None:
    columns = [{"name": "user_id"}]
    key = new_key()
    for table in ("one", "two"):
        with open_sink(settings_for(columns, table=table), database) as sink:
            record = login(key=key)
            assert names_of(sink.load([type(record)(record.message_id, key, ("u",))], [])) == ["Loaded"]
    assert (count(database, "one"), count(database, "two")) == (1, 1)


def test_a_message_older_or_newer_than_every_partition_loads_and_is_found_again(database: str) -> None:
    with open_sink(logins(), database) as sink:
        for sent_ms in (0, SENT_MS * 10, 2**48 - 2**20):
            record = login(key=new_key(sent_ms=sent_ms))
            assert names_of(sink.load([record], [])) == ["Loaded"]
            assert names_of(sink.load([record], [])) == ["Duplicate"]
    assert count(database, "sofetch.ledger_default") == 3


def test_odd_names_of_tables_and_columns_are_only_names(database: str) -> None:
    name = 'drop table "x"; --'
    columns = [{"name": name}, {"name": "Größe (cm), %s {}", "type": "int"}]
    settings = settings_for(columns, table='"Odd.Schema"."SELECT ""1"""')
    query(database, 'CREATE SCHEMA "Odd.Schema"')
    with open_sink(settings, database) as sink:
        record = type(login())(new_key().hex(), new_key(), ("text", 5))
        assert names_of(sink.load([record], [])) == ["Loaded"]
    assert query(database, 'SELECT * FROM "Odd.Schema"."SELECT ""1"""') == [("text", 5)]
    assert read_rows(settings, dsn=database, newest_by=name).rows == [("text", 5)]


def test_the_users_schema_holds_nothing_of_ours(database: str) -> None:
    with open_sink(logins(), database) as sink:
        sink.load(login_rows(1), [rejection()])
    # The role of the test is called sofetch: without care "$user" would put its table into our schema.
    assert query(database, "SELECT current_user::text") == [("sofetch",)]
    tables = query(database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert tables == [("user_logins",)]


def test_rows_counts_and_repeated_values_are_read_back(database: str) -> None:
    settings = logins()
    with open_sink(settings, database) as sink:
        sink.load([login(user) for user in ["a", "b", "a", "c", "a", "b"]], [rejection(), rejection()])
    assert len(read_rows(settings, dsn=database, limit=4).rows) == 4
    assert [r[0] for r in read_rows(settings, dsn=database, limit=1, newest_by="user_id").rows] == ["c"]
    counts = count_rows(settings, dsn=database)
    assert (counts.rows, counts.quarantined) == (6, {"not_json": 2})
    repeated = repeated_values(settings, "user_id", dsn=database)
    assert [(r.value, r.rows) for r in repeated] == [("a", 3), ("b", 2)]


def test_a_quarantined_message_is_found_by_key_and_by_message_id_and_listed_by_reason(database: str) -> None:
    settings, refused = logins(), rejection(reason=Reason.TOO_DEEP)
    with open_sink(settings, database) as sink:
        sink.load([], [refused, rejection()])
    [by_key] = show_quarantine(settings, refused.key.hex(), dsn=database)
    [by_id] = show_quarantine(settings, refused.message_id, dsn=database)
    [by_reason] = list_quarantine(settings, dsn=database, reasons=[Reason.TOO_DEEP])
    assert by_key == by_id == by_reason
    assert by_key.message_id == refused.message_id
    assert show_quarantine(settings, "nothing of the kind", dsn=database) == []
