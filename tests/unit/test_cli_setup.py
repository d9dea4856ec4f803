"""The commands that set things up without a server: keys, init, settings, completion, version, check --offline."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sofetch import __version__
from sofetch.cli.root import root
from sofetch.config import describe_settings, load_config
from sofetch.keys import load_keyring_file


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sofetch(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(root, list(arguments), input=given)


def test_new_keys_go_into_a_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    result = sofetch("keys", "new", "-o", "ring.json")
    assert result.exit_code == 0
    assert stat.S_IMODE((tmp_path / "ring.json").stat().st_mode) == 0o600
    assert load_keyring_file(tmp_path / "ring.json").primary.kid == "k1"
    assert f"export SOFETCH_KEYRING_FILE={tmp_path}/ring.json" in result.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_key_itself_is_never_shown(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = sofetch("keys", "new", *options)
    material = json.loads((tmp_path / "keyring.json").read_text())["keys"][0]["material"]
    assert material not in result.output
    assert "fingerprint" in result.output


def test_an_existing_keyring_is_never_overwritten(tmp_path: Path) -> None:
    sofetch("keys", "new")
    before = (tmp_path / "keyring.json").read_bytes()
    again = sofetch("keys", "new", "--json")
    assert again.exit_code == 4
    assert "exists already" in json.loads(again.stderr)["error"]["what"]
    assert (tmp_path / "keyring.json").read_bytes() == before


def test_a_kid_that_is_none_makes_no_file(tmp_path: Path) -> None:
    assert sofetch("keys", "new", "--kid", "Not a kid").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_init_writes_a_configuration_that_loads_and_says_the_next_steps(tmp_path: Path) -> None:
    result = sofetch("init")
    assert result.exit_code == 0
    assert load_config(tmp_path / "sofetch.toml", environ={}).sink.table == "user_logins"
    for step in ("keys new", "check", "schema --apply", "run"):
        assert f"sofetch {step}" in result.stderr


def test_init_puts_the_given_queue_and_table_into_the_preset(tmp_path: Path) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/1/odd-\\d-name"
    assert sofetch("init", "--queue", url, "--table", "app.logins", "-o", "x.toml").exit_code == 0
    settings = load_config(tmp_path / "x.toml", environ={})
    assert (settings.source.queue, settings.sink.table) == (url, "app.logins")


def test_init_replaces_a_file_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "sofetch.toml").write_text("mine")
    refused = sofetch("init")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert (tmp_path / "sofetch.toml").read_text() == "mine"
    assert sofetch("init", "--force").exit_code == 0
    assert (tmp_path / "sofetch.toml").read_text() != "mine"


def test_init_prints_to_stdout_when_asked() -> None:
    assert tomllib.loads(sofetch("init", "-o", "-").stdout)["sink"]["table"] == "user_logins"


@pytest.mark.parametrize("options", [("--preset", "logins", "--from", "x"), ("--from-queue", "--from", "x")])
def test_init_has_one_source(options: tuple[str, ...]) -> None:
    assert sofetch("init", *options).exit_code == 2


def test_an_unknown_preset_names_those_that_exist() -> None:
    refused = sofetch("init", "--preset", "nope")
    assert refused.exit_code == 2
    assert "logins" in refused.stderr


def test_init_infers_columns_and_masks_from_messages(tmp_path: Path) -> None:
    lines = [{"id": number, "email": f"user{number}@example.org", "amount": 1.5} for number in range(30)]
    given = "\n\n".join(map(json.dumps, lines))
    result = sofetch("init", "--from", "-", "--queue", "orders", "--table", "orders", given=given)
    assert result.exit_code == 0, result.stderr
    columns = load_config(tmp_path / "sofetch.toml", environ={}).column
    assert [column.from_ or column.name for column in columns if column.mask] == ["email"]
    assert "user1@example.org" not in (tmp_path / "sofetch.toml").read_text()


def test_init_says_where_there_is_more_than_it_looked_at(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text('{"a": 1}\n' * 2_000)
    assert "only the first" not in sofetch("init", "--from", "all.jsonl").stderr
    (tmp_path / "more.jsonl").write_text('{"a": 1}\n' * 2_001)
    result = sofetch("init", "--from", "more.jsonl", "--force", "--quiet")
    assert "only the first 2,000 messages were looked at" in result.stderr


def test_init_from_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert "holds no message" in sofetch("init", "--from", "empty.jsonl").stderr
    assert "cannot be read" in sofetch("init", "--from", "missing.jsonl").stderr


def test_every_setting_is_listed_with_its_variable_and_description() -> None:
    words = " ".join(sofetch("settings").stdout.split())
    for setting in describe_settings():
        assert setting.env in words
        assert setting.description in words
    assert len(json.loads(sofetch("settings", "--json").stdout)) == len(describe_settings())


def test_the_json_schema_is_json_with_its_dialect() -> None:
    assert "2020-12" in json.loads(sofetch("settings", "--json-schema").stdout)["$schema"]


def test_the_version_names_what_it_stands_on() -> None:
    assert sofetch("--version").stdout == f"sofetch {__version__} (from a checkout)\n"
    told = json.loads(sofetch("version", "--json").stdout)
    assert (told["sofetch"], told["build"]) == (__version__, None)
    assert {"botocore", "psycopg", "cryptography", "msgspec"} <= set(told["libraries"])


def test_check_offline_is_content_with_a_preset_and_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sofetch("init")
    sofetch("keys", "new")
    monkeypatch.setenv("SOFETCH_KEYRING_FILE", str(tmp_path / "keyring.json"))
    result = sofetch("check", "--offline")
    assert result.exit_code == 0, result.output
    assert "✓ keys: primary key k1" in result.stdout


def test_check_without_keys_finds_that_and_says_what_to_do() -> None:
    sofetch("init")
    result = sofetch("check", "--offline", "--json")
    assert result.exit_code == 5
    told = json.loads(result.stdout)
    [error] = [finding for finding in told["findings"] if finding["severity"] == "error"]
    assert (told["ok"], told["errors"], error["where"]) == (False, 1, "keys")
    assert "sofetch keys new" in error["hint"]


def test_check_of_a_broken_configuration_names_the_line_and_stops_there(tmp_path: Path) -> None:
    (tmp_path / "sofetch.toml").write_text('[source]\nqueue = "q"\n[sink]\ntabel = "t"\n[[column]]\nname = "a"\n')
    result = sofetch("check")
    assert result.exit_code == 5
    assert "✗ sofetch.toml:4: " in result.stdout
    assert "keys" not in result.stdout


def test_check_without_a_configuration_is_a_finding_too() -> None:
    result = sofetch("check")
    assert result.exit_code == 5
    assert "sofetch init" in result.stdout


def test_a_check_of_the_configuration_alone_asks_for_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFETCH_KEYRING", raising=False)
    monkeypatch.delenv("SOFETCH_KEYRING_FILE", raising=False)
    sofetch("init", "--preset", "logins")
    alone = sofetch("check", "--config-only")
    assert (alone.exit_code, alone.stdout.splitlines()[-1]) == (0, "all is well: the configuration would work")
    assert sofetch("check", "--offline").exit_code == 5


def test_init_says_how_tests_are_written_from_the_same_messages(tmp_path: Path) -> None:
    (tmp_path / "my events.jsonl").write_text('{"id": 1}\n')
    result = sofetch("init", "--from", "my events.jsonl", "-o", "other.toml")
    assert "sofetch test --write --from 'my events.jsonl' -c other.toml" in result.stderr
    assert "sofetch test" not in sofetch("init", "--force").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "x", "--queue"), "choose one"),
        (("--no-table",), "nothing to compare"),
        (("--sql", "--json"), "--sql goes with neither"),
        (("--from", "absent.jsonl"), "cannot be read"),
    ],
)
def test_a_comparison_that_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    sofetch("init")
    done = sofetch("schema", "diff", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
