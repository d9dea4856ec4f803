"""Rotating the keys of a running system: joins hold when it ends, whatever is killed meanwhile."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from keyrings import KEYRING, MASTER_KEY
from patience import turns
from world import World, end

SECOND_KEY = bytes(range(32, 64))
BOTH = json.dumps(
    {
        "keys": [
            {"kid": "k1", "material": base64.b64encode(MASTER_KEY).decode(), "status": "active"},
            {"kid": "k2", "material": base64.b64encode(SECOND_KEY).decode(), "status": "primary"},
        ]
    }
)
CANARY = "canary-device"
DEVICES = 40


def made_up(number: int) -> bytes:
    """The device of a login follows from the user's number, so that each row says what its token must be of."""
    return json.dumps(
        {
            "user_id": f"user-{number}",
            "app_version": "1.2.3",
            "device_type": "ios",
            "ip": f"10.9.8.{number % 50}",
            "locale": None,
            "device_id": f"{CANARY}-{number % DEVICES}",
        }
    ).encode()


def chained_token(domain: str, canonical: bytes) -> str:
    """Both steps written out from the RFCs and the scheme, sharing no code with the program."""

    def key(master: bytes) -> bytes:
        extracted = hmac.digest(bytes(32), master, hashlib.sha256)
        return hmac.digest(extracted, b"pii/v1\0h1\0" + domain.encode() + b"\x01", hashlib.sha256)

    first = hmac.digest(key(MASTER_KEY), canonical, hashlib.sha256)[:20]
    return f"h1.k2.{hmac.digest(key(SECOND_KEY), b'T' + first, hashlib.sha256)[:20].hex()}"


def assert_equal_inputs_join(world: World, numbers: range) -> None:
    """Each message has one row, and its tokens are those of its value under both keys: so equal ones join."""
    found = world.query("SELECT user_id, masked_ip, masked_device_id FROM user_logins")
    assert sorted(row["user_id"] for row in found) == sorted(f"user-{number}" for number in numbers)
    of_device: dict[int, set[str]] = defaultdict(set)
    for row in found:
        number = int(row["user_id"].removeprefix("user-"))
        of_device[number % DEVICES].add(row["masked_device_id"])
        assert row["masked_ip"] == chained_token("ip", b"\x04" + bytes([10, 9, 8, number % 50]))
    for device, tokens in of_device.items():
        assert tokens == {chained_token("device_id", f"\x53{CANARY}-{device}".encode())}


