"""Variables of the environment over the file."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sofetch.config import describe_settings, lint_text, load_text
from sofetch.settings import Settings

TEXT = """\
[source]
queue = "events"
receivers = 3

[sink]
table = "events"

[[column]]
name = "user_ip"
mask = "token"

[[column]]
name = "total"
type = "int"
"""


def load(environ: Mapping[str, str]) -> Settings:
    return load_text(TEXT, environ=environ)


def places(environ: Mapping[str, str], text: str = TEXT) -> list[tuple[str, str]]:
    return [(finding.where, finding.code) for finding in lint_text(text, environ=environ)]


def test_a_variable_wins_over_the_file_and_over_the_default() -> None:
    settings = load({"SOFETCH_SOURCE_RECEIVERS": "7", "SOFETCH_BATCH_MAX_WAIT_SECONDS": "1.5"})
    assert (settings.source.receivers, settings.batch.max_wait_seconds) == (7, 1.5)


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({"SOFETCH_SOURCE_RECEIVERS": "", "SOFETCH_SINK_TABLE": ""}) == load({})


def test_variables_alone_can_make_a_section() -> None:
    text = TEXT.replace('[source]\nqueue = "events"\nreceivers = 3\n', "")
    assert load_text(text, environ={"SOFETCH_SOURCE_QUEUE": "orders"}).source.queue == "orders"


def test_a_columns_keys_have_variables_by_its_name() -> None:
    [user_ip, total] = load(
        {
            "SOFETCH_COLUMN_USER_IP_KIND": "ip",
            "SOFETCH_COLUMN_USER_IP_SENTINELS": "unknown, 0.0.0.0",
            "SOFETCH_COLUMN_USER_IP_REQUIRED": "yes",
            "SOFETCH_COLUMN_TOTAL_DEFAULT": "0",
        }
    ).column
    assert (user_ip.kind, user_ip.sentinels, user_ip.required) == ("ip", ["unknown", "0.0.0.0"], True)
    assert total.default == 0


@pytest.mark.parametrize(
    ("text", "dedupe"),
    [
        ("content", "content"),
        ("user_ip", ["user_ip"]),
        ("user_ip,total", ["user_ip", "total"]),
        ('["user_ip"]', ["user_ip"]),
    ],
)
def test_a_list_is_words_with_commas_or_a_json_array(text: str, dedupe: object) -> None:
    assert load({"SOFETCH_SINK_DEDUPE": text}).sink.dedupe == dedupe


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SOFETCH_SOURCE_RECEIVERS", "many"),
        ("SOFETCH_SOURCE_RECEIVERS", "99"),
        ("SOFETCH_SOURCE_RECEIVERS", "1_"),
        ("SOFETCH_SOURCE_PROTOCOL", "xml"),
        ("SOFETCH_BATCH_MAX_WAIT_SECONDS", "nan"),
        ("SOFETCH_COLUMN_TOTAL_REQUIRED", "perhaps"),
        ("SOFETCH_COLUMN_USER_IP_SENTINELS", "[1, 2]"),
        ("SOFETCH_COLUMN_USER_IP_SENTINELS", "["),
        ("SOFETCH_COLUMN_USER_IP_DOMAIN", "Not A Domain"),
    ],
)
def test_a_wrong_value_is_found_under_the_variables_name_and_not_repeated(variable: str, text: str) -> None:
    [finding] = lint_text(TEXT, environ={variable: text})
    assert (finding.where, finding.code) == (variable, "wrong_value")
    assert f"`{text}`" not in finding.what + finding.hint


def test_what_a_variable_breaks_between_settings_is_found_under_its_name() -> None:
    assert places({"SOFETCH_SINK_DEDUPE": "nothing"}) == [("SOFETCH_SINK_DEDUPE", "bad_dedupe")]
    assert places({"SOFETCH_COLUMN_USER_IP_NAME": "total"}) == [("sofetch.toml:13", "duplicate_column")]


def test_a_misspelled_variable_is_an_error_that_names_the_nearest() -> None:
    [finding] = lint_text(TEXT, environ={"SOFETCH_COLUMN_USER_IP_MAKS": "token"})
    assert (finding.where, finding.severity) == ("SOFETCH_COLUMN_USER_IP_MAKS", "error")
    assert finding.hint == "did you mean SOFETCH_COLUMN_USER_IP_MASK?"


def test_variables_that_are_no_settings_are_left_alone() -> None:
    environ = {
        "SOFETCH_SINK_DSN": "postgresql://u:secret@db/x",
        "SOFETCH_KEYRING": "{}",
        "SOFETCH_KEYRING_FILE": "/keys",
        "SOFETCH_CONFIG": "x",
        "SOFETCH_SINK_SERVICE_HOST": "10.0.0.1",
        "SOFETCH_SINK_PORT_5432_TCP": "tcp://10.0.0.1:5432",
        "HOME": "/root",
    }
    assert places(environ) == []


def test_the_connection_string_of_the_environment_never_gets_into_the_settings() -> None:
    assert "hunter2" not in repr(load({"SOFETCH_SINK_DSN": "postgresql://u:hunter2@db/x"}))


def test_a_variable_that_two_columns_could_mean_is_refused() -> None:
    text = TEXT + '\n[[column]]\nname = "total_not_of"\nmask = "token"\n'
    assert places({"SOFETCH_COLUMN_TOTAL_NOT_OF_KIND": "ip"}, text) == [
        ("SOFETCH_COLUMN_TOTAL_NOT_OF_KIND", "ambiguous_variable")
    ]


def test_a_variable_of_a_section_that_is_no_section_changes_nothing() -> None:
    assert ("sofetch.toml:1", "not_a_section") in places({"SOFETCH_LOG_LEVEL": "debug"}, "log = 1\n")


def test_every_setting_can_be_set_by_its_documented_variable() -> None:
    for doc in describe_settings():
        variable = doc.env.replace("<NAME>", "USER_IP")
        codes = {code for _, code in places({variable: "\x01"})}
        assert "unknown_variable" not in codes, variable
