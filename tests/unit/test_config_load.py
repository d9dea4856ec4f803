"""Finding, reading and refusing a configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sofetch.config import PRESETS, lint_config, lint_text, load_config, load_text, preset
from sofetch.errors import ConfigError, ExitCode
from sofetch.settings import ColumnSettings

MINIMAL = """\
[source]
queue = "events"

[sink]
table = "events"

[[column]]
name = "id"
"""


def test_a_minimal_file_loads_with_the_defaults_of_the_types(tmp_path: Path) -> None:
    settings = load_config(_file(tmp_path, MINIMAL), environ={})
    assert settings.source.queue == "events"
    assert settings.column == [ColumnSettings(name="id")]
    assert settings.pipeline_name == "events"


def test_without_a_path_the_variable_names_the_file(tmp_path: Path) -> None:
    file = _file(tmp_path, MINIMAL)
    assert load_config(environ={"SOFETCH_CONFIG": str(file)}).sink.table == "events"


def test_without_a_path_or_a_variable_sofetch_toml_of_the_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path, MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}).sink.table == "events"
    assert load_config(environ={"SOFETCH_CONFIG": ""}).sink.table == "events"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration file") as caught:
        load_config(tmp_path / "none.toml", environ={})
    assert "sofetch init" in caught.value.hint
    assert caught.value.exit_code == ExitCode.USAGE


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(f"{tmp_path}/a\0b", environ={})


def test_a_directory_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \*\.toml in the directory"):
        load_config(tmp_path, environ={})


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "sofetch.toml"
    file.write_bytes(b"# one\n# two \xff\n")
    with pytest.raises(ConfigError, match=r"sofetch\.toml:2: the file is not UTF-8"):
        load_config(file, environ={})


def test_a_huge_file_is_refused_unparsed(tmp_path: Path) -> None:
    file = _file(tmp_path, "#" * 8_388_609)
    with pytest.raises(ConfigError, match="larger than 8 MiB"):
        load_config(file, environ={})


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[source]\nqueue = nope\n", "c.toml:2:9"),
        ("[source\n", "c.toml:1:8"),
        ("[source]\nqueue = [\n", "c.toml:2"),
        ("[sink]\n[sink]\n", "c.toml:2:6"),
    ],
)
def test_a_syntax_error_has_its_line_and_column(text: str, where: str) -> None:
    [finding] = lint_text(text, file="c.toml")
    assert (finding.severity, finding.code, finding.where) == ("error", "syntax", where)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000])
def test_a_file_that_breaks_the_parser_is_a_finding(text: str) -> None:
    assert [finding.code for finding in lint_text(text)] == ["syntax"]


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "sofetch.toml"
    file.write_bytes(b"\xef\xbb\xbf" + (MINIMAL + "oops = 1\n").replace("\n", "\r\n").encode())
    assert [finding.where for finding in lint_config(file, environ={})] == [f"{file}:9"]


def test_everything_that_is_wrong_is_said_at_once_and_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = _file(
        tmp_path,
        """\