def rotate(world: World, *options: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    done = world.sofetch("rotate", "--json", *options, environ={"SOFETCH_KEYRING": BOTH} | (environ or {}))
    assert done.returncode in {0, 5}, done.stderr
    [table] = json.loads(done.stdout)["tables"]
    rotated: dict[str, Any] = table
    return rotated


def wait_for_rows(world: World, at_least: int) -> None:
    """Until the workers have loaded so many; there is nothing in this process to wait for instead."""
    assert any(world.count("user_logins") >= at_least for _ in turns()), "the workers load nothing"


def assert_nothing_in_the_clear(world: World, *logs: str) -> None:
    for text in [*world.outputs, *logs]:
        assert CANARY not in text
        assert base64.b64encode(SECOND_KEY).decode() not in text


@pytest.mark.slow
def test_rotating_in_the_middle_of_a_load_by_two_workers_keeps_every_join(world: World, postgres_log: Path) -> None:
    # So short a batch that the load outlasts the rotation.
    small = {"SOFETCH_BATCH_MAX_MESSAGES": "10"}
    world.send([made_up(number) for number in range(600)])
    old, restarted = (world.start("run", environ=small) for _ in range(2))
    wait_for_rows(world, 50)
    logs = list(end(restarted))
    new = world.start("run", environ=small | {"SOFETCH_KEYRING": BOTH})
    try:
        during = rotate(world, "--batch-rows", "50")
        world.send([made_up(number) for number in range(600, 1_000)])
        wait_for_rows(world, 1_000)
    finally:
        logs += [*end(old), *end(new)]
    assert (old.returncode, new.returncode) == (0, 0), logs
    kids = world.query("SELECT DISTINCT split_part(masked_ip, '.', 2) AS kid FROM user_logins ORDER BY kid")
    assert "k2" in [row["kid"] for row in kids]
    after = rotate(world)
    assert during["rows"] > 0
    assert after["complete"]
    assert_equal_inputs_join(world, range(1_000))
    assert_nothing_in_the_clear(world, *logs, postgres_log.read_text(errors="replace"))


@pytest.mark.slow
def test_rotation_killed_again_and_again_ends_all_the_same(world: World) -> None:
    world.send([made_up(number) for number in range(400)])
    world.drain(environ={"SOFETCH_KEYRING": KEYRING})
    rows_of_kill = []
    for nth in (1, 2):
        killed = world.sofetch(
            "rotate", "--batch-rows", "60", environ={"SOFETCH_KEYRING": BOTH, "SOFETCH_CRASH_AT": f"mid_rotation:{nth}"}
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        rows_of_kill.append(world.query("SELECT count(*) AS n FROM user_logins WHERE masked_ip LIKE 'h1.k2.%'")[0]["n"])
    assert 0 < rows_of_kill[0] < rows_of_kill[1] < 400
    done = rotate(world)
    assert done["resumed"]
    assert done["rows"] == 400 - rows_of_kill[1]
    assert done["complete"]
    assert_equal_inputs_join(world, range(400))
    assert_nothing_in_the_clear(world)


@pytest.mark.slow
def test_a_message_delivered_again_after_a_rotation_is_not_loaded_again(world: World) -> None:
    """With keys of content: they are made with the oldest key, which a rotation leaves in its place."""
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text().replace('dedupe = "message"', 'dedupe = "content"'))
    bodies = [made_up(number) for number in range(30)]
    world.send(bodies)
    world.drain()
    world.send(bodies)
    assert world.drain(environ={"SOFETCH_KEYRING": BOTH})["duplicates"] == 30
    rotate(world)
    assert_equal_inputs_join(world, range(30))


@pytest.mark.slow
def test_the_whole_way_by_the_commands(world: World) -> None:
    """A key added, the table upgraded, the old key still needed; and what check says on the way."""
    ring = world.folder / "ring.json"
    ring.write_text(KEYRING)
    ring.chmod(0o600)
    environ = {"SOFETCH_KEYRING": "", "SOFETCH_KEYRING_FILE": str(ring)}
    world.send([made_up(number) for number in range(20)])
    world.drain(environ=environ)
    assert world.sofetch("keys", "rotate", environ=environ).returncode == 0
    mixed = json.loads(world.sofetch("check", "--json", environ=environ).stdout)
    assert "kids_mixed" in [finding["code"] for finding in mixed["findings"]]
    planned = json.loads(world.sofetch("rotate", "--dry-run", "--json", environ=environ).stdout)
    assert planned["tables"][0]["left"][0]["rows"] == 20
    for arguments in (("keys", "retire", "k1"), ("keys", "destroy", "k1")):
        refused = world.sofetch(*arguments, environ=environ)
        assert refused.returncode == 4
        assert "has 20 rows under it" in refused.stderr
    assert world.sofetch("rotate", environ=environ).returncode == 0
    clean = json.loads(world.sofetch("check", "--json", environ=environ).stdout)
    assert "kids_mixed" not in [finding["code"] for finding in clean["findings"]]
    refused = world.sofetch("keys", "retire", "k1", environ=environ)
    assert "a step of the tokens' chain" in refused.stderr
    assert "rows under it" not in refused.stderr
    assert_nothing_in_the_clear(world)


def test_workers_run_with_a_ring_of_which_a_key_was_destroyed_by_the_book(world: World) -> None:
    """With one process, and as one of several."""
    spent = {"kid": "k0", "status": "destroyed"}
    ring = {"SOFETCH_KEYRING": json.dumps({"keys": [spent, *json.loads(KEYRING)["keys"]]})}
    world.send([made_up(1)])
    assert world.drain(environ=ring)["loaded"] == 1
    world.send([made_up(2)])
    done = world.sofetch("run", "--drain", "--processes", "2", "--json", environ=ring)
    assert (done.returncode, json.loads(done.stdout)["loaded"]) == (0, 1), done.stderr
