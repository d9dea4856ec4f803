"""The quarantine the whole way round, as people run it: replayed after a fix, shown, exported, purged."""

from __future__ import annotations

import base64
import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governing import BY, Governed, governed_world
from governing import login as governed_login
from keyrings import KEYRING
from sofetch.mask import parse_keyring, unseal
from world import World, assert_each_exactly_once, made_up

pytestmark = pytest.mark.slow

BROKEN = {"SOFETCH_COLUMN_DEVICE_TYPE_MAX_LENGTH": "2"}
"""With it `ios` is too long; without it, it is right: the fix."""
SMALL = {"SOFETCH_BATCH_MAX_MESSAGES": "4"}
SECRET = "kanarie-anna-5901"


def refused(world: World, *bodies: bytes) -> None:
    """Messages that are in quarantine because the configuration is wrong."""
    world.send(bodies)
    assert world.drain(environ=BROKEN)["quarantined"] == len(bodies)


def replayed(world: World, *arguments: str, code: int = 0, **environ: str) -> dict[str, Any]:
    done = world.sofetch("quarantine", "replay", "--all", *arguments, "--json", environ=environ)
    assert done.returncode == code, done.stderr + done.stdout
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def keys(world: World) -> list[str]:
    return [str(row["key"]) for row in world.query("SELECT key FROM sofetch.quarantine ORDER BY key")]


