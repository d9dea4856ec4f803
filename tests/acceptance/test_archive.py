"""The archive as people use it: written beside the load, checked, and loaded again after a restore."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from world import World, assert_each_exactly_once, made_up, make_world, users

ARCHIVE = """
[archive]
to = "archive"
public_key = "archive.pub.pem"
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def archived(tmp_path: Path, database: str, fast_queue_endpoint: str) -> World:
    """The logins, archived into a folder; the private key lies beside, as on the machine that restores."""
    world = make_world(folder=tmp_path, dsn=database, endpoint=fast_queue_endpoint)
    config = world.folder / "sofetch.toml"
    config.write_text(config.read_text().replace("[sink]", ARCHIVE + "\n[sink]", 1))
    done = world.sofetch("keys", "archive-new")
    assert done.returncode == 0, done.stderr
    return world


def rows(world: World) -> list[dict[str, object]]:
    return world.query("SELECT * FROM user_logins ORDER BY user_id")


def backfill(world: World, *arguments: str) -> dict[str, object]:
    done = world.sofetch("backfill", "--private-key", "archive.pem", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout)
    return summary


def listed(world: World) -> tuple[int, list[str]]:
    """Messages and writers without a manifest by ``archive list``, of all hours: one may turn while a test runs."""
    hours = json.loads(world.sofetch("archive", "list", "--json").stdout)["hours"]
    without = [name for hour in hours for name in hour["writers_without_manifest"]]
    return sum(hour["messages"] for hour in hours), without


def archive_bytes(world: World) -> bytes:
    return b"".join(path.read_bytes() for path in (world.folder / "archive").rglob("*") if path.is_file())


def test_a_restored_database_gets_the_same_rows_from_the_archive_and_a_second_time_nothing(archived: World) -> None:
    archived.send([*(made_up(number) for number in range(30)), b"not json"])
    assert archived.drain()["loaded"] == 30
    before = rows(archived)
    archived.execute("DROP TABLE user_logins; DROP SCHEMA sofetch CASCADE")
    assert archived.sofetch("schema", "--apply").returncode == 0
    dry = backfill(archived, "--dry-run")
    assert (dry["loaded"], archived.count("user_logins")) == (30, 0)
    done = backfill(archived)
    assert (done["read"], done["loaded"], done["duplicates"], done["quarantined"]) == (31, 30, 0, 1)
    assert rows(archived) == before
    assert archived.count("sofetch.quarantine") == 1
    again = backfill(archived)
    assert (again["loaded"], again["duplicates"], again["quarantined"]) == (0, 30, 1)
    assert archived.count("sofetch.quarantine") == 1
    checked = archived.sofetch("archive", "check", "--private-key", "archive.pem", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["findings"]) == (0, []), checked.stderr
    assert listed(archived) == (31, [])
    found = archive_bytes(archived) + "".join(archived.outputs).encode()
    assert not [canary for canary in (b"user-7", b"device-7", b"10.0.0.7") if canary in found]


def test_a_worker_killed_after_archiving_loses_nothing_and_doubles_nothing(archived: World) -> None:
    archived.send(made_up(number) for number in range(10))  # as many as one receive brings: all are in the first batch
    archived.crash("after_archive")
    assert archived.count("user_logins") == 0
    [torn] = [*(archived.folder / "archive").rglob("*.sfa")]
    torn.write_bytes(torn.read_bytes() + b"\x01\x00\x00")  # the kill came while the next frame was written
    archived.drain_until_empty()
    assert_each_exactly_once(archived, range(10))
    assert archived.sofetch("archive", "check", "--private-key", "archive.pem").returncode == 0
    assert listed(archived)[0] == 10
    done = backfill(archived)
    assert (done["duplicates"], done["cut_off"]) == (20, [torn.relative_to(archived.folder / "archive").as_posix()])
    assert users(archived) == sorted(f"user-{number}" for number in range(10))


def test_an_hour_long_past_gets_its_manifest_is_refused_by_the_ledger_and_expires(archived: World) -> None:
    archived.send(made_up(number) for number in range(5))
    archived.drain()
    [file] = (archived.folder / "archive").rglob("*.sfa")
    past = archived.folder / "archive" / "pipeline=user_logins" / "date=2024-02-03" / "hour=04" / file.name
    past.parent.mkdir(parents=True)
    file.rename(past)
    made = json.loads(archived.sofetch("archive", "manifest", "--json").stdout)["made"]
    assert [(one["hour"], one["messages"]) for one in made] == [("2024-02-03T04", 5)]
    refused = archived.sofetch("backfill", "--private-key", "archive.pem", "--to", "2024-02-03")
    assert (refused.returncode, "--force" in refused.stderr) == (2, True)
    assert backfill(archived, "--to", "2024-02-03", "--force")["duplicates"] == 5  # the ledger did know
    expired = json.loads(archived.sofetch("archive", "expire", "--older-than", "400", "--json").stdout)
    assert (expired["hours"], past.parent.exists()) == (["2024-02-03T04"], False)


