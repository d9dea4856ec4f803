"""Replaying the quarantine on a real Postgres: row in and entry out together, whoever else is at work."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from loading import SENT_MS, count, query, settings_for
from masking import K2, entry, ring_text
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError, KeyringError, SinkRefused
from sofetch.load.batch import Fault
from sofetch.load.postgres import PostgresSink
from sofetch.load.quarantine.entries import count_quarantine, purge_quarantine, read_sealed
from sofetch.load.quarantine.replay import QuarantineReplay
from sofetch.load.quarantine.selection import Selection
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker, parse_keyring, unseal
from sofetch.pipeline import SYSTEMATIC, Processed, Steps, process
from sofetch.record import Decoded, Duplicate, Expanded, Loaded, Message, Reason, Rejected
from sofetch.replay import Remaker, Replayed, replay
from sofetch.settings import Settings, UnwrapLayer, UnwrapSettings
from sofetch.testing import MemoryObjectStore
from sofetch.unwrapping import compile_unwrapper
from wrapping import s3_event, sns

RING = parse_keyring(ring_text())
ENVIRON = {"SOFETCH_KEYRING": ring_text()}
ALL = Selection()
COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "max_length": 128, "required": True},
    {"name": "masked_ip", "mask": "token", "kind": "ip", "from": "ip"},
    {"name": "locale", "max_length": 2},
    {"name": "sent", "type": "timestamp", "value": "sent_time"},
    {"name": "create_date", "type": "date", "value": "sent_date"},
    {"name": "message", "value": "message_id"},
    {"name": "queue", "value": "queue"},
]


def strict(**sink: Any) -> Settings:
    """A locale of two characters at most."""
    return settings_for(COLUMNS, table="logins", **sink)


def lax(**sink: Any) -> Settings:
    """The same after the fix: a longer one is right too."""
    return settings_for([column | {"max_length": 128} for column in COLUMNS], table="logins", **sink)


def message(number: int, *, locale: object = "de-DE", sent_ms: int = SENT_MS, **fields: object) -> Message:
    body = {"user_id": f"user-{number}", "ip": f"203.0.113.{number % 250}", "locale": locale} | fields
    return Message(
        id=str(uuid.UUID(int=number + 2**100 * (number + 1))),
        body=json.dumps(body).encode(),
        queue="q",
        sent_ms=sent_ms + number,
        received_ms=SENT_MS + 900_000,
    )


def delivered(settings: Settings, dsn: str, messages: Sequence[Message]) -> Processed:
    """What a worker makes of them."""
    sink = PostgresSink(settings, dsn=dsn)
    try:
        masker = compile_masker(settings, RING)
        sink.prepare(masker.fingerprints())
        return process(messages, Steps(compile_decoder(settings), masker, sink))
    finally:
        sink.close()


def replayed(settings: Settings, dsn: str, selection: Selection = ALL, **options: Any) -> Replayed:
    return replay(settings, selection, environ={**ENVIRON, "SOFETCH_SINK_DSN": dsn}, **options)


def rows(dsn: str) -> list[tuple[Any, ...]]:
    return query(dsn, "SELECT * FROM logins ORDER BY message")


@pytest.fixture
def dsn(database: str) -> str:
    apply_schema(lax(), dsn=database)  # the table itself takes the longer locale
    return database


def test_a_replayed_message_becomes_the_row_of_its_first_delivery(dsn: str) -> None:
    messages = [message(n, sent_ms=SENT_MS + 86_399_995) for n in range(12)]
    delivered(lax(), dsn, messages)
    as_delivered = rows(dsn)
    query(dsn, "TRUNCATE logins, sofetch.ledger")
    delivered(strict(), dsn, messages)
    assert (count(dsn, "logins"), count(dsn, "sofetch.quarantine")) == (0, 12)
    done = replayed(lax(), dsn)
    assert (done.loaded, done.remaining, count(dsn, "sofetch.quarantine")) == (12, 0, 0)
    assert rows(dsn) == as_delivered


def test_a_replayed_message_never_takes_the_place_of_a_newer_row(database: str) -> None:
    by_key: dict[str, Any] = {"write": "upsert", "key": ["user_id"]}
    apply_schema(lax(**by_key), dsn=database)
    delivered(strict(**by_key), database, [message(1)])
    delivered(strict(**by_key), database, [message(2, locale="fr", user_id="user-1")])
    done = replayed(lax(**by_key), database)
    assert (done.loaded, done.duplicates) == (0, 1)
    assert query(database, "SELECT user_id, locale FROM logins") == [("user-1", "fr")]
    assert count(database, "sofetch.quarantine") == 0


def test_a_replay_keeps_the_first_key_so_that_another_delivery_is_a_duplicate(dsn: str) -> None:
    messages = [message(n) for n in range(3)]
    delivered(strict(), dsn, messages)
    replayed(lax(), dsn)
    again = delivered(lax(), dsn, messages)
    assert all(isinstance(outcome, Duplicate) for outcome in again.outcomes)
    assert (count(dsn, "logins"), count(dsn, "sofetch.ledger")) == (3, 3)
    assert replayed(lax(), dsn).loaded == 0


def test_what_still_does_not_fit_stays_with_one_attempt_more_and_its_newest_reason(dsn: str) -> None:
    delivered(strict(), dsn, [message(1), message(2, locale=7), message(3, user_id=None)])
    query(dsn, "UPDATE sofetch.quarantine SET last_seen = last_seen - interval '1 day', reason = 'not_json'")
    done = replayed(lax(), dsn)
    assert (done.loaded, done.remaining) == (1, 2)
    kept = query(
        dsn, "SELECT reason, field, attempts, last_seen > first_seen - interval '1 min' FROM sofetch.quarantine"
    )
    assert sorted(kept) == [("missing_field", "user_id", 2, True), ("wrong_type", "locale", 2, True)]


def test_a_row_that_the_database_refuses_stays_and_its_neighbours_load(dsn: str) -> None:
    delivered(strict(), dsn, [message(n) for n in range(40)])
    query(dsn, "ALTER TABLE logins ADD CHECK (user_id NOT IN ('user-7', 'user-8', 'user-31'))")
    done = replayed(lax(), dsn)
    assert (done.loaded, done.remaining) == (37, 3)
    assert [fault.reason for fault in done.refused] == [Reason.CHECK_VIOLATION]
    assert set(query(dsn, "SELECT reason, attempts FROM sofetch.quarantine")) == {("check_violation", 2)}


def test_a_dry_run_says_the_same_and_changes_nothing(dsn: str) -> None:
    delivered(strict(), dsn, [message(1), message(2), message(3, locale=7)])
    before = query(dsn, "SELECT * FROM sofetch.quarantine ORDER BY key")
    done = replayed(lax(), dsn, dry_run=True)
    assert (done.loaded, done.remaining, sum(done.refused.values())) == (2, 3, 1)
    assert query(dsn, "SELECT * FROM sofetch.quarantine ORDER BY key") == before
    assert count(dsn, "logins") == 0


def test_small_batches_limits_and_selections_take_what_they_name(dsn: str) -> None:
    delivered(strict(), dsn, [message(n) for n in range(9)] + [message(9, locale=7)])
    small = msgspec.structs.replace(lax(), batch=msgspec.structs.replace(lax().batch, max_messages=2))
    told: list[int] = []
    assert replayed(small, dsn, limit=5, told=told.append).loaded == 5
    assert told == [2, 4, 5]
    assert replayed(lax(), dsn, Selection(reasons=[Reason.WRONG_TYPE])).refused
    assert replayed(lax(), dsn, Selection(names=[message(8).id, "nothing"])).loaded == 1
    key = query(dsn, "SELECT key FROM sofetch.quarantine WHERE reason = 'too_long' LIMIT 1")[0][0]
    assert replayed(lax(), dsn, Selection(names=[key.hex])).loaded == 1
    few_bytes = msgspec.structs.replace(lax(), batch=msgspec.structs.replace(lax().batch, max_batch_bytes=1_024))
    assert replayed(few_bytes, dsn).loaded == 2


def test_replays_at_the_same_time_load_each_message_once(dsn: str) -> None:
    delivered(strict(), dsn, [message(n) for n in range(200)])
    small = msgspec.structs.replace(lax(), batch=msgspec.structs.replace(lax().batch, max_messages=7))
    together = threading.Barrier(3)

    def one(_: int) -> int:
        together.wait()
        return replayed(small, dsn).loaded

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(one, range(3))) == 200
    assert (count(dsn, "logins"), count(dsn, "sofetch.quarantine")) == (200, 0)
    assert query(dsn, "SELECT count(DISTINCT message) FROM logins") == [(200,)]


@pytest.mark.parametrize("dedupe", ["message", "content", ["user_id"]])
def test_a_worker_with_the_same_messages_and_a_replay_load_each_once(dsn: str, dedupe: Any) -> None:
    messages = [message(n) for n in range(60)]
    delivered(strict(dedupe=dedupe), dsn, messages)
    after = lax(dedupe=dedupe)
    small = msgspec.structs.replace(after, batch=msgspec.structs.replace(after.batch, max_messages=7))
    together = threading.Barrier(2)

    def work() -> int:
        together.wait()
        outcomes = [
            one for start in range(0, 60, 6) for one in delivered(after, dsn, messages[start : start + 6]).outcomes
        ]
        return sum(isinstance(outcome, Loaded) for outcome in outcomes)

    def play() -> int:
        together.wait()
        return replayed(small, dsn).loaded

    with ThreadPoolExecutor(2) as pool:
        assert sum(future.result() for future in (pool.submit(work), pool.submit(play))) == 60
    assert query(dsn, "SELECT count(*), count(DISTINCT user_id) FROM logins") == [(60, 60)]
    assert count(dsn, "sofetch.quarantine") == 0


def test_a_worker_that_meets_a_held_message_waits_and_finds_a_duplicate(dsn: str) -> None:
    """The worker still has the old configuration: it would count an attempt, while the replay takes the entry away."""
    delivered(strict(), dsn, [message(1)])
    masker = compile_masker(lax(), RING)
    remake = Remaker(lax(), masker=masker, keyring=RING, vault=None)
    with ThreadPoolExecutor(1) as pool, QuarantineReplay(lax(), dsn=dsn) as quarantine:
        waiting: list[Any] = []

        def meanwhile(held: Any) -> Any:
            waiting.append(pool.submit(delivered, strict(), dsn, [message(1)]))
            waits = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            assert any(query(dsn, waits) != [(0,)] for _ in range(2_000))
            return remake(held)

        assert [batch.loaded for batch in quarantine.run(ALL, meanwhile)] == [1]
        assert waiting[0].result().outcomes == [Duplicate(message(1).id)]
    assert (count(dsn, "logins"), count(dsn, "sofetch.quarantine")) == (1, 0)


def test_what_is_the_same_by_its_fields_as_a_row_leaves_the_quarantine_without_another_row(dsn: str) -> None:
    delivered(strict(dedupe=["user_id"]), dsn, [message(1), message(2), message(3, user_id="user-2")])
    delivered(lax(dedupe=["user_id"]), dsn, [message(4, user_id="user-1", locale="de")])
    done = replayed(lax(dedupe=["user_id"]), dsn)
    assert (done.loaded, done.duplicates, done.remaining) == (1, 2, 0)
    assert query(dsn, "SELECT count(*), count(DISTINCT user_id) FROM logins") == [(2, 2)]


def test_a_refused_row_leaves_no_key_of_its_fields_behind(dsn: str) -> None:
    delivered(strict(dedupe=["user_id"]), dsn, [message(1), message(2)])
    query(dsn, "ALTER TABLE logins ADD CONSTRAINT no CHECK (user_id <> 'user-1')")
    assert replayed(lax(dedupe=["user_id"]), dsn).loaded == 1
    query(dsn, "ALTER TABLE logins DROP CONSTRAINT no")
    assert replayed(lax(dedupe=["user_id"]), dsn).loaded == 1


def test_a_body_that_does_not_open_stays_untouched_and_its_neighbours_load(dsn: str) -> None:
    delivered(strict(), dsn, [message(1), message(2)])
    query(
        dsn, "UPDATE sofetch.quarantine SET sealed_body = sealed_body || '\\x00' WHERE message_id = %s", message(1).id
    )
    done = replayed(lax(), dsn)
    assert (done.loaded, dict(done.unopened), done.remaining) == (1, {"k1": 1}, 1)
    assert query(dsn, "SELECT attempts, reason FROM sofetch.quarantine") == [(1, "too_long")]


def test_another_key_under_the_old_name_is_refused(dsn: str) -> None:
    delivered(strict(), dsn, [message(1)])
    other = {"SOFETCH_KEYRING": ring_text(entry(material=K2))}
    with pytest.raises(KeyringError):
        replay(lax(), ALL, environ={**other, "SOFETCH_SINK_DSN": dsn})
    assert (count(dsn, "logins"), count(dsn, "sofetch.quarantine")) == (0, 1)


def test_a_message_on_which_the_program_breaks_stays_and_its_neighbours_load(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(strict(), dsn, [message(n) for n in range(5)])
    decode = compile_decoder(lax())

    def breaks(messages: Sequence[Message]) -> Decoded:
        if any(b"user-3" in one.body for one in messages):
            raise ZeroDivisionError
        return decode(messages)

    monkeypatch.setattr("sofetch.replay.compile_decoder", lambda _: breaks)
    done = replayed(lax(), dsn)
    assert (done.loaded, done.remaining) == (4, 1)
    assert query(dsn, "SELECT reason, attempts FROM sofetch.quarantine") == [("unexpected_error", 2)]


def test_where_the_program_breaks_on_every_message_all_stay_however_many_they_are(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker stops there; here nothing comes anew, and what stays can be replayed once more."""
    delivered(strict(), dsn, [message(n) for n in range(2 * SYSTEMATIC)])

    def breaks(messages: Sequence[Message]) -> Decoded:
        if messages:
            raise ZeroDivisionError
        return Decoded([], [])

    monkeypatch.setattr("sofetch.replay.compile_decoder", lambda _: breaks)
    done = replayed(lax(), dsn)
    assert (done.loaded, done.remaining) == (0, 2 * SYSTEMATIC)
    assert query(dsn, "SELECT DISTINCT reason FROM sofetch.quarantine") == [("unexpected_error",)]


