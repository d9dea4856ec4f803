"""What the console may ask of a real Postgres, as which role; and that a request is carried out, audited, once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from loading import LOGINS, SENT_MS, count, login, logins, new_key, open_sink, query, rejection, row, settings_for
from masking import ring, ring_text
from sofetch import errands as errands_module
from sofetch.app import Pipeline
from sofetch.console.data import Data
from sofetch.decode import compile_decoder
from sofetch.errands import BUSY_LOOK_SECONDS, CarriedOut, Errands, carry_out_next
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.events import Event, Events
from sofetch.governance.request import Purpose
from sofetch.load.console.activity import ActivityReader
from sofetch.load.setup.roles import sink_roles
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker
from sofetch.pipeline import Steps, process
from sofetch.record import Message
from sofetch.settings import QuarantineSettings, SourceSettings
from sofetch.testing import FakeClock
from vaulting import login_role

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

SETTINGS = logins()
STRICT = settings_for([LOGINS[0] | {"max_length": 2}, *LOGINS[1:]], table="user_logins")
"""A user of two characters at most: who is longer fits again with SETTINGS."""

BY = Purpose(actor="ana", purpose="cleanup", ticket="OPS-4")
PLAIN = "192.0.2.77"


@pytest.fixture
def roles(database: str) -> Iterator[str]:
    """A database with four rows (one loaded by something else, in the clear), one rejection, and the roles."""
    with open_sink(SETTINGS, database) as sink:
        sink.load([login("a"), login("b"), login("c"), row("d", PLAIN, None, None)], [rejection()])
    query(database, "INSERT INTO user_logins (user_id, masked_ip) VALUES ('e', %s)", PLAIN)
    prefix = f"{conninfo_to_dict(database)['dbname']}_"
    sink_roles(SETTINGS, dsn=database, prefix=prefix, apply=True)
    yield prefix
    for role in ("loader", "analyst", "auditor", "console", "console_asker"):
        query(database, f"DROP OWNED BY {prefix}{role}")
        query(database, f"DROP ROLE {prefix}{role}")


def refused(dsn: str, *users: str) -> dict[str, UUID]:
    """A message of each user, in quarantine for want of room; each one's key."""
    apply_schema(SETTINGS, dsn=dsn)
    messages = [
        Message(id=user[:9], body=json.dumps({"user_id": user}).encode(), queue="q", sent_ms=SENT_MS, received_ms=0)
        for user in users
    ]
    masker = compile_masker(STRICT, ring())
    with open_sink(STRICT, dsn, schema=False) as sink:
        sink.prepare(masker.fingerprints())
        process(messages, Steps(compile_decoder(STRICT), masker, sink))
    return dict(query(dsn, "SELECT message_id, key FROM sofetch.quarantine"))


