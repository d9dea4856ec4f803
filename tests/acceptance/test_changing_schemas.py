"""Expand, then contract: a column is added while workers of both configurations load; nothing is lost or doubled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from world import World, made_up

PLAN = '\n[[column]]\nname = "plan"\nmax_length = 32\n'
NEITHER = "not said"
"""The new workers' default, so that a row of theirs is told from one of the old workers'."""


def bodies(first: int, last: int, **more: object) -> list[bytes]:
    return [json.dumps(json.loads(made_up(number)) | more).encode() for number in range(first, last)]


def configuration(world: World, name: str, *, more: str = "") -> dict[str, str]:
    """A configuration of its own, as the environment that names it. Small batches, so that both workers get some."""
    path = world.folder / f"{name}.toml"
    path.write_text((world.folder / "sofetch.toml").read_text() + more)
    return {"SOFETCH_CONFIG": str(path), "SOFETCH_BATCH_MAX_MESSAGES": "20", "SOFETCH_SOURCE_MAX_IN_FLIGHT": "20"}


def summary(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output)
    return found


def diff(world: World, sample: Path, environ: dict[str, str]) -> tuple[int, set[str]]:
    done = world.sofetch("schema", "diff", "--from", str(sample), "--json", environ=environ)
    return done.returncode, {one["code"] for one in json.loads(done.stdout)["differences"]}


def test_a_column_is_expanded_then_contracted_under_workers_of_both_configurations(world: World) -> None:
    old = configuration(world, "old")
    new = configuration(world, "new", more=f'{PLAN}default = "{NEITHER}"\n')
    sent = world.folder / "sent.jsonl"
    mixed = [*bodies(0, 150, locale="DE"), *bodies(150, 300, locale="DE", plan="gold")]
    mixed = [body for pair in zip(mixed[:150], mixed[150:], strict=True) for body in pair]
    sent.write_bytes(b"\n".join(mixed))

    # What is new is seen, and the table is made ready for it, under the old workers.
    assert diff(world, sent, old) == (5, {"field_unread"})
    assert diff(world, sent, new) == (5, {"column_missing"})
    assert world.sofetch("schema", "--apply", environ=new).returncode == 0
    assert diff(world, sent, new) == (0, set())

    # Expand: a new worker dies between its commit and the deletion, so that its messages come again, to whomever.
    world.send(mixed)
    world.crash("after_commit", environ=new)
    by_new = world.count("user_logins")
    assert by_new > 0
    started = {
        name: world.start("run", "--json", "--max-messages", "100", environ=environ)
        for name, environ in (("old", old), ("new", new))
    }
    summaries = {}
    for name, process in started.items():
        out, err = process.communicate(timeout=90)
        assert process.returncode == 0, err
        summaries[name] = summary(out)
    assert summaries["old"]["loaded"] > 0
    assert summaries["new"]["loaded"] > 0
    world.environ |= old
    world.drain_until_empty()
    by_new += summaries["new"]["loaded"]

    rows = world.query("SELECT user_id, plan FROM user_logins")
    assert sorted(row["user_id"] for row in rows) == sorted(f"user-{number}" for number in range(300))
    filled = {row["user_id"]: row["plan"] for row in rows if row["plan"] is not None}
    assert len(filled) == by_new
    says = {f"user-{number}": "gold" if number >= 150 else NEITHER for number in range(300)}
    assert filled.items() <= says.items()
    assert world.count("sofetch.quarantine") == 0

    # Contract: all producers are said to send it. Those that do not are found, and wait in quarantine.
    strict = configuration(world, "strict", more=f"{PLAN}required = true\n")
    late = world.folder / "late.jsonl"
    last = [*bodies(300, 320, locale="DE", plan="free"), *bodies(320, 325, locale="DE")]
    late.write_bytes(b"\n".join(last))
    assert diff(world, late, strict) == (5, {"messages_refused"})
    world.send(last)
    contracted = world.drain(environ=strict)
    assert (contracted["loaded"], contracted["quarantined_by_reason"]) == (20, {"missing_field": 5})
    assert world.left_in_queue() == 0
    kept = json.loads(world.sofetch("quarantine", "list", "--json", environ=strict).stdout)["entries"]
    assert {(entry["reason"], entry["field"]) for entry in kept} == {("missing_field", "plan")}
    assert len(kept) == 5

    # A step back is possible: under the expanding configuration they become rows.
    assert world.sofetch("quarantine", "replay", "--all", environ=new).returncode == 0
    assert world.count("user_logins") == 325
    assert world.count("sofetch.quarantine") == 0