def ask(world: World, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = world.sofetch("quarantine", *arguments)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def test_after_a_fix_the_quarantine_is_replayed_and_what_still_does_not_fit_is_told(world: World) -> None:
    refused(world, *(made_up(number) for number in range(11)), b'{"foo": 1}')
    assert replayed(world, "--dry-run", code=5)["loaded"] == 11
    assert world.count("user_logins") == 0
    told = replayed(world, code=5)
    assert (told["loaded"], told["remaining"]) == (11, 1)
    assert told["refused"] == [{"reason": "missing_field", "field": "user_id", "count": 1}]
    assert_each_exactly_once(world, range(11))
    said = ask(world, "replay", "--all", code=5).stdout
    assert "loaded 0 messages" in said
    assert "1 message still does not fit: missing_field in user_id" in said
    assert "1 entry of this selection left" in said


@pytest.mark.parametrize("point", ["after_mask", "mid_write", "after_commit", "mid_write:2", "after_commit:2"])
def test_a_replay_that_is_killed_loses_nothing_and_doubles_nothing(world: World, point: str) -> None:
    refused(world, *(made_up(number) for number in range(10)))
    killed = world.sofetch("quarantine", "replay", "--all", environ={**SMALL, "SOFETCH_CRASH_AT": point})
    assert killed.returncode == -signal.SIGKILL
    assert world.count("user_logins") + world.count("sofetch.quarantine") == 10
    replayed(world)
    assert_each_exactly_once(world, range(10))
    assert world.count("sofetch.quarantine") == 0


def test_replays_and_a_worker_at_once_load_each_message_once(world: World) -> None:
    refused(world, *(made_up(number) for number in range(60)))
    world.send(made_up(number) for number in range(60, 100))
    together = [world.start("quarantine", "replay", "--all", environ=SMALL) for _ in range(2)]
    together.append(world.start("run", "--drain", environ=SMALL))
    for process in together:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    replayed(world)
    assert_each_exactly_once(world, range(100))
    assert world.count("sofetch.quarantine") == 0


def test_nothing_is_replayed_purged_or_exported_by_accident(world: World) -> None:
    refused(world, made_up(1))
    for command in (("replay",), ("export", "-o", "x.jsonl"), ("replay", "--all", "--reason", "too_long")):
        ask(world, *command, code=2)
    assert "--yes" in ask(world, "purge", "--reason", "too_long", *BY, code=2).stderr
    assert "--purpose" in ask(world, "purge", "--reason", "too_long", "--yes", "--actor", "ana", code=2).stderr
    assert "removed 0 entries" in ask(world, "purge", "--yes").stdout
    assert (world.count("sofetch.quarantine"), world.count("sofetch.audit")) == (1, 0)


def test_a_list_says_that_older_entries_are_not_shown_only_where_there_are_some(world: World) -> None:
    refused(world, made_up(1), made_up(2))
    assert "older" in ask(world, "list", "--limit", "1").stderr
    assert "older" not in ask(world, "list", "--limit", "2").stderr
    assert len(json.loads(ask(world, "list", "--limit", "1", "--json").stdout)["entries"]) == 1


def test_a_name_that_is_nobodys_is_told_and_not_counted_as_loaded_or_removed(world: World) -> None:
    refused(world, made_up(1))
    for arguments in (("replay", "nobody"), ("replay", "nobody", "--dry-run"), ("replay", "--reason", "not_json")):
        said = ask(world, *arguments).stdout
        assert ("no such entry" in said, "loaded" in said) == (True, False)
    assert "ledger" not in ask(world, "purge", "nobody", "--yes").stdout
    assert "its key stays" in ask(world, "purge", *keys(world), "--yes", *BY).stdout


def test_what_is_past_its_day_is_purged_without_a_reason_and_the_rest_with_an_audit_row(world: World) -> None:
    refused(world, *(made_up(number) for number in range(4)))
    one, another, *_ = keys(world)
    world.execute(f"UPDATE sofetch.quarantine SET expires_at = now() WHERE key = '{one}'")
    dry = json.loads(ask(world, "purge", "--dry-run", "--json").stdout)
    assert dry == {"dry_run": True, "entries": 1, "unexpired": 0}
    assert json.loads(ask(world, "purge", "--yes", "--json").stdout) == {"dry_run": False, "removed": 1, "audit": None}
    told = json.loads(ask(world, "purge", another, "--yes", "--json", *BY).stdout)
    assert (told["removed"], told["audit"]["seq"]) == (1, 1)
    [row] = world.query("SELECT action, actor, detail FROM sofetch.audit")
    assert (row["action"], row["actor"], row["detail"]["keys"]) == ("purge_quarantine", "ana", [another])
    assert (world.count("sofetch.quarantine"), world.count("sofetch.ledger")) == (2, 4)


def test_an_export_is_sealed_and_private_and_opens_with_the_keyring_alone(world: World) -> None:
    body = made_up(7).replace(b"user-7", SECRET.encode())
    refused(world, body, made_up(8))
    ask(world, "export", "--all", "-o", "out.jsonl")
    file = world.folder / "out.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET.encode() not in file.read_bytes()
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    opened = [
        unseal(
            base64.b64decode(line["sealed_body"]),
            key=UUID(line["key"]).bytes,
            kid=line["kid"],
            pipeline=line["pipeline"],
            keyring=parse_keyring(KEYRING),
        )
        for line in lines
    ]
    assert sorted(opened) == sorted([body, made_up(8)])
    assert "not there" in ask(world, "export", "--all", "-o", "out.jsonl", code=2).stderr
    ask(world, "export", "nobody", "-o", "other.jsonl", code=2)
    assert not (world.folder / "other.jsonl").exists()
    assert world.count("sofetch.quarantine") == 2


def test_a_body_is_shown_after_the_audit_row_and_on_standard_output_alone(world: World) -> None:
    refused(world, made_up(7).replace(b"user-7", SECRET.encode()))
    [key] = keys(world)
    assert "--actor" in ask(world, "show", key, "--reveal", code=2).stderr
    done = ask(world, "show", key, "--reveal", *BY)
    assert SECRET in done.stdout
    assert SECRET not in done.stderr
    assert "personal data" in done.stderr
    [row] = world.query("SELECT seq, action, actor, ticket, detail::text AS detail FROM sofetch.audit")
    assert (row["seq"], row["action"], row["actor"], row["ticket"]) == (1, "reveal_quarantined", "ana", "T-1")
    assert key in row["detail"]
    told = json.loads(ask(world, "show", key, "--reveal", "--json", *BY).stdout)
    assert json.loads(base64.b64decode(told["body_base64"]))["user_id"] == SECRET
    assert told["audit"]["seq"] == 2
    assert world.sofetch("audit", "verify").returncode == 0


def test_no_body_is_shown_when_the_audit_row_cannot_be_written_or_the_key_is_another(world: World) -> None:
    refused(world, made_up(7).replace(b"user-7", SECRET.encode()))
    [key] = keys(world)
    world.execute("UPDATE sofetch.quarantine SET kid = 'k9'")
    assert ask(world, "show", key, "--reveal", *BY, code=4).stdout == ""
    world.execute("UPDATE sofetch.quarantine SET kid = 'k1'")
    assert world.count("sofetch.audit") == 0
    world.execute("ALTER TABLE sofetch.audit ADD CONSTRAINT is_full CHECK (false) NOT VALID")
    done = ask(world, "show", key, "--reveal", *BY, code=3)
    assert (done.stdout, SECRET in done.stderr) == ("", False)


def test_no_command_of_the_quarantine_tells_a_value(world: World, postgres_log: Path) -> None:
    start = postgres_log.stat().st_size
    refused(world, made_up(7).replace(b"user-7", SECRET.encode()), made_up(8))
    world.execute("ALTER TABLE user_logins ADD CHECK (user_id NOT LIKE 'kanarie%')")
    replayed(world, code=5)
    ask(world, "list")
    ask(world, "purge", "--reason", "check_violation", "--yes", *BY)
    assert not [text for text in world.outputs if SECRET in text]
    assert SECRET.encode() not in postgres_log.read_bytes()[start:]


@pytest.fixture
def governed(tmp_path: Path, database: str, queue_endpoint: str) -> Iterator[Governed]:
    with governed_world(folder=tmp_path, dsn=database, endpoint=queue_endpoint) as made:
        yield made


@pytest.mark.parametrize("point", ["after_vault", "mid_write"])
def test_values_are_in_the_vault_before_a_replayed_row_is_in_the_table(governed: Governed, point: str) -> None:
    governed.send([governed_login(SECRET, ip="203.0.113.9", device="d-1")])
    assert governed.drain(environ={"SOFETCH_COLUMN_LOCALE_MAX_LENGTH": "1"})["quarantined"] == 1
    assert replayed(governed, "--dry-run")["loaded"] == 1
    assert b"203.0.113.9" not in governed.vault_dump()
    assert json.loads(governed.vault_dump()) == [[], []]
    killed = governed.sofetch("quarantine", "replay", "--all", environ={"SOFETCH_CRASH_AT": point})
    assert killed.returncode == -signal.SIGKILL
    assert len(json.loads(governed.vault_dump())[1]) == 1
    assert governed.count("user_logins") == 0
    assert replayed(governed)["loaded"] == 1
    [answer] = governed.recover(governed.row(SECRET)["masked_ip"])
    assert answer["values"] == ["203.0.113.9"]


def test_a_body_is_not_revealed_where_recoveries_need_approval(governed: Governed) -> None:
    governed.send([b"no json"])
    governed.drain()
    recovery = 'approvals = 1\n[[recovery.approver]]\nname = "eva"\npublic_key = "MCowBQYDK2VwAyEA' + "A" * 43 + '="\n'
    governed.configure(recovery=recovery)
    done = governed.ask("quarantine", "show", keys(governed)[0], "--reveal", *BY, code=2)
    assert "approval" in done.stderr
    assert done.stdout == ""
