"""What `sofetch console` does before it listens: it lets go of keys, and says what is not installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner

import sofetch.cli.console as command
from sofetch.cli import staged
from sofetch.cli.root import root
from sofetch.config import preset
from sofetch.console import opening
from sofetch.errors import ConfigError

SEVERAL = """
[pipelines.visits]
source.queue = "v"
sink.table = "visits"
column = [{ name = "id" }]

[pipelines.orders]
source.queue = "o"
sink.table = "orders"
column = [{ name = "id" }]
"""


def test_no_key_is_left_in_its_environment_once_it_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFETCH_KEYRING", "a keyring")
    monkeypatch.setenv("SOFETCH_REVERSIBLE_KEYRING", "another")
    (tmp_path / "sofetch.toml").write_text(preset("logins"))
    found: list[str] = []

    def opened(*_: object, **__: object) -> NoReturn:
        found.extend(name for name in os.environ if name.startswith("SOFETCH_") and "KEYRING" in name)
        raise ConfigError("this is as far as it goes")

    monkeypatch.setattr(opening, "opened", opened)
    done = CliRunner().invoke(root, ["console", "-c", str(tmp_path / "sofetch.toml")])
    assert "this is as far as it goes" in done.stderr
    assert found == []


@pytest.mark.parametrize("arguments", [["console"], ["demo", "--console"]])
def test_where_the_extra_is_missing_it_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def stage(**_: object) -> NoReturn:
        raise AssertionError("the demo was begun")

    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "uvicorn" else object())
    monkeypatch.setattr(staged, "stage", stage)
    done = CliRunner().invoke(root, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "pip install 'sofetch[console]'" in done.stderr


def test_it_is_of_one_pipeline_and_is_told_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOFETCH_KEYRING", "SOFETCH_REVERSIBLE_KEYRING"):  # which it takes out of its environment
        monkeypatch.delenv(name, raising=False)
    file, asked = tmp_path / "sofetch.toml", dict[str, list[str]]()
    file.write_text(SEVERAL)

    def opened(settings: Any, _wanted: object, *, others: list[Any], **_known: object) -> NoReturn:
        asked[settings.pipeline_name] = [other.pipeline_name for other in others]
        raise ConfigError("enough")

    monkeypatch.setattr(opening, "opened", opened)
    for name in ("visits", "orders"):
        CliRunner().invoke(root, ["console", "-c", str(file), "--pipeline", name])
    assert asked == {"visits": ["orders"], "orders": ["visits"]}
