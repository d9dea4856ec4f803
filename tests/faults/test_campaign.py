"""A short campaign, and an oracle that notices what it is there to notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from faults.corpus import PLANTED, PLANTED_BYTES, Corpus, user_of
from faults.leaks import leaks_in, places_of_postgres
from faults.oracle import Sent, Violation, judge
from faults.plan import every_kind, make_plan
from faults.run import Order, Verdict, judge_stage, play, run_campaign
from faults.stage import Stage, build_stage

SHORT = Order(seed=20, messages=1_500, faults=20, visibility_seconds=3)


@pytest.mark.slow
def test_a_short_campaign_loses_doubles_and_leaks_nothing() -> None:
    verdict = run_campaign(SHORT)
    assert verdict.violations == [], SHORT.arguments
    assert verdict.faults.total() >= SHORT.faults / 2
    assert verdict.redelivered > 0


def test_the_same_seed_gives_the_same_plan_and_the_same_messages() -> None:
    plans = [make_plan(seed=7, messages=100_000, faults=600, workers=3) for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0] != make_plan(seed=8, messages=100_000, faults=600, workers=3)
    bodies = [[Corpus(7).message(number) for number in range(300)] for _ in range(2)]
    assert bodies[0] == bodies[1]


def test_a_plan_has_every_kind_before_it_has_one_a_second_time() -> None:
    kinds = every_kind()
    plan = make_plan(seed=1, messages=10_000, faults=len(kinds), workers=2)
    assert sorted((fault.family, fault.kind) for fault in plan.faults) == sorted(kinds)
    assert len(kinds) >= 12


def test_a_plan_goes_by_messages_and_leaves_the_last_ones_in_peace() -> None:
    plan = make_plan(seed=1, messages=10_000, faults=600, workers=2)
    moments = [fault.at for fault in plan.faults]
    assert moments == sorted(moments)
    assert moments[-1] < 9_000


@pytest.fixture(scope="module")
def quiet() -> Iterator[tuple[Stage, Sent]]:
    """A stage on which a campaign without faults is over, and whose oracle is content."""
    order = Order(seed=3, messages=300, faults=0, workers=1)
    with build_stage(workers=1) as stage:
        sent = Sent(Corpus(order.seed, bad_in_1000=60))
        plan = make_plan(seed=3, messages=300, faults=0, workers=1)
        assert play(order, plan, stage, sent, Verdict(order)) == []
        assert judge_stage(stage, sent) == []
        yield stage, sent


@contextmanager
def as_it_was(stage: Stage) -> Iterator[None]:
    """Three tables, put back when the test is over."""
    tables = {"user_logins": "kept_1", "sofetch.quarantine": "kept_2", "sofetch.ledger": "kept_3"}
    stage.database.execute(*(f"CREATE TABLE {copy} AS TABLE {table}" for table, copy in tables.items()))
    yield
    for table, copy in tables.items():
        stage.database.execute(f"TRUNCATE {table}", f"INSERT INTO {table} TABLE {copy}", f"DROP TABLE {copy}")


def good_user(sent: Sent) -> str:
    return next(user_of(number) for number in range(300) if sent.corpus.message(number).row is not None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("DELETE FROM user_logins WHERE user_id = '{user}'", {"lost"}),
        ("INSERT INTO user_logins SELECT * FROM user_logins WHERE user_id = '{user}'", {"doubled"}),
        ("UPDATE user_logins SET masked_ip = masked_device_id WHERE user_id = '{user}'", {"changed"}),
        ("UPDATE user_logins SET create_date = create_date - 1 WHERE user_id = '{user}'", {"wrong date"}),
        ("UPDATE user_logins SET user_id = 'nobody' WHERE user_id = '{user}'", {"lost", "strange"}),
        ("DELETE FROM sofetch.quarantine WHERE key = (SELECT min(key::text)::uuid FROM sofetch.quarantine)", {"lost"}),
        ("UPDATE sofetch.quarantine SET reason = 'too_deep'", {"in the wrong place"}),
        ("UPDATE sofetch.quarantine SET key = gen_random_uuid()", {"lost", "strange in quarantine"}),
        (
            "DELETE FROM sofetch.ledger WHERE key = (SELECT min(key::text)::uuid FROM sofetch.ledger)",
            {"not in the ledger"},
        ),
        ("INSERT INTO sofetch.ledger VALUES (gen_random_uuid(), 1)", {"strange in the ledger"}),
        ("INSERT INTO sofetch.ledger SELECT overlay(key::text placing '0000' from 1)::uuid, 1 FROM sofetch.ledger",
         {"twice in the ledger", "wrong date"}),
    ],
)  # fmt: skip
def test_the_oracle_notices(quiet: tuple[Stage, Sent], damage: str, expected: set[str]) -> None:
    stage, sent = quiet
    with as_it_was(stage):
        stage.database.execute(damage.format(user=good_user(sent)))
        assert {violation.what for violation in judge(sent, stage.database.dsn)} == expected


@pytest.mark.slow
def test_the_oracle_notices_what_is_left_in_the_queue(quiet: tuple[Stage, Sent]) -> None:
    stage, sent = quiet
    stage.queue.send(stage.client, ["{}"])
    assert judge_stage(stage, sent) == [Violation("left in the queue", 1, ())]
    stage.client.call("PurgeQueue", QueueUrl=stage.queue.url)


def inet(address: str) -> bytes:
    """As Postgres stores it, with its family and bits: four bytes alone are in some file by chance."""
    ip = ip_address(address)
    return bytes([2 if ip.version == 4 else 3, ip.max_prefixlen]) + ip.packed


@pytest.mark.slow
@pytest.mark.parametrize("value", ["'planted-17'", "'198.19.3.4'::inet", "'2001:db8:1ea4::9'::inet"])
def test_a_value_that_stood_in_a_table_for_a_moment_is_found(quiet: tuple[Stage, Sent], value: str) -> None:
    """Other values than the campaign's: what is written stays in the log that the other tests search, too."""
    stage, _ = quiet
    plain = value.split("'")[1]
    needles = [plain.encode()] if value.endswith("'") else [inet(plain)]
    places = places_of_postgres(stage.postgres_folder)[:-1]  # in the server's own log stands our statement
    assert leaks_in(places, [], needles) == []
    stage.database.execute(f"CREATE TABLE leaked AS SELECT {value} AS value", "DROP TABLE leaked")
    assert [violation.what for violation in leaks_in(places, [], needles)] == ["leaked"]


@pytest.mark.parametrize(
    "leaked",
    [b"x kanarie-17 x", b"KANARIE-17", b"ip=198.18.3.4", b"\x01" + PLANTED_BYTES + b"\x02", b"6b616e617269652d"],
)
@pytest.mark.parametrize("before", [0, (1 << 23) - 5])
def test_a_planted_value_in_a_file_is_found_wherever_it_stands(tmp_path: Path, leaked: bytes, before: int) -> None:
    (tmp_path / "some" / "where").mkdir(parents=True)
    file = tmp_path / "some" / "where" / "log"
    file.write_bytes(b"\0" * before + b"nothing")
    assert leaks_in([tmp_path], PLANTED, [PLANTED_BYTES]) == []
    file.write_bytes(b"\0" * before + leaked)
    assert leaks_in([tmp_path], PLANTED, [PLANTED_BYTES]) == [Violation("leaked", 1, (str(file),))]
