"""Where the connection string comes from, and that no error shows any of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.errors import ConfigError
from sofetch.load.dsn import resolve_dsn
from sofetch.settings import SinkSettings


def sink(**changes: str | None) -> SinkSettings:
    return SinkSettings(table="t", **changes)  # type: ignore[arg-type]  # only the two text settings are given


def private(folder: Path, text: str, *, mode: int = 0o600) -> str:
    file = folder / "dsn"
    file.write_text(text)
    file.chmod(mode)
    return str(file)


def test_the_environment_wins_over_the_file_and_the_file_over_the_configuration(tmp_path: Path) -> None:
    settings = sink(dsn="dbname=configured", dsn_file=private(tmp_path, "dbname=filed\n"))
    assert resolve_dsn(settings, environ={"SOFETCH_SINK_DSN": "dbname=environment"}) == "dbname=environment"
    assert resolve_dsn(settings, environ={"SOFETCH_SINK_DSN": ""}) == "dbname=filed"
    assert resolve_dsn(sink(dsn="dbname=configured"), environ={}) == "dbname=configured"


def test_no_database_at_all_names_every_way_to_give_one() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_dsn(sink(), environ={})
    assert "SOFETCH_SINK_DSN" in caught.value.hint
    assert "dsn_file" in caught.value.hint


def test_a_password_does_not_belong_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="holds a password") as caught:
        resolve_dsn(sink(dsn="postgresql://u:kanarie@h/d"), environ={})
    assert "kanarie" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="read by others") as caught:
        resolve_dsn(sink(dsn_file=private(tmp_path, "dbname=x", mode=mode)), environ={})
    assert "chmod 600" in caught.value.hint


def test_a_file_that_is_missing_or_empty_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve_dsn(sink(dsn_file=str(tmp_path / "none")), environ={})
    with pytest.raises(ConfigError, match="is empty"):
        resolve_dsn(sink(dsn_file=private(tmp_path, "\n")), environ={})


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8))
def test_whatever_is_no_connection_string_is_never_shown(text: str) -> None:
    secret = f"kanarie {text}"
    with pytest.raises(ConfigError) as caught:
        resolve_dsn(sink(), environ={"SOFETCH_SINK_DSN": secret})
    assert "kanarie" not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__