def test_an_archive_that_cannot_be_written_holds_everything_back(archived: World) -> None:
    archived.send(made_up(number) for number in range(5))
    (archived.folder / "archive").write_text("a file is in the way")
    refused = archived.sofetch("run", "--drain")
    assert (refused.returncode, archived.count("user_logins")) == (3, 0)
    assert "archive" in refused.stderr
    (archived.folder / "archive").unlink()
    archived.drain_until_empty()
    assert_each_exactly_once(archived, range(5))


def test_a_file_of_lines_is_loaded_once_whether_it_is_compressed_or_not(archived: World) -> None:
    lines = b"\n".join([*(made_up(number) for number in range(20)), b"not json", b""])
    (archived.folder / "events.jsonl").write_bytes(lines)
    (archived.folder / "events.jsonl.gz").write_bytes(gzip.compress(lines))
    refused = archived.sofetch("backfill", "events.jsonl")
    assert (refused.returncode, "--sent-at" in refused.stderr) == (2, True)
    first = archived.sofetch("backfill", "events.jsonl", "--sent-at", "2020-02-03", "--json")
    assert json.loads(first.stdout)["loaded"] == 20, first.stderr
    again = archived.sofetch("backfill", "events.jsonl.gz", "--sent-at", "2020-02-03", "--json")
    assert (json.loads(again.stdout)["loaded"], json.loads(again.stdout)["duplicates"]) == (0, 20)
    assert {str(row["create_date"]) for row in rows(archived)} == {"2020-02-03"}


def test_sofetch_check_tells_of_the_archive_and_a_run_needs_its_key(archived: World) -> None:
    codes = [one["code"] for one in json.loads(archived.sofetch("check", "--json").stdout)["findings"]]
    assert {"archive_sealed", "archive_writable"} <= set(codes)
    (archived.folder / "archive.pub.pem").write_bytes((archived.folder / "archive.pem").read_bytes())
    assert archived.sofetch("run", "--drain").returncode == 4


def test_verify_finds_what_a_restore_lost_says_what_to_type_and_is_content_after_it(archived: World) -> None:
    config = archived.folder / "sofetch.toml"
    config.write_text(config.read_text() + '\n[[column]]\nname = "sent_at"\nvalue = "sent_time"\ntype = "timestamp"\n')
    archived.execute("ALTER TABLE user_logins ADD sent_at timestamptz")
    archived.send([*(made_up(number) for number in range(10)), b"not json"])
    archived.drain()
    ok = archived.sofetch("verify", "--settle-minutes", "0", "--json")
    assert ok.returncode == 0, ok.stderr
    names = ("sent", "loaded", "quarantined", "rows")
    sums = [sum(hour[name] for hour in json.loads(ok.stdout)["hours"]) for name in names]
    assert (sums, json.loads(ok.stdout)["missing"]["messages"]) == ([11, 10, 1, 10], 0)
    archived.execute("DELETE FROM sofetch.ledger WHERE key IN (SELECT key FROM sofetch.ledger ORDER BY key LIMIT 4)")
    archived.execute("TRUNCATE sofetch.quarantine")
    assert archived.sofetch("verify").returncode == 0  # archived a moment ago: a worker may have it in hand
    lost = archived.sofetch("verify", "--settle-minutes", "0", "--keys", "2")
    assert (lost.returncode, "4 messages missing" in lost.stdout) == (5, True), lost.stdout + lost.stderr
    [advice] = [line.partition("sofetch ")[2].split() for line in lost.stdout.splitlines() if "backfill" in line]
    assert archived.sofetch(*advice).returncode == 0
    archived.execute("TRUNCATE user_logins")
    emptied = archived.sofetch("verify", "--settle-minutes", "0")
    assert emptied.returncode == 0, emptied.stdout
    assert "0 rows in the table, 11 messages loaded" in emptied.stdout  # one of them was purged from quarantine
    assert "in the table" not in archived.sofetch("verify").stdout  # of this hour a worker may have some in hand
    config.write_text(config.read_text().replace(ARCHIVE, ""))
    without = archived.sofetch("verify", "--json")
    assert without.returncode == 0, without.stderr
    said = json.loads(without.stdout)
    assert (said["archive"], {one["sent"] for one in said["hours"]}) == (False, {None})
