"""The vault as people set it up and run it: keys, schema, roles, loading, kills, outages, and a look at its dump."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loading import count, query
from sofetch.embedded.binaries import find_binaries
from sofetch.keys.recovery import load_recovery_key
from sofetch.load.vault.store import VaultStore
from sofetch.mask.vaulting import open_value
from world import BRIEFLY, World, assert_each_exactly_once, made_up

VAULT = """
[vault]
subject = "user_id"
recovery_public_key = "recovery.pub.pem"
"""


@pytest.fixture
def vaulted(world: World, vault_database: str) -> World:
    """The logins, with the address and the device kept in a vault of its own."""
    config = world.folder / "sofetch.toml"
    text = config.read_text().replace('mask = "token"\n', 'mask = "token"\nvault = true\n')
    config.write_text(text.replace("[sink]", VAULT + "\n[sink]", 1))
    world.environ["SOFETCH_VAULT_DSN"] = vault_database
    for command in (["keys", "recovery-new"], ["schema", "--apply"]):
        done = world.sofetch(*command)
        assert done.returncode == 0, done.stderr
    return world


@pytest.fixture
def prefix(vaulted: World) -> Iterator[str]:
    """What this database's roles begin with; they are taken away afterwards."""
    prefix = f"{conninfo_to_dict(vaulted.dsn)['dbname']}_"
    yield prefix
    roles = [
        str(row["rolname"])
        for row in vaulted.query("SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [prefix])
    ]
    for role in roles:
        for dsn in (vaulted.dsn, vaulted.environ["SOFETCH_VAULT_DSN"]):
            query(dsn, f"DROP OWNED BY {role}")
        query(vaulted.dsn, f"DROP ROLE {role}")


def opened(world: World) -> dict[str, str | None]:
    """Every token in the table and the value that the vault and the recovery key give for it."""
    key = load_recovery_key(world.folder / "recovery.pem")
    store = VaultStore(world.environ["SOFETCH_VAULT_DSN"])
    found = {
        str(row[column]): open_value(one, key)
        for row in world.query("SELECT masked_ip, masked_device_id FROM user_logins")
        for domain, column in (("ip", "masked_ip"), ("device_id", "masked_device_id"))
        for one in store.find(domain, str(row[column]))
    }
    store.close()
    return found


def expected(count: int) -> list[str]:
    return sorted([f"10.0.0.{n}" for n in range(count)] + [f"device-{n}" for n in range(count)])


def test_a_user_that_may_only_load_moves_everything_and_keeps_every_value(vaulted: World, prefix: str) -> None:
    applied = vaulted.sofetch("schema", "--roles", "--prefix", prefix, "--apply")
    assert applied.returncode == 0, applied.stderr
    query(vaulted.dsn, f"CREATE ROLE {prefix}user LOGIN IN ROLE {prefix}loader, {prefix}vault_writer")
    vaulted.send([*(made_up(number) for number in range(30)), b"not json"])
    as_user = {
        name: make_conninfo(vaulted.environ[name], user=f"{prefix}user")
        for name in ("SOFETCH_SINK_DSN", "SOFETCH_VAULT_DSN")
    }
    checked = vaulted.sofetch("check", "--json", environ=as_user)
    codes = {one["code"]: one["severity"] for one in json.loads(checked.stdout)["findings"]}
    assert codes["vault_write_only"] == codes["vault_key"] == "ok", checked.stdout
    summary = json.loads(vaulted.sofetch("run", "--drain", "--json", environ=as_user).stdout)
    assert (summary["loaded"], summary["quarantined"]) == (30, 1)
    assert sorted(map(str, opened(vaulted).values())) == expected(30)


@pytest.mark.parametrize("point", ["after_mask", "after_vault", "mid_write", "after_commit"])
def test_killed_anywhere_no_row_is_without_its_value(vaulted: World, point: str) -> None:
    vaulted.send([made_up(number) for number in range(40)])
    killed = {**BRIEFLY, "SOFETCH_BATCH_MAX_MESSAGES": "15", "SOFETCH_CRASH_AT": point}
    crashed = vaulted.sofetch("run", "--drain", environ=killed)
    assert crashed.returncode == -signal.SIGKILL, crashed.stderr
    assert len(opened(vaulted)) == 2 * vaulted.count("user_logins")
    vaulted.drain_until_empty()
    assert_each_exactly_once(vaulted, range(40))
    assert sorted(map(str, opened(vaulted).values())) == expected(40)
    assert count(vaulted.environ["SOFETCH_VAULT_DSN"], "sofetch_vault.value") == 80


def test_the_vaults_dump_shows_no_value_and_no_subject(vaulted: World) -> None:
    vaulted.send([made_up(number) for number in range(20)])
    assert vaulted.sofetch("run", "--drain").returncode == 0
    dump = subprocess.run(
        [find_binaries(18) / "pg_dump", vaulted.environ["SOFETCH_VAULT_DSN"]], capture_output=True, check=True
    ).stdout
    assert dump.count(b"h1.k1.") >= 40, "the values are in it"
    for canary in (b"10.0.0.", b"device-1", b"user-1"):
        assert canary not in dump
        assert b"\\\\x" + canary.hex().encode() not in dump
        assert canary.hex().encode() not in dump


def test_no_recovery_key_no_start(vaulted: World) -> None:
    (vaulted.folder / "recovery.pub.pem").unlink()
    vaulted.send([made_up(1)])
    done = vaulted.sofetch("run", "--drain")
    assert done.returncode == 4
    assert "recovery public key" in done.stderr
    assert vaulted.left_in_queue() == 1


def test_no_vault_database_no_start(vaulted: World) -> None:
    done = vaulted.sofetch("run", "--drain", environ={"SOFETCH_VAULT_DSN": ""})
    assert done.returncode == 2
    assert "SOFETCH_VAULT_DSN" in done.stderr
    beside = vaulted.sofetch("run", "--drain", environ={"SOFETCH_VAULT_DSN": vaulted.dsn})
    assert beside.returncode == 2
    assert "same_database" in beside.stderr


def test_the_roles_are_printed_and_nothing_is_done(vaulted: World, prefix: str) -> None:
    done = vaulted.sofetch("schema", "--roles", "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert f"CREATE ROLE {prefix}loader NOLOGIN" in done.stdout.replace('"', "")
    assert "in_vault" not in done.stdout
    assert vaulted.query("SELECT FROM pg_roles WHERE rolname LIKE %s", [f"{prefix}%"]) == []


def test_the_private_half_is_for_us_alone_and_never_shown(vaulted: World, tmp_path: Path) -> None:
    private = tmp_path / "recovery.pem"
    assert private.stat().st_mode & 0o777 == 0o600
    body = private.read_text().splitlines()[1]
    assert not any(body in text for text in vaulted.outputs)
    again = vaulted.sofetch("keys", "recovery-new")
    assert again.returncode == 4
    assert private.read_text().splitlines()[1] == body
