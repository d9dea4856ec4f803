"""``sofetch scan`` as a user or a CI job runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sofetch
from world import World

EXAMPLES = (Path(sofetch.__file__).parent / "presets" / "logins.jsonl").read_text().splitlines()
CANARY = "canary-7f3a@example.org"
WITH_A_NOTE = '\n[[column]]\nname = "note"\n'


def note(world: World, *, configured: bool) -> Path:
    path = world.folder / "events.jsonl"
    path.write_text("\n".join([*EXAMPLES, json.dumps({"note": f"call {CANARY}", CANARY: 1}), "oops", ""]))
    if configured:
        config = world.folder / "sofetch.toml"
        config.write_text(config.read_text() + WITH_A_NOTE)
    return path


def found(text: str) -> dict[str, Any]:
    return {field["path"]: field for field in json.loads(text)["fields"]}


def test_the_example_is_clean_under_its_own_configuration(world: World) -> None:
    (world.folder / "events.jsonl").write_text("\n".join(EXAMPLES))
    done = world.sofetch("scan", "events.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    fields = found(done.stdout)
    assert (fields["ip"]["handling"], fields["ip"]["columns"]) == ("masked", ["masked_ip"])
    assert (fields["ip"]["values"], fields["ip"]["found"][0]["share"]) == (10, 1.0)
    assert fields["foo"]["handling"] == "not_loaded"


def test_a_personal_field_in_the_clear_ends_with_5_and_shows_no_value(world: World) -> None:
    note(world, configured=True)
    for arguments in (["--json"], []):
        done = world.sofetch("scan", "events.jsonl", *arguments)
        assert done.returncode == 5, done.stderr
        assert "canary" not in done.stdout + done.stderr
        assert "note" in done.stdout
    told = world.sofetch("scan", "events.jsonl").stdout
    assert "would be loaded in the clear from 1 path" in told


def test_wrapped_lines_are_looked_into_and_bare_ones_as_they_are(world: World) -> None:
    path = note(world, configured=True)
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text() + '\n[unwrap]\nlayers = ["sns"]\n')
    bare = {"note": f"call {CANARY}"}
    path.write_text("\n".join(map(json.dumps, ({"Type": "Notification", "Message": json.dumps(bare)}, bare))))
    assert found(world.sofetch("scan", "events.jsonl", "--json").stdout)["note"]["values"] == 2


def test_the_same_field_not_loaded_is_no_finding(world: World) -> None:
    note(world, configured=False)
    assert world.sofetch("scan", "events.jsonl").returncode == 0


def test_without_a_configuration_anything_personal_ends_with_5(world: World) -> None:
    note(world, configured=False)
    (world.folder / "sofetch.toml").unlink()
    done = world.sofetch("scan", "events.jsonl")
    assert done.returncode == 5
    assert "no configuration" in done.stdout


def test_the_terminal_gets_80_columns_and_no_control_characters(world: World) -> None:
    hostile = {"\x1b[31mred": "jane@example.org", "x" * 300: "jane@example.org", "\u202ename": "a"}
    (world.folder / "events.jsonl").write_text(json.dumps(hostile))
    done = world.sofetch("scan", "events.jsonl", environ={"COLUMNS": "80"})
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not set(done.stdout) & {"\x1b", "\u202e"}


def test_waiting_messages_are_looked_at_and_left(world: World) -> None:
    world.send(EXAMPLES)
    done = world.sofetch("scan", "--queue", "-n", "50", "--json")
    assert done.returncode == 0, done.stderr
    assert found(done.stdout)["ip"]["found"][0]["detector"] == "ip"
    assert world.left_in_queue() == len(EXAMPLES)


def test_more_of_the_queue_than_is_looked_at_is_refused_and_not_cut_in_silence(world: World) -> None:
    done = world.sofetch("scan", "--queue", "-n", "1001")
    assert done.returncode == 2
    assert "at most 1,000 messages of a queue are looked at" in done.stderr


def test_a_file_or_the_queue_must_be_named(world: World) -> None:
    assert world.sofetch("scan").returncode == 2
    assert world.sofetch("scan", "--queue", "x.jsonl").returncode == 2
    assert world.sofetch("scan", "missing.jsonl").returncode == 2


def test_n_bounds_what_is_read_of_a_file(world: World) -> None:
    (world.folder / "events.jsonl").write_text("\n".join(EXAMPLES))
    done = world.sofetch("scan", "-n", "3", "--json", "events.jsonl")
    assert json.loads(done.stdout)["messages"] == 3
