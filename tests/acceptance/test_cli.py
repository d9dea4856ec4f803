"""The commands as a user types them, against a real queue and a real database."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import sofetch
from keyrings import KEYRING
from sofetch.cli.text import display_width
from world import World

EXAMPLES = Path(sofetch.__file__).parent / "presets" / "logins.jsonl"
HOSTILE_LOCALE = "\x1b[31mRU\x1b]0;owned\x07\u202e"


def login(**changes: object) -> str:
    whole = {"user_id": "u-1", "ip": "203.0.113.9", "device_id": "dev-1", "locale": "DE", "app_version": "2.3.0"}
    return json.dumps(whole | changes)


def in_terminal(world: World, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Run a command with a terminal of that width on all three streams: its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    environ = {**world.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "sofetch", *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=world.folder, env=environ
    ) as process:
        os.close(theirs)
        output = _read_all(ours)
    os.close(ours)
    return process.returncode, output


def _read_all(descriptor: int) -> str:
    read = b""
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # Linux says EIO once the other side is closed
            break
        if not part:
            break
        read += part
    return read.decode()


def test_a_file_is_sent_line_by_line_as_it_is(world: World) -> None:
    file = world.folder / "events.jsonl"
    file.write_bytes(b'{"a":  1}\n\n \r\nnot json\r\n"last"')
    sent = world.sofetch("send", "events.jsonl", "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout) == {"queue": world.queue, "sent": 3, "not_json": 1, "refused": []}
    assert "4" in json.loads(sent.stderr)["warning"]
    seen = json.loads(world.sofetch("peek", "--show-pii", "--json").stdout)
    assert sorted(message["body"] for message in seen["messages"]) == ['"last"', "not json", '{"a":  1}']


def test_lines_that_cannot_be_sent_are_named_and_their_neighbours_are_sent(world: World) -> None:
    (world.folder / "x.jsonl").write_bytes(b"1\n" + b"x" * 1_048_577 + b"\n3\n\xff\n5\n")
    sent = world.sofetch("send", "x.jsonl")
    assert sent.returncode == 2
    assert "line" in sent.stderr
    assert "2 (longer than 1 MiB), 4 (not UTF-8)" in sent.stderr
    assert world.left_in_queue() == 3


def test_send_says_how_to_create_a_queue_that_is_missing_and_creates_it(world: World) -> None:
    missing = {"SOFETCH_SOURCE_QUEUE": f"{world.queue}-new"}
    refused = world.sofetch("send", "--synthetic", "3", environ=missing)
    assert refused.returncode == 3
    assert "--create-queue" in refused.stderr
    sent = world.sofetch("send", "--synthetic", "3", "--create-queue", environ=missing)
    assert "sent 3 made-up messages" in sent.stdout, sent.stderr


def test_the_same_seed_sends_the_same_messages(world: World) -> None:
    for _ in range(2):
        world.sofetch("send", "--synthetic", "4", "--seed", "9")
    seen = json.loads(world.sofetch("peek", "--show-pii", "--json").stdout)
    bodies = sorted(message["body"] for message in seen["messages"])
    assert len(bodies) == 8
    assert bodies[::2] == bodies[1::2]


def test_peek_takes_nothing_and_shows_personal_fields_masked(world: World) -> None:
    world.send(EXAMPLES.read_bytes().splitlines())
    peeked = world.sofetch("peek", "-n", "20", "--json")
    told = json.loads(peeked.stdout)
    assert (told["queue"], told["pii_shown"], len(told["messages"])) == (world.queue, False, 11)
    fitting = [message for message in told["messages"] if message["columns"]]
    assert len(fitting) == 10
    assert all(message["columns"]["masked_ip"].startswith("h1.k1.") for message in fitting)
    assert "199.172.111.135" not in peeked.stdout + peeked.stderr
    assert world.drain()["received"] == 11


def test_peek_without_a_keyring_hides_personal_fields_and_says_why(world: World) -> None:
    world.send([login()])
    peeked = world.sofetch("peek", environ={"SOFETCH_KEYRING": ""})
    assert peeked.returncode == 0, peeked.stderr
    assert peeked.stdout.count("«hidden»") == 2
    assert "u-1" in peeked.stdout
    assert "masked fields are hidden" in peeked.stderr


def test_peek_in_the_clear_says_so_on_stderr_even_when_quiet(world: World) -> None:
    world.send([login()])
    peeked = world.sofetch("peek", "--show-pii", "-q")
    assert "203.0.113.9" in peeked.stdout
    assert "personal data is shown in the clear" in peeked.stderr


def test_show_gives_rows_counts_and_repeated_tokens(world: World) -> None:
    world.send([*(login(user_id=f"u-{n}") for n in range(3)), login(device_id="dev-2"), "{}"])
    world.drain()
    told: dict[str, Any] = json.loads(
        world.sofetch("show", "--json", "--by", "masked_device_id", "--counts", "--limit", "2").stdout
    )
    assert len(told["rows"]) == 2
    [repeated] = told["duplicates"]["masked_device_id"]
    assert (repeated["rows"], repeated["value"][:6]) == (3, "h1.k1.")
    assert told["counts"] == {"rows": 4, "quarantined": {"missing_field": 1}}


def test_show_of_an_empty_table_says_what_that_means(world: World) -> None:
    shown = world.sofetch("show", "--by", "masked_ip")
    assert "user_logins is empty: nothing was loaded yet" in shown.stdout
    assert "no value of masked_ip repeats" in shown.stdout


def test_show_by_an_unknown_column_names_the_known_ones(world: World) -> None:
    refused = world.sofetch("show", "--by", "ip")
    assert refused.returncode == 2
    assert "masked_ip" in refused.stderr


def test_what_a_terminal_shows_fits_it_and_cannot_steer_it(world: World) -> None:
    world.send([login(locale=HOSTILE_LOCALE, user_id="日本語" * 20)])
    shown = [world.sofetch("peek", *options).stdout for options in ((), ("--show-pii",))]
    world.drain()
    shown.append(world.sofetch("show", "--wide", "--by", "locale").stdout)
    for columns in (40, 80, 200):
        code, output = in_terminal(world, "show", "--no-color", columns=columns)
        assert code == 0
        assert max(map(display_width, output.splitlines())) <= columns
        shown.append(output)
    for text in shown:
        assert "203.0.113.9" not in text or text is shown[1]
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert "DE" not in text
        assert "\ufffd" in text or "\\u001b" in text


def test_the_quarantine_tells_reasons_and_times_but_no_body(world: World) -> None:
    world.send(["canary-in-a-bad-body", login(ip=None), login(ip=None)])
    world.drain()
    listed = world.sofetch("quarantine", "list")
    assert "missing_field in masked_ip: 2 messages" in listed.stdout
    assert "not_json: 1 message" in listed.stdout
    entries = json.loads(world.sofetch("quarantine", "list", "--reason", "not_json", "--json").stdout)["entries"]
    assert [entry["reason"] for entry in entries] == ["not_json"]
    for name in (entries[0]["key"], entries[0]["message_id"]):
        one = world.sofetch("quarantine", "show", name)
        assert "sealed with key k1" in one.stdout, one.stderr
    assert not any("canary" in output for output in world.outputs)


def test_an_empty_quarantine_and_an_unknown_key_are_said(world: World) -> None:
    assert "the quarantine is empty" in world.sofetch("quarantine", "list").stdout
    assert world.sofetch("quarantine", "show", "nobody").returncode == 2


def test_the_printed_schema_is_what_applying_does_and_then_nothing_is_left(world: World) -> None:
    world.execute("DROP SCHEMA sofetch CASCADE")
    world.execute("DROP TABLE user_logins")
    printed = world.sofetch("schema").stdout
    assert "CREATE TABLE" in printed
    applied = json.loads(world.sofetch("schema", "--apply", "--json").stdout)["applied"]
    assert all(step["sql"].rstrip(";") in printed for step in applied)
    assert json.loads(world.sofetch("schema", "--json").stdout) == {"pending": []}
    assert "nothing to do" in world.sofetch("schema", "--apply").stdout


def test_an_integer_version_column_is_explained_and_widened_only_when_asked(world: World) -> None:
    world.execute("ALTER TABLE user_logins ALTER app_version TYPE integer USING NULL")
    plan = world.sofetch("schema")
    assert "-- ALTER TABLE" in plan.stdout
    assert "--widen" in plan.stderr
    world.sofetch("schema", "--apply")
    assert json.loads(world.sofetch("schema", "--json").stdout)["pending"] != []
    checked = world.sofetch("check")
    assert checked.returncode == 5
    assert "app_version" in checked.stdout
    assert "1 step applied" in world.sofetch("schema", "--apply", "--widen").stdout
    assert world.sofetch("check").returncode == 0


def test_check_of_a_ready_world_finds_no_error(world: World) -> None:
    checked = world.sofetch("check", "--json")
    told = json.loads(checked.stdout)
    assert (checked.returncode, told["ok"], told["errors"]) == (0, True, 0), checked.stdout
    places = {finding["where"].split()[0] for finding in told["findings"]}
    assert {"configuration", "keys", "queue", "database", "table"} <= places
    material = json.loads(KEYRING)["keys"][0]["material"]
    assert not any(material in output for output in world.outputs)


def test_check_goes_on_after_the_first_error_and_finds_them_all(world: World) -> None:
    missing = {
        "SOFETCH_KEYRING": "",
        "SOFETCH_SOURCE_QUEUE": "no-such-queue",
        "SOFETCH_SINK_DSN": "host=/nowhere password=hunter2",
    }
    checked = world.sofetch("check", "--json", environ=missing)
    assert checked.returncode == 5
    errors = [finding for finding in json.loads(checked.stdout)["findings"] if finding["severity"] == "error"]
    assert len(errors) == 3
    assert all(error["hint"] for error in errors)
    assert "hunter2" not in checked.stdout + checked.stderr


def test_check_finds_that_the_keys_are_not_those_of_the_tokens(world: World) -> None:
    world.send([login()])
    world.drain()
    other = KEYRING.replace(json.loads(KEYRING)["keys"][0]["material"], base64.b64encode(bytes(range(1, 33))).decode())
    checked = world.sofetch("check", "--json", environ={"SOFETCH_KEYRING": other})
    assert checked.returncode == 5
    [error] = [finding for finding in json.loads(checked.stdout)["findings"] if finding["severity"] == "error"]
    assert error["code"] == "keys_differ"
    assert "kid k1" in error["what"]


def test_run_can_apply_the_schema_first(world: World) -> None:
    world.execute("DROP SCHEMA sofetch CASCADE")
    world.execute("DROP TABLE user_logins")
    world.send([login()])
    assert world.sofetch("run", "--drain").returncode == 3
    assert world.sofetch("run", "--drain", "--apply-schema").returncode == 0
    assert world.count("user_logins") == 1


def test_run_without_a_terminal_writes_json_lines_and_a_table(world: World) -> None:
    world.send([login(), "{}"])
    done = world.sofetch("run", "--drain")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines() if line.startswith("{")]
    assert (events[0], events[-1]) == ("worker_started", "stopped")
    assert "loaded       1  rows in the table" in done.stdout
    assert "quarantined  1  missing_field 1" in done.stdout


def test_a_run_that_cannot_start_ends_with_one_failed_event_and_its_exit_code(world: World) -> None:
    refused = world.sofetch("run", environ={"SOFETCH_SOURCE_QUEUE": "no-such-queue"})
    assert refused.returncode == 3
    [failed] = [json.loads(line) for line in refused.stderr.splitlines()]
    assert (failed["event"], failed["level"]) == ("failed", "error")
    assert failed["hint"]


def test_run_in_a_terminal_shows_a_live_line_and_then_the_summary(world: World) -> None:
    world.send([login(user_id=f"u-{n}") for n in range(30)])
    code, output = in_terminal(world, "run", "--drain")
    assert code == 0
    assert "Ctrl-C drains and stops" in output
    assert "loaded       30  rows in the table" in output
    assert "the queue is empty after" in output


def test_quiet_leaves_only_the_result(world: World) -> None:
    world.send([login(), "{}"])
    done = world.sofetch("run", "--drain", "--json", "-q")
    assert json.loads(done.stdout)["loaded"] == 1
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["messages_quarantined", "new_drift"]


def test_init_infers_a_configuration_from_a_queue_and_takes_nothing(world: World) -> None:
    world.send(EXAMPLES.read_bytes().splitlines())
    made = world.sofetch("init", "--from-queue", "--queue", world.queue, "--table", "seen", "-o", "new.toml")
    assert made.returncode == 0, made.stderr
    assert world.left_in_queue() == 11
    text = (world.folder / "new.toml").read_text()
    assert "mask" in text
    assert "199.172.111.135" not in text
    assert world.sofetch("check", "--offline", "-c", "new.toml").returncode == 0


def test_ctrl_c_outside_of_a_run_exits_as_interrupted(world: World) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "sofetch", "send", "-"],
        cwd=world.folder,
        env=world.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert waiting.stdin is not None
    waiting.stdin.write(login().encode() + b"\n" + b'{"x": 1}\n' * 20)
    waiting.stdin.flush()
    while world.left_in_queue() < 10:  # it is past its start once a batch is there
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert b"Traceback" not in errors
