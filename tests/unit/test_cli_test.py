"""``sofetch test``: which cases it runs, how it tells of them, and how it writes first ones."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from sofetch.cli.root import root
from sofetch.presets.synthetic import example_logins

GOOD = '[[case]]\nname = "no login"\nmessage = { foo = 1 }\nrejection = "missing_field"\n'
BAD = '[[case]]\nname = "bad\\u0007"\nmessage = { foo = 1 }\nrow = {}\n'


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SOFETCH_KEYRING", "SOFETCH_KEYRING_FILE", "SOFETCH_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert sofetch("init", "-q").exit_code == 0


def sofetch(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(root, list(arguments), input=given)


def test_the_cases_beside_the_configuration_are_run_without_any_key(tmp_path: Path) -> None:
    (tmp_path / "sofetch.tests.toml").write_text(GOOD)
    result = sofetch("test")
    assert (result.exit_code, result.stdout) == (0, "✓ 1 case passed\n")
    assert "no case expects a value of user_id" in result.stderr


def test_a_case_that_does_not_hold_ends_with_a_finding_and_both_sides(tmp_path: Path) -> None:
    (tmp_path / "sofetch.tests.toml").write_text(GOOD + BAD)
    result = sofetch("test")
    assert result.exit_code == 5
    assert "✗ bad\ufffd  sofetch.tests.toml:5" in result.stdout
    assert "expected  a row\n    got       a rejection: missing_field in user_id" in result.stdout
    assert "1 of 2 cases failed" in result.stdout


def test_verdicts_can_be_had_as_json_and_as_junit(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(GOOD)
    (tmp_path / "two.toml").write_text(BAD)
    result = sofetch("test", "one.toml", "two.toml", "--json", "--junit", "report.xml")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["passed"], told["failed"]) == (5, False, 1, 1)
    assert [case["ok"] for case in told["cases"]] == [True, False]
    suite = ET.fromstring((tmp_path / "report.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("classname") for case in suite] == ["one.toml", "two.toml"]


@pytest.mark.parametrize("options", [(), ("missing.toml",), ("--junit", "x.xml", "missing.toml")])
def test_a_file_of_tests_that_is_not_there_says_how_to_make_one(options: tuple[str, ...]) -> None:
    result = sofetch("test", *options)
    assert result.exit_code == 2
    assert "there is no file of tests" in result.stderr or "there is no file of tests" in result.output


@pytest.mark.parametrize(
    "options", [("--from", "x"), ("--force",), ("--write",), ("--write", "--from", "x", "--from-queue"), ("-o", "x")]
)
def test_options_that_do_not_go_together_are_refused(options: tuple[str, ...]) -> None:
    assert sofetch("test", *options).exit_code == 2


def test_written_cases_pass_and_hold_no_personal_value(tmp_path: Path) -> None:
    bodies = example_logins()
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(bodies))
    result = sofetch("test", "--write", "--from", "events.jsonl")
    assert (result.exit_code, result.stdout) == (0, "wrote sofetch.tests.toml: 3 cases\n")
    text = (tmp_path / "sofetch.tests.toml").read_text()
    for body in bodies:
        sent = json.loads(body)
        assert not any(str(sent[field]) in text for field in ("user_id", "ip", "device_id") if field in sent)
    assert [case["name"] for case in tomllib.loads(text)["case"]] == [
        "a row",
        "a row without locale",
        "missing_field in user_id",
    ]
    again = sofetch("test")
    assert (again.exit_code, again.stderr) == (0, "")


def test_written_cases_never_replace_a_file_unless_told_to(tmp_path: Path) -> None:
    (tmp_path / "sofetch.tests.toml").write_text(GOOD)
    lines = b"\n".join(example_logins()).decode()
    assert sofetch("test", "--write", "--from", "-", given=lines).exit_code == 2
    assert (tmp_path / "sofetch.tests.toml").read_text() == GOOD
    assert sofetch("test", "--write", "--from", "-", "--force", "-n", "1", given=lines).exit_code == 0
    assert (tmp_path / "sofetch.tests.toml").read_text().count("[[case]]") == 1
