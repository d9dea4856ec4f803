"""What runs on a machine of one's own, read as text: the systemd unit, and the example for pgBackRest."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from sofetch.config import describe_settings
from sofetch.errors import ExitCode
from sofetch.settings import SinkSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "examples/systemd/sofetch.service"
PAGE = ROOT / "docs/deploy/systemd.md"
PGBACKREST = ROOT / "deploy/pgbackrest/pgbackrest.conf"


def unit() -> dict[str, dict[str, list[str]]]:
    """Its sections: the values of each key, which may be there several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if opened := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(opened[1], {})
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            section.setdefault(key, []).append(value)
    return sections


def service(key: str) -> str:
    [value] = unit()["Service"][key]
    return value


def test_a_service_is_given_the_time_it_needs_to_stop_and_the_signals_that_it_knows() -> None:
    needed = SinkSettings(table="t").statement_timeout_seconds + WorkerSettings().shutdown_grace_seconds
    assert needed < int(service("TimeoutStopSec"))
    assert service("KillSignal") == "SIGTERM"
    assert service("ExecReload") == "/bin/kill -HUP $MAINPID"


def test_workers_of_several_processes_hear_of_a_stop_once() -> None:
    """systemd's default sends SIGTERM to each, and so does their supervisor: the second would end them at once."""
    assert service("KillMode") == "mixed"


def test_each_line_that_the_page_explains_is_in_the_unit() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## What the unit says")[2].partition("\n\nA stop")[0]
    explained = re.findall(r"`(\w+=[^`]+)`", "".join(row.split("|")[1] for row in table.splitlines() if "|" in row))
    assert len(explained) > 10
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert [line for line in explained if line not in lines] == []


def test_a_service_is_not_started_again_where_only_a_person_can_mend() -> None:
    never = {ExitCode(int(code)) for code in service("RestartPreventExitStatus").split()}
    assert never == {ExitCode.USAGE, ExitCode.KEYS}
    assert (service("Restart"), unit()["Unit"]["StartLimitIntervalSec"]) == ("on-failure", ["0"])


def test_the_variables_that_a_service_sets_are_settings_and_no_secret() -> None:
    variables = [value.partition("=")[0] for value in unit()["Service"]["Environment"]]
    known = {setting.env for setting in describe_settings()} | {"SOFETCH_CONFIG", "SOFETCH_KEYRING_FILE"}
    assert set(variables) <= known
    assert not any("DSN" in name for name in variables)
    assert service("ExecStart") == "/opt/sofetch/bin/sofetch run"


def test_a_service_may_do_little_and_leaves_no_core() -> None:
    assert service("User") == "sofetch"
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert service(key) == "yes"
    assert (service("ProtectSystem"), service("LimitCORE")) == ("strict", "1")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/sofetch/bin/sofetch", "/bin/true"), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert UNIT.name not in done.stderr


def pgbackrest() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read_string(PGBACKREST.read_text(encoding="utf-8"))
    return parser


def test_backups_are_encrypted_and_the_passphrase_is_not_in_the_file() -> None:
    repository = pgbackrest()["global"]
    assert repository["repo1-cipher-type"] == "aes-256-cbc"
    assert not any(re.search(r"cipher-pass|-key$|key-secret|token", name) for name in repository)
    assert repository["repo1-s3-key-type"] == "auto"
    assert int(repository["repo1-retention-full"]) >= 2


def test_the_database_of_a_backup_is_named_as_the_commands_on_the_page_name_it() -> None:
    parser = pgbackrest()
    [stanza] = [name for name in parser.sections() if name != "global"]
    page = (ROOT / "docs/recovery.md").read_text(encoding="utf-8")
    named = re.findall(r"pgbackrest --stanza=(\S+)", page + PGBACKREST.read_text(encoding="utf-8"))
    assert set(named) == {stanza}
    assert parser[stanza]["pg1-path"] in page
