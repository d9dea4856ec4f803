"""``sofetch completion``: printed, installed where the shell looks, and taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sofetch.cli.completion import place, shell_of
from sofetch.cli.root import root

PLACES = [
    ("bash", ".local/share/bash-completion/completions/sofetch"),
    ("zsh", ".local/share/zsh/site-functions/_sofetch"),
    ("fish", ".config/fish/completions/sofetch.fish"),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "BASH_COMPLETION_USER_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    return tmp_path


def sofetch(*arguments: str) -> Result:
    return CliRunner().invoke(root, list(arguments))


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_scripts_are_printed_even_with_json(shell: str, word: str) -> None:
    assert word in sofetch("--json", "completion", shell).stdout


def test_completion_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SOFETCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "sofetch run --dr")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert sofetch().stdout.strip() == "plain,--drain"


@pytest.mark.parametrize(("shell", "where"), PLACES)
def test_installing_twice_writes_one_file_and_uninstalling_removes_it(home: Path, shell: str, where: str) -> None:
    first, second = (json.loads(sofetch("completion", "install", shell, "--json").stdout) for _ in range(2))
    assert (first["done"], second["done"], first["path"]) == ("installed", "unchanged", str(home / where))
    assert [path for path in home.rglob("*") if path.is_file()] == [home / where]
    assert sofetch("completion", "uninstall", shell).stdout == f"removed: {home / where}\n"
    assert sofetch("completion", "uninstall", shell).stdout == f"not there: {home / where}\n"
    assert not (home / where).exists()


def test_a_script_of_an_older_version_is_renewed(home: Path) -> None:
    path = home / PLACES[0][1]
    path.parent.mkdir(parents=True)
    path.write_text("_SOFETCH_COMPLETE=old\n")
    assert sofetch("completion", "install").stdout == f"renewed: {path}\n"
    assert "bash_complete" in path.read_text()


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_a_file_of_another_is_left_as_it_is(home: Path, action: str) -> None:
    path = home / PLACES[0][1]
    path.parent.mkdir(parents=True)
    path.write_text("# mine\n")
    result = sofetch("completion", action)
    assert result.exit_code == 2
    assert "move it away first" in result.stderr
    assert path.read_text() == "# mine\n"


def test_the_shell_is_found_by_its_variable_and_an_unknown_one_is_asked_for() -> None:
    assert shell_of({"SHELL": "/usr/local/bin/fish"}) == "fish"
    with pytest.raises(click.UsageError, match="name bash, zsh or fish"):
        shell_of({"SHELL": "/bin/dash"})
    with pytest.raises(click.UsageError, match="not set"):
        shell_of({})


def test_the_users_own_folders_are_kept_to() -> None:
    own = {"HOME": "/h", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"}
    assert place("bash", own) == Path("/d/bash-completion/completions/sofetch")
    assert place("bash", own | {"BASH_COMPLETION_USER_DIR": "/b"}) == Path("/b/completions/sofetch")
    assert place("fish", own) == Path("/c/fish/completions/sofetch.fish")


def test_a_real_bash_completes_after_it(home: Path) -> None:
    sofetch("completion", "install", "bash")
    asked = 'COMP_WORDS=(sofetch rotat) COMP_CWORD=1; source "$1"; _sofetch_completion sofetch; echo "${COMPREPLY[@]}"'
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", asked, "bash", str(home / PLACES[0][1])]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "rotate\n"
