"""The job that sofetch is for, as a user runs it: real messages, redelivery, crashes, duplicates, poison."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import subprocess
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import sofetch
from keyrings import MASTER_KEY
from world import World, assert_each_exactly_once, end, made_up, users

EXAMPLES = (Path(sofetch.__file__).parent / "presets" / "logins.jsonl").read_bytes().splitlines()
LOGINS = [json.loads(line) for line in EXAMPLES if b"user_id" in line]


def recomputed_token(domain: str, canonical: bytes) -> str:
    """HKDF-SHA256 and HMAC written out from the RFCs, sharing no code with the program."""
    extracted = hmac.digest(bytes(32), MASTER_KEY, hashlib.sha256)
    key = hmac.digest(extracted, b"pii/v1\0h1\0" + domain.encode() + b"\x01", hashlib.sha256)
    return f"h1.k1.{hmac.digest(key, canonical, hashlib.sha256)[:20].hex()}"


def expected_row(login: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": login["user_id"],
        "device_type": login["device_type"],
        "masked_ip": recomputed_token("ip", b"\x04" + ip_address(login["ip"]).packed),
        "masked_device_id": recomputed_token("device_id", b"\x53" + login["device_id"].encode()),
        "locale": login["locale"],
        "app_version": login["app_version"],
    }


def test_the_real_messages_give_ten_rows_and_one_quarantined(world: World) -> None:
    world.send(EXAMPLES)
    summary = world.drain()
    assert (summary["received"], summary["loaded"], summary["quarantined"]) == (11, 10, 1)
    assert world.left_in_queue() == 0


def test_rows_hold_the_tokens_that_an_independent_recomputation_gives(world: World) -> None:
    world.send(EXAMPLES)
    world.drain()
    shown = json.loads(world.sofetch("show", "--json", "--limit", "50").stdout)
    rows = {row["user_id"]: row for row in shown["rows"]}
    assert len(shown["rows"]) == len(LOGINS) == 10
    for login in LOGINS:
        row = rows[login["user_id"]]
        assert {name: row[name] for name in expected_row(login)} == expected_row(login)
        assert row["create_date"] is not None
    assert rows["325c0f3d-da25-45ff-aff4-81816db069bc"]["app_version"] == "0.60"


def test_messages_delivered_again_are_not_loaded_again(world: World) -> None:
    world.send(EXAMPLES[1:])  # ten, as many as one receive brings: all are in the first batch
    world.crash("after_commit")
    assert world.count("user_logins") == 9
    assert world.left_in_queue() == 10
    world.drain_until_empty()
    assert world.count("user_logins") == 9
    assert world.count("sofetch.quarantine") == 1


@pytest.mark.parametrize("point", ["after_receive", "after_mask", "mid_write", "after_commit", "mid_delete"])
def test_killed_at_a_step_boundary_nothing_is_lost_or_doubled(world: World, point: str) -> None:
    world.send([made_up(number) for number in range(60)] + [b"not json"])
    world.crash(point, environ={"SOFETCH_BATCH_MAX_MESSAGES": "20"})
    world.drain_until_empty()
    assert_each_exactly_once(world, range(60))
    assert world.count("sofetch.quarantine") == 1


def test_a_retry_gives_the_same_row(world: World) -> None:
    world.send([made_up(1)])
    world.crash("mid_write")
    world.drain_until_empty()
    first = world.query("SELECT * FROM user_logins")
    assert first[0]["masked_ip"] == recomputed_token("ip", b"\x04" + bytes([10, 0, 0, 1]))


def test_a_poison_row_in_a_thousand_is_quarantined_and_the_rest_load(world: World) -> None:
    world.execute("ALTER TABLE user_logins ADD CONSTRAINT no_666 CHECK (user_id <> 'user-666')")
    world.send([made_up(number) for number in range(1_000)])
    summary = world.drain()
    assert (summary["loaded"], summary["quarantined"]) == (999, 1)
    assert summary["quarantined_by_reason"] == {"check_violation": 1}
    assert "user-666" not in users(world)


def test_duplicates_within_and_between_batches_load_once_with_dedupe_by_content(world: World) -> None:
    bodies = [made_up(number // 2 % 30) for number in range(120)]  # in pairs, so that a batch holds both
    world.send(bodies)
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text().replace('dedupe = "message"', 'dedupe = "content"'))
    summary = world.drain(environ={"SOFETCH_BATCH_MAX_MESSAGES": "25"})
    assert (summary["loaded"], summary["duplicates"]) == (30, 90)
    assert_each_exactly_once(world, range(30))


def test_two_workers_on_one_queue_load_each_message_once(world: World) -> None:
    world.send([made_up(number) for number in range(400)])
    workers = [world.start("run", "--drain", "--json") for _ in range(2)]
    for worker in workers:
        output, errors = worker.communicate(timeout=90)
        assert worker.returncode == 0, errors
        assert json.loads(output)["stopped_by"] == "drained"
    world.drain_until_empty()
    assert_each_exactly_once(world, range(400))


def wait_for_start(worker: subprocess.Popen[str]) -> None:
    assert worker.stderr is not None
    for line in worker.stderr:
        if json.loads(line)["event"] == "worker_started":
            return
    raise AssertionError("the worker ended before it started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_well(world: World, number: signal.Signals) -> None:
    world.send([made_up(n) for n in range(50)])
    worker = world.start("run", "--json")
    wait_for_start(worker)
    output, errors = end(worker, number)
    assert worker.returncode == 0, errors
    assert json.loads(output)["stopped_by"] == number.name
    world.drain_until_empty()
    assert_each_exactly_once(world, range(50))


def test_max_messages_ends_the_run_and_gives_the_rest_back(world: World) -> None:
    world.send([made_up(number) for number in range(50)])
    done = world.sofetch("run", "--max-messages", "20", "--json")
    assert json.loads(done.stdout)["received"] == 20
    assert world.count("user_logins") == 20
    assert world.left_in_queue() == 30
    world.drain_until_empty()
    assert_each_exactly_once(world, range(50))


def test_without_keys_nothing_starts_and_the_refusal_says_what_to_do(world: World) -> None:
    world.send(EXAMPLES)
    refused = world.sofetch("run", "--drain", environ={"SOFETCH_KEYRING": ""})
    assert refused.returncode == 4
    assert "sofetch keys new" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert world.left_in_queue() == 11


def test_another_key_under_the_same_name_is_refused_at_start(world: World) -> None:
    world.send(EXAMPLES[:1])
    world.drain()
    material = base64.b64encode(bytes(range(32, 64))).decode()
    other = {"keys": [{"kid": "k1", "material": material, "status": "primary"}]}
    refused = world.sofetch("run", "--drain", environ={"SOFETCH_KEYRING": json.dumps(other)})
    assert refused.returncode == 4, refused.stderr
    assert "not the one" in refused.stderr
