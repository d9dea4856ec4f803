"""A producer that changes, through the real thing: what is loaded, told, and shown by ``sofetch schema drift``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from world import World

CONFIG = """
[source]
queue = "orders"

[sink]
table = "orders"

[batch]
max_messages = 1  # what is not new is written at the end

[drift]
unknown_fields = "warn"
missing_fields = "warn"
type_changes = "null"

[[column]]
name = "id"
required = true

[[column]]
name = "amount"
type = "int"

[[column]]
name = "note_kind"
"""
CANARY = "Anna Kowalska 1984"
GOOD = {"id": "a", "amount": 1, "note_kind": "gift"}

pytestmark = pytest.mark.slow


def seen(world: World, *arguments: str) -> dict[tuple[str, str], int]:
    done = world.sofetch("schema", "drift", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return {(one["kind"], one["field"]): one["messages"] for one in json.loads(done.stdout)["drift"]}


def first_seen(world: World, field: str) -> Any:
    [row] = world.query("SELECT first_seen FROM sofetch.drift WHERE field = %s", [field])
    return row["first_seen"]


def test_a_producer_that_changes_is_loaded_told_of_once_and_counted(world: World) -> None:
    (world.folder / "sofetch.toml").write_text(CONFIG)
    assert world.sofetch("schema", "--apply").returncode == 0
    documents: list[dict[str, Any]] = [
        GOOD,
        GOOD | {"id": "b", "tier": CANARY, CANARY: 1},
        GOOD | {"id": "c", "tier": 2, "amount": "many"},
        {"id": "d", "amount": 2},
        {"amount": 3},
    ]
    world.send([json.dumps(one) for one in documents])
    first = world.sofetch("run", "--drain", "--json")
    world.send([json.dumps(GOOD | {"id": name, "tier": 3}) for name in "ef"])
    second = world.sofetch("run", "--drain", "--json")
    rows = world.query("SELECT id, amount, note_kind FROM orders ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("a", 1, "gift"),
        ("b", 1, "gift"),
        ("c", None, "gift"),
        ("d", 2, None),
        ("e", 1, "gift"),
        ("f", 1, "gift"),
    ]
    assert seen(world) == {
        ("unknown_field", "tier"): 4,
        ("unknown_field", "*"): 1,
        ("type_change", "amount"): 1,
        ("missing_field", "note_kind"): 2,
        ("missing_field", "id"): 1,
    }
    assert seen(world, "--kind", "type_change") == {("type_change", "amount"): 1}
    told = [json.loads(line) for done in (first, second) for line in done.stderr.splitlines()]
    new = sorted((one["kind"], one["field"]) for one in told if one["event"] == "new_drift")
    assert new == sorted(seen(world))
    # Of two batches, and not only at the end.
    assert first_seen(world, "note_kind") != first_seen(world, "amount")
    shown = world.sofetch("schema", "drift").stdout
    assert shown.splitlines()[0] == "fields that no column reads"
    assert "columns whose value was of another type or form" in shown
    assert {field for _, field in seen(world, "--forget", "--kind", "missing_field")} == {"note_kind", "id"}
    forgotten = world.sofetch("schema", "drift", "--forget")
    assert "tier" in forgotten.stdout
    assert "3 fields forgotten" in forgotten.stderr
    assert seen(world) == {}
    assert not any(CANARY in text for text in world.outputs)


def test_nothing_that_drifted_is_said_so_and_what_is_not_looked_for_too(world: World) -> None:
    assert world.sofetch("schema", "--apply").returncode == 0
    done = world.sofetch("schema", "drift")
    assert done.stdout == "no message was other than the configuration expects\n"
    assert "not looked for: unknown fields and missing fields" in done.stderr