@pytest.mark.parametrize("value", ["attribute:tenant", "group_id"])
def test_a_column_that_quarantine_cannot_fill_stops_the_replay(dsn: str, value: str) -> None:
    columns = [*COLUMNS, {"name": "extra", "value": value}]
    with pytest.raises(ConfigError, match="extra"):
        replayed(settings_for(columns, table="logins"), dsn)


def in_envelope(settings: Settings, *layers: UnwrapLayer) -> Settings:
    return msgspec.structs.replace(settings, unwrap=UnwrapSettings(layers=list(layers), s3_buckets=["logs"]))


def delivered_in_envelopes(
    settings: Settings, dsn: str, messages: Sequence[Message], store: MemoryObjectStore | None = None
) -> Processed:
    sink = PostgresSink(settings, dsn=dsn)
    try:
        masker = compile_masker(settings, RING)
        sink.prepare(masker.fingerprints())
        unwrap = compile_unwrapper(settings, open_store=lambda _settings: store or MemoryObjectStore())
        return process(messages, Steps(compile_decoder(settings), masker, sink, unwrap=unwrap))
    finally:
        sink.close()


def test_a_message_in_an_envelope_is_replayed_out_of_it(dsn: str) -> None:
    settings = in_envelope(strict(), "sns")
    plain = message(1)
    wrapped = msgspec.structs.replace(plain, body=sns(plain.body.decode()))
    outcomes = delivered_in_envelopes(settings, dsn, [wrapped, message(2)]).outcomes
    assert {type(outcome) for outcome in outcomes} == {Rejected}
    done = replayed(in_envelope(lax(), "sns"), dsn)
    assert (done.loaded, dict(done.refused)) == (1, {Fault(Reason.NOT_AN_ENVELOPE): 1})
    assert [row[0] for row in rows(dsn)] == ["user-1"]
    again = delivered_in_envelopes(in_envelope(lax(), "sns"), dsn, [wrapped]).outcomes
    assert again == [Duplicate(wrapped.id)]
    mended = replayed(lax(), dsn)  # the other was no envelope: it fits where none is expected
    assert (mended.loaded, mended.remaining) == (1, 0)


