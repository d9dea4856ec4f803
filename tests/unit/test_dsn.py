"""Where the connection string comes from, and that no error shows any of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

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


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:kanarie/x@h/db",
        "postgresql://u:12/kanarie@h/db",
        "postgresql://u:x@kanarie@h/db",
        "postgresql://u:x@kan/arie@h/db",
        "postgresql://kanarie@h@x/db",
        "postgresql://h:kanarie/db",
        "host=h port=kanarie",
    ],
)
def test_a_password_that_would_count_as_another_part_is_refused_before_that_is_looked_up(dsn: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_dsn(sink(), environ={"SOFETCH_SINK_DSN": dsn})
    assert not {part for part in ("kan", "arie") if part in str(caught.value)}
    assert "%2F" in caught.value.hint


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40%2F@h:5432/db",
        "postgresql://u@h1:5432,h2:5433,h3/db?target_session_attrs=read-write",
        "postgresql://u:p@[::1]:5432/db",
        "postgresql://%2Frun%2Fpg/db?application_name=a@b/c",
        "postgresql:///db?host=/run/pg",
        "postgresql://u:p:q@h/db",
        "postgres://u:p?x=1@h/db",
        "host=h,i port=5432,5433 password='a@b/c'",
        "host=h,i port='5432, 5433'",
        "host=/run/pg dbname=a@b",
    ],
)
def test_a_string_whose_parts_are_clear_is_taken(dsn: str) -> None:
    assert resolve_dsn(sink(), environ={"SOFETCH_SINK_DSN": dsn}) == dsn


@given(st.text(st.sampled_from("ab1/@:?#%&= +,[]"), max_size=12), st.sampled_from(["h", "h:5432", "[::1]:1"]))
def test_no_part_of_any_password_becomes_a_name_that_errors_tell(middle: str, host: str) -> None:
    """An error tells host, port, database and user, so none of them may hold a piece of the password."""
    dsn = f"postgresql://u:kan{middle}arie@{host}/db"
    try:
        resolved = resolve_dsn(sink(), environ={"SOFETCH_SINK_DSN": dsn})
    except ConfigError as refused:
        told = [str(refused)]
    else:
        told = [str(conninfo_to_dict(resolved).get(name, "")) for name in ("host", "port", "dbname", "user")]
    assert not [part for part in told if "kan" in part or "arie" in part]