def test_its_role_reads_every_page_and_no_body_and_its_asker_only_asks(database: str, roles: str) -> None:
    with (
        login_role(database, "looks", f"{roles}console") as reads,
        login_role(database, "asks", f"{roles}console_asker") as asks,
    ):
        data = Data(SETTINGS, file=None, dsn=reads, write_dsn=asks)
        assert data.powers() == []
        [entry] = data.quarantine().entries
        assert data.quarantine(reason="not_json").reasons[0].entries == 1
        found = data.repeats("masked_ip")
        assert [(one.rows, sum(one.days)) for one in found.tokens] == [(3, 3)]  # and not the address in the clear
        assert data.find_token(str(found.tokens[0].token)) == {"masked_ip": 3}
        assert data.find_token(PLAIN) == {}
        assert data.privacy().rows == 5
        activity = ActivityReader(SETTINGS, dsn=reads)
        assert activity.read().sessions == 0
        activity.close()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(reads, "SELECT sealed_body FROM sofetch.quarantine")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(reads, "DELETE FROM sofetch.quarantine")
        assert data.ask("purge", [entry.key], BY) == 1
        for forbidden in ("SELECT key FROM sofetch.quarantine", "DELETE FROM sofetch.quarantine_request"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                query(asks, forbidden)
        [asked] = data.quarantine().asked
        assert (asked.action, asked.entries, asked.actor, asked.done_at) == ("purge", 1, "ana", None)


def test_a_role_that_may_more_is_told_and_still_cannot_write(database: str, roles: str) -> None:
    data = Data(SETTINGS, file=None, dsn=database, write_dsn=None)
    assert "sofetch.quarantine: DELETE" in data.powers()


def test_a_purge_that_was_asked_for_is_carried_out_once_and_audited(database: str, roles: str, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    keyring.write_text(ring_text())
    keyring.chmod(0o600)
    environ = {"SOFETCH_SINK_DSN": database, "SOFETCH_KEYRING_FILE": str(keyring)}
    data = Data(SETTINGS, file=None, dsn=database, write_dsn=database)
    data.ask("purge", [entry.key for entry in data.quarantine().entries], BY)
    told: list[Event] = []
    errands = Errands(
        lambda: carry_out_next(SETTINGS, environ=environ), clock=(clock := FakeClock()), events=Events(told.append)
    )
    for _ in range(3):
        errands()
        clock.advance(60)
    assert [type(event).__name__ for event in told] == ["RequestDone"]
    assert count(database, "sofetch.quarantine") == 0
    assert query(database, "SELECT actor, action, ticket FROM sofetch.audit") == [("ana", "purge_quarantine", "OPS-4")]
    [asked] = data.quarantine().asked
    assert (asked.outcome, asked.done) == ("done", 1)


def test_a_replay_that_was_asked_for_loads_what_fits_by_now_and_says_why_the_rest_stays(database: str) -> None:
    keys = refused(database, "ana", "x" * 200, "sealed")
    query(database, "UPDATE sofetch.quarantine SET sealed_body = sealed_body || '\\x00' WHERE message_id = 'sealed'")
    environ = {"SOFETCH_SINK_DSN": database, "SOFETCH_KEYRING": ring_text()}
    data = Data(SETTINGS, file=None, dsn=database, write_dsn=database)
    data.ask("replay", [keys["ana"]], BY)
    data.ask("replay", list(keys.values()), BY)
    carried = [carry_out_next(SETTINGS, environ=environ) for _ in range(3)]
    stayed = "stayed: too_long 1, not opened 1"
    assert carried == [
        CarriedOut(id=1, action="replay", messages=1, done=1, outcome="done"),
        CarriedOut(id=2, action="replay", messages=3, done=0, outcome=stayed),
        None,
    ]
    assert query(database, "SELECT user_id FROM user_logins") == [("ana",)]
    assert {entry.message_id for entry in data.quarantine().entries} == {"x" * 9, "sealed"}
    assert [(one.outcome, one.done) for one in data.quarantine().asked] == [(stayed, 0), ("done", 1)]


def test_a_worker_that_never_rests_carries_out_what_is_asked_for_between_two_batches(
    database: str, queue_endpoint: str, queue_name: str, sqs_client: SQSClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = refused(database, "ana")
    Data(SETTINGS, file=None, dsn=database, write_dsn=database).ask("replay", [keys["ana"]], BY)
    url = sqs_client.get_queue_url(QueueName=queue_name)["QueueUrl"]
    sqs_client.send_message(QueueUrl=url, MessageBody='{"user_id": "bo"}')
    monkeypatch.setattr(errands_module, "BUSY_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(Pipeline, "_rest", lambda _: None)
    settings = msgspec.structs.replace(
        SETTINGS,
        source=SourceSettings(queue=queue_name, endpoint=queue_endpoint, wait_seconds=1),
        quarantine=QuarantineSettings(carry_out_requests=True),
    )
    environ = {"SOFETCH_SINK_DSN": database, "SOFETCH_KEYRING": ring_text()}
    with Pipeline.open(settings, environ=environ) as pipeline:
        assert pipeline.run(max_messages=1).loaded == 1
    assert sorted(query(database, "SELECT user_id FROM user_logins")) == [("ana",), ("bo",)]


def test_a_worker_that_is_never_idle_looks_for_requests_too_and_an_idle_one_more_often() -> None:
    looked: list[float] = []
    errands = Errands(lambda: looked.append(clock.monotonic()), clock=(clock := FakeClock()), events=Events())
    start = clock.monotonic()
    for _ in range(70):
        clock.advance(1)
        errands.meanwhile()
    assert [second - start for second in looked] == [BUSY_LOOK_SECONDS, 2 * BUSY_LOOK_SECONDS]
    errands()
    errands.meanwhile()
    assert len(looked) == 3


def test_a_request_that_fails_for_good_ends_with_its_code_and_one_that_may_pass_stays(
    database: str, roles: str
) -> None:
    data = Data(SETTINGS, file=None, dsn=database, write_dsn=database)
    data.ask("replay", [UUID(bytes=new_key())], BY)
    carried = carry_out_next(SETTINGS, environ={"SOFETCH_SINK_DSN": database})  # no keyring is there
    assert carried is not None
    assert carried.outcome == "keyring"
    with pytest.raises((SinkUnavailable, SinkRefused)):
        carry_out_next(SETTINGS, environ={"SOFETCH_SINK_DSN": f"host={os.devnull} dbname=none"})