@pytest.mark.parametrize("layers", [("s3_objects",), ("sns", "s3_objects")])
def test_a_line_of_an_object_is_replayed_and_its_event_is_not(dsn: str, layers: tuple[UnwrapLayer, ...]) -> None:
    """A line stands by itself: what was round the event that named it is not round the line."""
    settings, store = in_envelope(strict(), *layers), MemoryObjectStore()
    store.put("logs", "a", b"\n".join([message(1).body, message(2, locale="de").body]), stored_ms=SENT_MS)
    named = s3_event(("logs", "a"), ("logs", "gone"))
    event = msgspec.structs.replace(message(3), body=sns(named.decode()) if "sns" in layers else named)
    [outcome] = delivered_in_envelopes(settings, dsn, [event], store).outcomes
    assert isinstance(outcome, Expanded)
    assert (outcome.loaded, sum(outcome.quarantined.values())) == (1, 2)
    done = replayed(in_envelope(lax(), *layers), dsn)
    assert (done.loaded, dict(done.refused), done.remaining) == (1, {Fault(Reason.OBJECT_MISSING): 1}, 1)
    assert sorted(row[0] for row in rows(dsn)) == ["user-1", "user-2"]
    [again] = delivered_in_envelopes(in_envelope(lax(), *layers), dsn, [event], store).outcomes
    assert isinstance(again, Expanded)
    assert (again.loaded, again.duplicates) == (0, 2)
    assert len(rows(dsn)) == 2


