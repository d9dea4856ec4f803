"""``sofetch schema diff`` as a user or a CI job runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from world import World, made_up

CANARY = "canary-7f3a@example.org"


def write(world: World, *bodies: dict[str, Any] | bytes) -> Path:
    path = world.folder / "events.jsonl"
    path.write_bytes(b"\n".join(body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies))
    return path


def login(number: int, **more: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(made_up(number))
    return body | {"locale": "DE"} | more


def differences(world: World, *arguments: str) -> dict[str, dict[str, Any]]:
    done = world.sofetch("schema", "diff", "--json", *arguments)
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["agree"] else 5), done.stderr
    return {one["field"] or one["column"]: one for one in told["differences"]}


def test_what_agrees_ends_with_0_and_says_so(world: World) -> None:
    write(world, login(1), login(2))
    done = world.sofetch("schema", "diff", "--from", "events.jsonl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 messages looked at" in done.stdout
    assert "messages, configuration and table user_logins agree" in done.stdout
    assert "configuration and table user_logins agree" in world.sofetch("schema", "diff").stdout


def test_what_differs_ends_with_5_and_shows_the_column_the_sql_and_no_value(world: World) -> None:
    write(
        world,
        login(1),
        login(2, contact=CANARY, plan="gold"),
        login(3, **{CANARY: CANARY}),
        b"no json " + CANARY.encode(),
    )
    done = world.sofetch("schema", "diff", "--from", "events.jsonl")
    assert done.returncode == 5
    assert 'name = "plan"' in done.stdout
    assert 'ALTER TABLE "user_logins" ADD COLUMN "plan" text;' in done.stdout
    assert "1 of 4 messages would go to quarantine: not_json" in done.stdout
    world.sofetch("schema", "diff", "--from", "events.jsonl", "--sql")
    world.sofetch("schema", "diff", "--from", "events.jsonl", "--json")
    assert not any("canary" in output for output in world.outputs)


def test_the_proposed_column_put_into_the_configuration_reconciles_all_three(world: World) -> None:
    write(world, login(1), login(2, contact=CANARY, plan="gold"))
    found = differences(world, "--from", "events.jsonl")
    assert set(found) == {"contact", "plan"}
    config = world.folder / "sofetch.toml"
    config.write_text("\n\n".join([config.read_text(), *(one["toml"] for one in found.values())]))
    assert {one["code"] for one in differences(world, "--from", "events.jsonl").values()} == {"column_missing"}
    printed = world.sofetch("schema", "diff", "--sql")
    assert printed.returncode == 5
    world.execute(printed.stdout)
    assert differences(world, "--from", "events.jsonl") == {}
    assert json.loads(world.sofetch("schema", "--json").stdout) == {"pending": []}


def test_sql_that_loses_something_is_commented_out_and_nothing_is_applied(world: World) -> None:
    world.execute("ALTER TABLE user_logins ALTER app_version TYPE integer USING NULL, ADD COLUMN old text")
    world.execute("ALTER TABLE user_logins ADD COLUMN tenant integer NOT NULL")
    printed = world.sofetch("schema", "diff", "--sql").stdout
    statements = [line for line in printed.splitlines() if line and not line.startswith("--")]
    assert statements == ['ALTER TABLE "user_logins" ALTER COLUMN "tenant" DROP NOT NULL;']
    assert '-- ALTER TABLE "user_logins" DROP COLUMN "old";' in printed
    assert "-- (it rewrites the table" in printed
    with pytest.raises(psycopg.errors.NotNullViolation):
        world.execute("INSERT INTO user_logins (user_id) VALUES ('u')")


def test_messages_that_wait_are_looked_at_and_none_is_taken(world: World) -> None:
    world.send([json.dumps(login(n, plan="gold")) for n in range(3)])
    assert set(differences(world, "--queue")) == {"plan"}
    assert world.left_in_queue() == 3


def test_more_of_a_queue_than_is_looked_at_is_refused_and_not_cut_in_silence(world: World) -> None:
    done = world.sofetch("schema", "diff", "--queue", "-n", "1001")
    assert done.returncode == 2
    assert "at most 1,000 messages of a queue are looked at" in done.stderr


def test_what_is_meant_to_differ_is_ignored(world: World) -> None:
    world.execute("ALTER TABLE user_logins ADD COLUMN old text")
    write(world, login(1, plan="gold"))
    done = world.sofetch("schema", "diff", "--from", "events.jsonl", "--ignore", "plan", "--ignore", "old")
    assert done.returncode == 0, done.stdout


def test_without_a_database_messages_and_configuration_can_still_be_compared(world: World) -> None:
    write(world, login(1, plan="gold"))
    nowhere = {"SOFETCH_SINK_DSN": "host=/nowhere dbname=x"}
    assert world.sofetch("schema", "diff", "--from", "events.jsonl", environ=nowhere).returncode == 3
    done = world.sofetch("schema", "diff", "--from", "events.jsonl", "--no-table", environ=nowhere)
    assert done.returncode == 5
    assert "messages and configuration differ: 0 errors, 1 warning" in done.stdout


def test_one_of_several_pipelines_is_compared(world: World) -> None:
    one = (
        '[pipelines.{0}.source]\nqueue = "{0}"\n[pipelines.{0}.sink]\ntable = "{0}"\n'
        '[[pipelines.{0}.column]]\nname = "id"\n'
    )
    (world.folder / "sofetch.toml").write_text(one.format("a") + one.format("b"))
    del world.environ["SOFETCH_SOURCE_QUEUE"]  # it cannot be said for both
    world.execute("CREATE TABLE public.a (id text)")
    assert world.sofetch("schema", "diff").returncode == 2
    assert differences(world, "--pipeline", "a") == {}
    assert [one["code"] for one in differences(world, "--pipeline", "b").values()] == ["table_missing"]
