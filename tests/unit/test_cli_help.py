"""Every command documents itself, and its help is quick: nothing slow is imported to show it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from sofetch.cli.frame import Documented
from sofetch.cli.root import SECTIONS, load, root

SLOW = {"boto3", "botocore", "psycopg", "cryptography", "rich", "msgspec", "starlette", "uvicorn", "jinja2"}


def every_command() -> Iterator[tuple[list[str], click.Command]]:
    for entries in SECTIONS.values():
        for entry in entries:
            yield from walk([entry.name], load(entry))


def walk(path: list[str], command: click.Command) -> Iterator[tuple[list[str], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from walk([*path, name], child)


COMMANDS = list(every_command())


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_command_has_a_description_an_example_and_its_environment(
    path: list[str], command: click.Command
) -> None:
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0
    assert command.help
    assert isinstance(command, Documented)
    assert command.example.startswith(("sofetch ", "head ", "echo "))
    for title in ("Options:", "Example:", "Environment:"):
        assert f"\n{title}\n" in result.output
    assert max(map(len, result.output.splitlines())) <= 100


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_every_option_is_described(path: list[str], command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_the_examples_are_command_lines_that_parse(path: list[str], command: click.Command) -> None:
    assert isinstance(command, Documented)
    for line in command.example.splitlines():
        if line.startswith(f"sofetch {' '.join(path)}"):
            words = line.partition("#")[0].partition("|")[0].partition(">")[0].split()[1 + len(path) :]
            command.make_context(" ".join(path), [word.replace("'", "") for word in words])


def test_the_root_lists_each_command_with_one_line() -> None:
    output = CliRunner().invoke(root, ["--help"]).output
    for entries in SECTIONS.values():
        for entry in entries:
            assert f"  {entry.name} " in output
            assert entry.help in output


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys\n"
        "from sofetch.cli import main\n"
        "sys.argv = ['sofetch', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: sofetch" in done.stdout
    assert SLOW & {module.partition(".")[0] for module in done.stderr.split()} == set()


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_the_help_of_a_command_imports_no_vendor(path: list[str]) -> None:
    code = (
        "import sys\n"
        "from sofetch.cli import main\n"
        f"sys.argv = ['sofetch', *{path!r}, '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (SLOW - {"msgspec"}) & {module.partition(".")[0] for module in done.stderr.split()} == set()
