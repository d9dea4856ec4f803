"""The frame of the command line: shared options, failures, exit codes, and what is never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sofetch.cli import root as root_module
from sofetch.cli.failure import report
from sofetch.cli.frame import Frame, command, command_with_members
from sofetch.cli.root import Entry, root
from sofetch.cli.root import load as real_load
from sofetch.errors import ConfigError, KeyringError, SinkRefused, SofetchError, SourceUnavailable

CANARY = "canary-593-47-5928"


@command("probe", example="sofetch probe")
@click.option("--fail", default="", help="How.")
def probe(frame: Frame, *, fail: str) -> None:
    """Show what the frame says, or fail."""
    failures: dict[str, BaseException] = {
        "config": ConfigError("the file is odd", hint="make it even"),
        "keys": KeyringError("no key"),
        "queue": SourceUnavailable("no answer"),
        "database": SinkRefused("no table"),
        "unexpected": ValueError(CANARY),
        "interrupt": KeyboardInterrupt(),
        "pipe": BrokenPipeError(),
    }
    if fail:
        raise failures[fail]
    frame.data({"config": frame.config, "json": frame.json, "quiet": frame.quiet})


@command_with_members("probes", example="sofetch probes")
@click.option("--deep", is_flag=True, help="Deeper.")
def probes(frame: Frame, *, deep: bool) -> None:
    """Show what the frame says, with a member that does the same."""
    frame.data({"alone": True, "deep": deep, "json": frame.json})


probes.add_command(probe)


@pytest.fixture(autouse=True)
def with_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = (Entry("probe", f"{__name__}:probe", "Probe."), Entry("probes", f"{__name__}:probes", "Probes."))
    monkeypatch.setattr(root_module, "SECTIONS", {"Probes": entries})
    monkeypatch.setattr(root_module, "load", lambda entry: probe if entry.name == "probe" else probes)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(root, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "a.toml", "--json", "-q", "probe"),
        ("probe", "-c", "a.toml", "--json", "-q"),
        ("-c", "b.toml", "--json", "probe", "--config", "a.toml", "--quiet"),
    ],
)
def test_shared_options_stand_before_or_after_the_command_and_after_wins(arguments: tuple[str, ...]) -> None:
    code, out, _ = run(*arguments)
    assert code == 0
    assert json.loads(out) == {"config": "a.toml", "json": True, "quiet": True}


def test_a_command_with_members_does_its_own_thing_where_none_is_named() -> None:
    assert json.loads(run("probes", "--deep", "--json")[1]) == {"alone": True, "deep": True, "json": True}


def test_a_member_runs_alone_and_knows_the_shared_options_given_before_it() -> None:
    code, out, _ = run("probes", "-c", "a.toml", "--json", "probe", "-q")
    assert code == 0
    assert json.loads(out) == {"config": "a.toml", "json": True, "quiet": True}


def test_an_option_of_the_command_itself_before_a_member_is_refused_and_not_ignored() -> None:
    code, out, err = run("probes", "--deep", "probe")
    assert (code, out) == (2, "")
    assert "--deep says nothing to `sofetch probes probe`" in err


@pytest.mark.parametrize(
    ("fail", "code"),
    [("config", 2), ("keys", 4), ("queue", 3), ("database", 3), ("unexpected", 1), ("interrupt", 130), ("pipe", 141)],
)
def test_each_failure_has_its_exit_code_and_no_stack(fail: str, code: int) -> None:
    given, out, err = run("probe", "--fail", fail)
    assert given == code
    assert out == ""
    assert "Traceback" not in err


def test_a_users_mistake_says_what_and_what_to_do() -> None:
    assert run("probe", "--fail", "config")[2] == "error: the file is odd\n  → make it even\n"


def test_with_json_a_failure_is_one_json_object_on_stderr() -> None:
    _, out, err = run("probe", "--json", "--fail", "config")
    assert out == ""
    assert json.loads(err) == {
        "error": {"code": "config", "what": "the file is odd", "hint": "make it even", "exit_code": 2}
    }


def test_a_usage_error_is_json_too() -> None:
    code, _, err = run("--json", "probe", "--nonsense")
    assert code == 2
    assert json.loads(err)["error"]["code"] == "usage"


def test_an_unknown_command_is_a_usage_error_with_a_way_out() -> None:
    code, _, err = run("prode")
    assert code == 2
    assert "No such command 'prode'" in err
    assert "→ sofetch --help" in err


def test_an_unexpected_error_shows_its_type_and_place_but_never_its_text() -> None:
    _, _, err = run("probe", "--fail", "unexpected")
    assert "ValueError" in err
    assert "SOFETCH_TRACEBACK=1" in err
    assert CANARY not in err


def test_the_stack_that_can_be_asked_for_holds_no_text_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFETCH_TRACEBACK", "1")
    _, _, err = run("probe", "--fail", "unexpected")
    assert "in probe" in err
    assert CANARY not in err


def test_the_place_is_the_innermost_line_of_our_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="Expecting value") as caught:
        json.loads(CANARY)
    report(caught.value, as_json=False)
    assert "an unknown place" in capsys.readouterr().err
    with pytest.raises(TypeError) as caught_inside:
        real_load(Entry("x", "json:loads", ""))
    report(caught_inside.value, as_json=False)
    assert "at sofetch.cli.root:" in capsys.readouterr().err


def test_a_pipe_that_closes_is_quiet() -> None:
    assert run("probe", "--fail", "pipe")[2] == ""


def test_no_arguments_show_the_help_and_count_as_a_mistake() -> None:
    code, _, err = run()
    assert code == 2
    assert err.startswith("Usage: sofetch")


def test_a_failure_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(SofetchError("a\x1b[31mb", hint="c\x1b]0;title\x07"), as_json=False)
    assert "\x1b" not in capsys.readouterr().err


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda _stream=None, color=None: color is False)


@pytest.mark.usefixtures("colourful")
def test_colour_is_shown_where_the_terminal_has_it_and_can_be_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "")

    def failing(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            root.main([*arguments, "probe", "--fail", "config"])
        return capsys.readouterr().err

    assert "\x1b[" in failing()
    assert "\x1b[" not in failing("--no-color")
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b[" in failing()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in failing()


def test_an_exception_in_a_thread_is_told_without_its_text() -> None:
    code = (
        "import threading\n"
        "from sofetch.cli.failure import hide_data_in_tracebacks\n"
        "hide_data_in_tracebacks()\n"
        "def fail(): raise ValueError('" + CANARY + "')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "fail()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.count("unexpected ValueError") == 2
    assert CANARY not in done.stderr


@pytest.mark.parametrize("start", ["sofetch.cli.main()", "import sofetch.spark.command as it; it.main()"])
def test_a_library_that_warns_is_named_and_its_words_are_not_shown(start: str) -> None:
    """As psycopg does of an error that it ignores, whose text holds the row. Python itself would print it."""
    code = (
        "import logging, warnings, click, sofetch.cli, sofetch.cli.root, sofetch.spark.command\n"
        "@click.command(context_settings={'ignore_unknown_options': True})\n"
        "def warn():\n"
        "    for _ in 'ab': logging.getLogger('psycopg').warning('error ignored: %s', ValueError('" + CANARY + "'))\n"
        "    try: raise ValueError('" + CANARY + "')\n"
        "    except ValueError: logging.getLogger('botocore').exception('" + CANARY + "')\n"
        "    warnings.warn('" + CANARY + "', stacklevel=1)\n"
        "sofetch.cli.root.root = sofetch.spark.command.spark = warn\n"
        f"{start}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [
        ["warning:", "psycopg"],
        ["warning:", "botocore"],
        ["warning:", "py.warnings"],
    ]
    assert CANARY not in done.stderr + done.stdout
    assert done.returncode == 0


def test_a_reader_that_leaves_ends_the_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "sofetch", "version"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 141


def test_a_terminal_without_unicode_does_not_end_the_command(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "sofetch", "-c", str(tmp_path / "none.toml"), "nonsense"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "? sofetch --help" in done.stderr


def test_hooks_are_left_alone_in_a_program_that_uses_the_library() -> None:
    assert threading.excepthook.__module__ != "sofetch.cli.failure"


@pytest.mark.parametrize("dsn", [f"postgresql://app:{CANARY}@db/app", f"host=db password={CANARY}"])
def test_a_password_in_a_misplaced_argument_is_not_repeated(dsn: str) -> None:
    code, _, stderr = run("probe", dsn)
    assert code == 2
    assert "unexpected extra argument" in stderr
    assert CANARY not in stderr