[source]
qeue = "events"
wait_seconds = 21
[sink]
table = "a.b.c"
dedupe = ["idd"]
[batch]
max_messages = "many"
[[column]]
name = "id"
kind = "ip"
[[column]]
name = "id"
mask = "tokn"
[extra]
""",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ={})
    lines = [line.strip().split(":")[1] for line in str(caught.value).splitlines() if ".toml:" in line]
    assert lines == ["1", "2", "3", "5", "6", "8", "11", "13", "14", "15"]
    assert "10 problems" in str(caught.value)
    for hint in ["did you mean `queue`?", "did you mean `id`?", "did you mean `token`?"]:
        assert hint in str(caught.value)


def test_a_key_of_another_section_is_sent_home() -> None:
    findings = lint_text(MINIMAL.replace("[sink]", "max_messages = 10\n[sink]"))
    assert [finding.hint for finding in findings] == ["`max_messages` belongs below [batch]"]


def test_a_section_key_at_the_top_is_sent_home() -> None:
    assert [finding.hint for finding in lint_text("receivers = 2\n" + MINIMAL)] == [
        "`receivers` belongs below [source]"
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("source = 1", "not_a_section"),
        ("column = []", "missing_section"),
        ("column = 1", "not_a_section"),
        ("column = [1]", "not_a_section"),
        ("[column]\nname = 'a'", "not_a_section"),
    ],
)
def test_sections_of_the_wrong_form_are_findings_with_what_to_write(text: str, code: str) -> None:
    assert code in {finding.code for finding in lint_text(text)}


def test_an_empty_file_names_every_section_that_it_needs() -> None:
    assert [finding.what for finding in lint_text("")] == [
        "the section [source] is missing",
        "the section [sink] is missing",
        "there is no [[column]]",
    ]


@pytest.mark.parametrize(
    ("text", "form", "hint"),
    [
        ('[http]\nlisten = ":8080"', "`listen` takes text: an address and a port, as `127.0.0.1:8080`", ""),
        ("[http]\nlisten = 8080", "`listen` takes text: an address and a port, as `127.0.0.1:8080`", ""),
        ('[keys]\nsecret = "our keys"', "as `sofetch/keyring`", ""),
        ("[keys]\nsecret = 5", "as `sofetch/keyring`", "write it in quotes"),
        ('[unwrap]\ns3_buckets = ["s3://events"]', "the name of a bucket, without `s3://`", ""),
        ('[[column]]\nname = "b"\nmask = "token"\ndomain = "E-Mail"', "`_`, `.`, `~` and `-`, as `person.email`", ""),
    ],
)
def test_a_text_of_the_wrong_form_is_told_what_form_it_takes_with_an_example(text: str, form: str, hint: str) -> None:
    (found,) = [one for one in lint_text(f"{MINIMAL}\n{text}\n") if one.code == "wrong_value"]
    assert form in found.what
    assert found.hint == hint


def test_numbers_that_are_none_are_refused() -> None:
    findings = lint_text(MINIMAL + "[batch]\nmax_wait_seconds = nan\n")
    assert [finding.where for finding in findings] == ["sofetch.toml:10"]


def test_a_names_control_characters_never_reach_the_terminal() -> None:
    findings = lint_text(MINIMAL + '"\\u001b[31m" = 1\n')
    assert [finding.what for finding in findings] == ["[[column]] has no key `\N{REPLACEMENT CHARACTER}[31m`"]


def test_warnings_do_not_keep_anything_from_loading() -> None:
    text = MINIMAL.replace('"id"', '"email"')
    assert [finding.severity for finding in lint_text(text)] == ["warning"]
    assert load_text(text).column[0].name == "email"


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_lints_clean(name: str) -> None:
    assert lint_text(preset(name)) == []
    assert load_text(preset(name)).column


def test_the_logins_preset_is_what_the_table_needs() -> None:
    columns = {column.name: column for column in load_text(preset("logins")).column}
    assert list(columns) == [
        "user_id",
        "device_type",
        "masked_ip",
        "masked_device_id",
        "locale",
        "app_version",
        "create_date",
    ]
    assert {name for name, column in columns.items() if column.mask} == {"masked_ip", "masked_device_id"}
    assert {name for name, column in columns.items() if column.required} == {"user_id", "masked_ip", "masked_device_id"}
    assert (columns["create_date"].value, columns["create_date"].type) == ("sent_date", "date")


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        preset("login")
    assert caught.value.hint == "did you mean `logins`?"


def test_loading_a_configuration_imports_no_database_queue_or_cryptography() -> None:
    code = "import sys, sofetch.config, sofetch.infer; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"boto3", "botocore", "psycopg", "cryptography", "click", "rich"} & set(output.split())


def _file(folder: Path, text: str) -> Path:
    file = folder / "sofetch.toml"
    file.write_text(text, encoding="utf-8")
    return file
