"""Fields that no column reads, the whole way: from the queue into the collecting column, or to quarantine and back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from canaries import all_tables, canaries_in
from governing import BY
from keyrings import KEYRING, MASTER_KEY
from sofetch.mask import parse_keyring, unseal
from world import World, made_up

COLLECT = """
[drift]
unknown_fields = "collect"
collect_into = "extra"

[erasure]
subject = "user_id"
mode = "randomise"

[[column]]
name = "extra"
type = "jsonb"
"""
CANARIES = ["kanarie-anna-6101", "kanarie-anna-6102@example.org", "kanarie-key-6103", "4111111111111111", "52.520817"]
NAME, MAIL, KEY, CARD, PLACE = CANARIES
UNKNOWN: dict[str, Any] = {
    "tier": "gold", "visits": 12, "beta": True, "note": NAME, "contact": {"mail": MAIL, "zip": None}, MAIL: 1,
    KEY: NAME, "cards": [int(CARD)], "lat": float(PLACE), "extra": {"name": NAME},
}  # fmt: skip
QUARANTINE = {"SOFETCH_DRIFT_UNKNOWN_FIELDS": "quarantine"}
BOTH_KEYS = json.dumps(
    {
        "keys": [
            {"kid": "k1", "material": base64.b64encode(MASTER_KEY).decode(), "status": "active"},
            {"kid": "k2", "material": base64.b64encode(MASTER_KEY[::-1]).decode(), "status": "primary"},
        ]
    }
)


pytestmark = pytest.mark.slow


@pytest.fixture
def collecting(world: World) -> World:
    """The logins, with a column for unknown fields that was added to a table that is there."""
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text() + COLLECT)
    assert world.sofetch("schema", "--apply").returncode == 0
    return world


def login(user: str, **unknown: object) -> bytes:
    return json.dumps(json.loads(made_up(1)) | {"user_id": user} | unknown).encode()


def told(world: World, *arguments: str, code: int = 0, environ: dict[str, str] | None = None) -> Any:
    done = world.sofetch(*arguments, "--json", environ=environ)
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


def extra_of(world: World, user: str) -> Any:
    [row] = world.query("SELECT extra FROM user_logins WHERE user_id = %s", [user])
    return row["extra"]


def test_unknown_fields_are_counted_and_joined_in_the_column_and_nothing_of_them_can_be_read(
    collecting: World, postgres_log: Path
) -> None:
    start = postgres_log.stat().st_size
    tiers = ["gold", "gold", "silver", "gold"]
    collecting.environ |= {"SOFETCH_LOG_LEVEL": "debug"}
    collecting.send([*(login(f"u{at}", **UNKNOWN | {"tier": tier}) for at, tier in enumerate(tiers)), login("plain")])
    assert collecting.drain()["loaded"] == 5
    assert [row["n"] for row in collecting.query(
        "SELECT extra->>'tier' AS tier, count(*) AS n FROM user_logins GROUP BY 1 ORDER BY 2 DESC, 1 NULLS LAST"
    )] == [3, 1, 1]  # fmt: skip
    pairs = "SELECT count(*) AS n FROM user_logins a JOIN user_logins b ON a.user_id < b.user_id AND "
    assert collecting.query(pairs + "a.extra->>'tier' = b.extra->>'tier'") == [{"n": 3}]
    assert collecting.query(pairs + "a.extra->>'tier' = b.extra->>'note'") == [{"n": 0}]
    assert collecting.query(
        "SELECT sum((extra->>'visits')::int) AS n FROM user_logins WHERE (extra->>'beta')::bool"
    ) == [{"n": 48}]
    assert extra_of(collecting, "plain") is None
    cell = extra_of(collecting, "u0")
    assert (cell["contact"]["zip"], list(cell["extra"])) == (None, ["name"])
    assert all(
        text.startswith("u1.k1.") for text in (cell["note"], cell["contact"]["mail"], cell["lat"], *cell["cards"])
    )
    places = {
        "tables": all_tables(collecting),
        "standard output and error": "\n".join(collecting.outputs).encode(),
        "Postgres' own log": postgres_log.read_bytes()[start:],
    }
    assert {place: found for place, text in places.items() if (found := canaries_in(text, CANARIES))} == {}


def test_a_message_that_comes_by_replay_or_backfill_has_the_same_cell(collecting: World) -> None:
    collecting.send([login("u1", **UNKNOWN)])
    collecting.drain()
    collecting.send([login("u2", **UNKNOWN), login("u3")])
    assert collecting.drain(environ=QUARANTINE)["quarantined"] == 1
    assert canaries_in(all_tables(collecting), CANARIES) == []
    assert told(collecting, "quarantine", "replay", "--all")["loaded"] == 1
    (collecting.folder / "events.jsonl").write_bytes(login("u4", **UNKNOWN) + b"\n" + login("u5"))
    assert told(collecting, "backfill", "events.jsonl", "--sent-at", "2026-02-03")["loaded"] == 2
    assert extra_of(collecting, "u1") == extra_of(collecting, "u2") == extra_of(collecting, "u4")
    assert len(extra_of(collecting, "u1")) == len(UNKNOWN)
    assert extra_of(collecting, "u3") is None
    assert extra_of(collecting, "u5") is None
    assert collecting.count("sofetch.quarantine") == 0


def test_a_message_in_quarantine_for_an_unknown_field_is_sealed_and_loads_once_the_field_has_a_column(
    world: World,
) -> None:
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text() + '\n[drift]\nunknown_fields = "quarantine"\n')
    body = login("u1", tier="gold", note=NAME)
    world.send([body, login("u2")])
    summary = world.drain()
    assert (summary["loaded"], summary["quarantined"]) == (1, 1)
    [entry] = world.query("SELECT key, kid, reason, field, sealed_body FROM sofetch.quarantine")
    assert (entry["reason"], entry["field"]) == ("unknown_field", None)
    assert canaries_in(all_tables(world), CANARIES) == []
    ring = parse_keyring(KEYRING)
    opened = unseal(bytes(entry["sealed_body"]), key=entry["key"].bytes, kid="k1", pipeline="user_logins", keyring=ring)
    assert opened == body
    config.write_text(config.read_text() + '\n[[column]]\nname = "tier"\n')
    assert world.sofetch("schema", "--apply").returncode == 0
    assert told(world, "quarantine", "replay", "--all", code=5)["refused"] == [
        {"reason": "unknown_field", "field": None, "count": 1}
    ]
    config.write_text(config.read_text() + '\n[[column]]\nname = "note"\nmask = "token"\n')
    assert world.sofetch("schema", "--apply").returncode == 0
    assert told(world, "quarantine", "replay", "--all")["loaded"] == 1
    [row] = world.query("SELECT tier, note FROM user_logins WHERE user_id = 'u1'")
    assert (row["tier"], row["note"].startswith("h1.k1.")) == ("gold", True)
    assert canaries_in(all_tables(world), CANARIES) == []


def test_every_command_that_answers_for_the_table_says_what_the_column_is(collecting: World) -> None:
    """Report, scan, check, rotation and erasure, one after the other on one table."""
    collecting.send([login(f"u{at}", **UNKNOWN) for at in range(3)])
    collecting.drain()
    (collecting.folder / "events.jsonl").write_bytes(login("u9", **UNKNOWN))
    scanned = {one["path"]: one for one in told(collecting, "scan", "events.jsonl")["fields"]}
    assert (scanned["note"]["handling"], scanned["extra.name"]["handling"]) == ("collected", "collected")
    assert "collected, as tokens: extra" in collecting.sofetch("scan", "events.jsonl").stdout
    assert "collected into extra, as tokens" in collecting.sofetch("check", "--config-only").stdout
    before = extra_of(collecting, "u0")

    new = {"SOFETCH_KEYRING": BOTH_KEYS}
    rotated = collecting.sofetch("rotate", environ=new)
    assert (rotated.returncode, "extra is left as it is" in rotated.stderr) == (0, True), rotated.stderr
    assert told(collecting, "rotate", environ=new)["not_renewed"] == ["extra"]
    assert extra_of(collecting, "u0") == before
    assert collecting.query("SELECT DISTINCT left(masked_ip, 6) AS kid FROM user_logins") == [{"kid": "h1.k2."}]
    collecting.send([login("u7", **UNKNOWN)])
    collecting.drain(environ=new)
    assert extra_of(collecting, "u7")["tier"].startswith("u1.k2.")

    made = told(collecting, "report", "privacy", "--html", "report.html")
    [column] = [one for one in made["columns"] if one["name"] == "extra"]
    assert (column["scheme"], column["verdict"]["severity"]) == ("collected", "warning")
    assert (list(column["collected"]["kids"]), column["collected"]["strangers"]) == (["k1", "k2"], 0)
    said = collecting.sofetch("report", "privacy").stdout
    page = (collecting.folder / "report.html").read_text()
    for text in (said, page):
        assert "keyed token" in text
        assert "rotation renews none" in " ".join(text.split())
        assert canaries_in(text.encode(), CANARIES) == []

    receipt = told(collecting, "erase", "--subject", "u0", "--yes", *BY, environ=new)
    assert any("column extra of their rows" in one for one in receipt["not_covered"])
    [kept] = collecting.query("SELECT extra FROM user_logins WHERE user_id <> ALL (ARRAY['u1', 'u2', 'u7'])")
    assert kept["extra"] == before
    [written, _] = told(collecting, "audit", "list", environ=new)["rows"]
    assert written["detail"]["not_randomised"] == ["extra"]
    deleted = told(
        collecting, "erase", "--subject", "u1", "--yes", *BY, environ=new | {"SOFETCH_ERASURE_MODE": "delete"}
    )
    assert not any("extra" in one for one in deleted["not_covered"])
    assert collecting.count("user_logins") == 3
