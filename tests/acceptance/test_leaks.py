"""Planted personal values are looked for everywhere the program could have put them, failures included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from canaries import all_tables, canaries_in
from world import World, end

# Values that occur nowhere else. An address is parsed and masked as such; its bytes count as the value, too.
CANARY_IP = "203.0.113.77"
CANARY_IP6 = "2001:db8:dead:beef::77"
CANARIES = ["kanarie-device-4711", "kanarie-extra-4712", "kanarie-key-4713", "kanarie-poison-4714", "kanarie-kind-4715"]
PERSONAL = [CANARY_IP, CANARY_IP6, *CANARIES]


def login(**changes: object) -> bytes:
    whole = {
        "user_id": "u1",
        "app_version": "1.0",
        "device_type": "ios",
        "ip": CANARY_IP,
        "locale": "NL",
        "device_id": "kanarie-device-4711",
        "unnamed_field": "kanarie-extra-4712",
        "kanarie-key-4713": 1,
    }
    return json.dumps(whole | changes).encode()


BODIES = [
    login(),
    login(ip=CANARY_IP6),
    login(ip="kanarie-kind-4715"),
    login(ip={"nested": CANARY_IP}),
    login(ip=[CANARY_IP]),
    login(device_id=None, user_id=None),
    login(user_id="x" * 129, locale="kanarie-poison-4714"),
    login(device_type=4711, locale="kanarie-poison-4714"),
    login(locale="kanarie-poison-4714\0"),
    login(user_id="poison"),
    login()[:-20],
    b'{"kanarie-key-4713": "' + CANARY_IP.encode(),
    b'["kanarie-device-4711", "203.0.113.77"]',
    b'"kanarie-device-4711"',
    b"kanarie-device-4711 203.0.113.77",
]
ROWS, REJECTED = 3, 12


def found_in(haystack: bytes) -> list[str]:
    return canaries_in(haystack, PERSONAL)


def everything(world: World, postgres_log: Path, start: int) -> dict[str, bytes]:
    """All places; of the log, which all tests share, what was written after its first ``start`` bytes."""
    statements = world.query("SELECT query, application_name FROM pg_stat_activity")
    return {
        "standard output and error": "\n".join(world.outputs).encode(),
        "tables": all_tables(world),
        "Postgres' own log": postgres_log.read_bytes()[start:],
        "pg_stat_activity": json.dumps(statements).encode(),
    }


@pytest.fixture
def planted(world: World) -> World:
    world.environ |= {"SOFETCH_LOG_LEVEL": "debug"}
    world.execute("ALTER TABLE user_logins ADD CONSTRAINT no_poison CHECK (user_id <> 'poison')")
    world.send(BODIES)
    return world


def test_no_personal_value_is_found_after_loading_and_rejecting(planted: World, postgres_log: Path) -> None:
    start = postgres_log.stat().st_size
    summary = planted.drain()
    assert (summary["loaded"], summary["quarantined"]) == (ROWS, REJECTED)
    for place, content in everything(planted, postgres_log, start).items():
        assert found_in(content) == [], place


def test_no_personal_value_is_found_after_every_command_and_failure(planted: World, postgres_log: Path) -> None:
    start = postgres_log.stat().st_size
    planted.sofetch("peek", "--json")
    planted.sofetch("peek", "-n", "5")
    assert planted.sofetch("schema", "diff", "--queue").returncode == 5
    for point in ("after_receive", "mid_write", "after_commit"):
        planted.send(BODIES)
        planted.crash(point)
    planted.execute("ALTER TABLE user_logins RENAME TO gone")
    assert planted.sofetch("run", "--drain").returncode not in {0, 1}
    planted.execute("ALTER TABLE gone RENAME TO user_logins")
    planted.drain_until_empty()
    for command in (
        ["show", "--json", "--by", "masked_ip", "--counts"],
        ["quarantine", "list", "--json"],
        ["check", "--json"],
        ["schema"],
        ["settings"],
    ):
        assert planted.sofetch(*command).returncode in {0, 5}, command
    worker = planted.start("run")
    planted.outputs += end(worker)
    for place, content in everything(planted, postgres_log, start).items():
        assert found_in(content) == [], place


def test_the_search_finds_what_is_there(planted: World, postgres_log: Path) -> None:
    shown = planted.sofetch("peek", "--show-pii", "-n", "10")
    assert found_in(shown.stdout.encode()) != []
    planted.execute(f"CREATE TABLE leaked AS SELECT '{CANARY_IP}'::text AS ip")
    assert found_in(all_tables(planted)) == [CANARY_IP]