def test_a_column_of_an_envelopes_attribute_does_not_stop_the_replay(dsn: str) -> None:
    columns = [*COLUMNS, {"name": "shop", "value": "attribute:shop"}]
    settings = in_envelope(settings_for(columns, table="logins"), "sns")
    apply_schema(settings, dsn=dsn)
    plain = message(1)
    body = sns(plain.body.decode(), attributes={"shop": ("String", "berlin")})
    delivered_in_envelopes(settings, dsn, [msgspec.structs.replace(plain, body=body)])
    mended = [column | ({"max_length": 128} if column["name"] == "locale" else {}) for column in columns]
    assert replayed(in_envelope(settings_for(mended, table="logins"), "sns"), dsn).loaded == 1
    assert query(dsn, "SELECT shop FROM logins") == [("berlin",)]


def test_a_table_that_is_gone_is_told_and_nothing_is_lost(dsn: str) -> None:
    delivered(strict(), dsn, [message(1)])
    query(dsn, "ALTER TABLE logins RENAME TO moved")
    with pytest.raises(SinkRefused):
        replayed(lax(), dsn)
    assert count(dsn, "sofetch.quarantine") == 1


def test_a_pipeline_that_never_ran_has_nothing_to_replay_or_purge(dsn: str) -> None:
    assert replayed(lax(), dsn) == Replayed(loaded=0, duplicates=0, refused={}, unopened={}, remaining=0, dry_run=False)
    assert purge_quarantine(lax(), ALL, dsn=dsn) == 0


