"""``sofetch report privacy`` on tables as they come, in the terminal, as JSON and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import sofetch
from world import World

EXAMPLES = (Path(sofetch.__file__).parent / "presets" / "logins.jsonl").read_text().splitlines()
CANARY = "canary-7f3a@example.org"


def test_the_loaded_example_needs_no_change(world: World) -> None:
    world.send(EXAMPLES)
    world.drain()
    done = world.sofetch("report", "privacy", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    columns = {column["name"]: column for column in made["columns"]}
    assert (made["ok"], made["rows"], made["sampled"]) == (True, 10, False)
    assert (columns["masked_ip"]["scheme"], columns["masked_ip"]["token_share"]) == ("token", 1.0)
    assert columns["user_id"]["verdict"]["severity"] == "warning"
    assert made["together"]["left_out"] == ["user_id"]
    assert made["together"]["columns"]


def test_personal_values_in_the_clear_end_with_5_on_every_form_and_are_shown_on_none(world: World) -> None:
    world.execute("ALTER TABLE user_logins ADD note text")
    world.execute(f"INSERT INTO user_logins (user_id, note) SELECT n, 'call {CANARY}' FROM generate_series(1, 60) n")
    done = world.sofetch("report", "privacy", "--html", "report.html", environ={"COLUMNS": "80"})
    page = (world.folder / "report.html").read_text()
    as_json = world.sofetch("report", "privacy", "--json")
    assert (done.returncode, as_json.returncode) == (5, 5)
    for text in (done.stdout, done.stderr, page, as_json.stdout):
        assert "canary" not in text
    assert "note: in the clear, and 100% of the values looked at" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "<!doctype html>" in page
    assert "must be changed" in page


def test_a_masked_column_that_was_filled_before_its_mask_must_be_changed(world: World) -> None:
    world.execute("INSERT INTO user_logins (user_id, masked_ip) VALUES ('1', '203.0.113.9')")
    done = world.sofetch("report", "privacy")
    assert done.returncode == 5
    assert "masked_ip: configured as masked, but 100%" in done.stdout
    assert "203.0.113.9" not in done.stdout


def test_an_empty_table_has_a_report(world: World) -> None:
    done = world.sofetch("report", "privacy", "--html", "report.html")
    assert done.returncode == 0, done.stderr
    assert "The table is empty" in done.stdout
    assert "The table is empty" in (world.folder / "report.html").read_text()


def test_named_columns_are_counted_together(world: World) -> None:
    world.execute("INSERT INTO user_logins (user_id, locale) SELECT n, 'RU' FROM generate_series(1, 7) n")
    done = world.sofetch("report", "privacy", "--quasi", "locale", "--json")
    together = json.loads(done.stdout)["together"]
    assert (together["columns"], together["left_out"], together["spread"]["smallest"]) == (["locale"], [], 7)
    wrong = world.sofetch("report", "privacy", "--quasi", "nothing")
    assert wrong.returncode == 2
    assert "no column 'nothing'" in wrong.stderr


def test_a_missing_table_and_a_place_that_cannot_be_written_are_said(world: World) -> None:
    done = world.sofetch("report", "privacy", "--html", "missing/report.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    world.execute("DROP TABLE user_logins")
    assert world.sofetch("report", "privacy").returncode == 3