def test_purging_takes_what_is_past_its_day_and_keeps_the_keys(dsn: str) -> None:
    delivered(strict(), dsn, [message(n) for n in range(5)])
    query(dsn, "UPDATE sofetch.quarantine SET expires_at = now() WHERE message_id = %s", message(1).id)
    expired = Selection(expired=True)
    assert count_quarantine(lax(), ALL, dsn=dsn).unexpired == 4
    assert (purge_quarantine(lax(), expired, dsn=dsn), purge_quarantine(lax(), expired, dsn=dsn)) == (1, 0)
    assert (count(dsn, "sofetch.quarantine"), count(dsn, "sofetch.ledger")) == (4, 5)
    assert delivered(lax(), dsn, [message(1)]).outcomes == [Duplicate(message(1).id)]
    assert purge_quarantine(lax(), Selection(names=[message(2).id]), dsn=dsn) == 1
    assert purge_quarantine(lax(), Selection(reasons=[Reason.NOT_JSON]), dsn=dsn) == 0


def test_what_is_read_for_an_export_is_sealed_and_opens_with_the_keyring(dsn: str) -> None:
    outcomes = delivered(strict(), dsn, [message(n) for n in range(60)]).outcomes
    assert all(isinstance(outcome, Rejected) for outcome in outcomes)
    found = list(read_sealed(strict(), ALL, dsn=dsn))
    assert len(found) == 60
    bodies = {
        unseal(one.sealed_body, key=one.entry.key.bytes, kid=one.entry.kid, pipeline="logins", keyring=RING)
        for one in found
    }
    assert bodies == {message(n).body for n in range(60)}
