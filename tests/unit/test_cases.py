"""Tests of a user's configuration: what a file of cases may say, and what it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from masking import entry, ring_text
from sofetch.cases import Bench, read_cases, uncovered
from sofetch.cli.root import SECTIONS, load
from sofetch.config import load_config, load_text, preset
from sofetch.errors import ConfigError, KeyringError
from sofetch.mask import parse_keyring
from sofetch.mask.keyring_text import TEST_MATERIAL
from sofetch.settings import Settings
from wrapping import sns

ROOT = Path(__file__).parents[2]
ORDERS = ROOT / "examples/orders"
LOGINS = load_text(preset("logins"))
LOGIN = """
[[case]]
name = "a login"
sent = 2026-03-01T23:59:59Z
message = { user_id = "u-1", ip = "198.51.100.7", device_id = "593-47-5928", locale = "RU" }
"""
ALL_TYPES = load_text("""
[source]
queue = "q"
[sink]
table = "t"
[[column]]
name = "i"
type = "int"
[[column]]
name = "n"
type = "numeric"
[[column]]
name = "b"
type = "bool"
[[column]]
name = "ts"
type = "timestamp"
[[column]]
name = "d"
type = "date"
[[column]]
name = "u"
type = "uuid"
[[column]]
name = "a"
type = "inet"
[[column]]
name = "j"
type = "jsonb"
""")
BODY = (
    '{"i": 7, "n": 12.50, "b": true, "ts": "2026-01-01T01:00:00+01:00", "d": "2026-02-03",'
    ' "u": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "a": "10.0.0.1", "j": {"x": [1, null]}}'
)


def differences(text: str, settings: Settings = LOGINS) -> list[tuple[str | None, str, str]]:
    [verdict] = Bench(settings).run(read_cases(text, file="t.toml", settings=settings))
    return [(one.column, one.expected, one.got) for one in verdict.differences]


def complaint(text: str, settings: Settings = LOGINS) -> str:
    with pytest.raises(ConfigError) as raised:
        read_cases(text, file="t.toml", settings=settings)
    assert raised.value.code == "cases_invalid"
    return raised.value.what


def test_a_whole_row_that_is_as_expected_has_no_difference() -> None:
    row = """[case.row]
    user_id = "u-1"
    masked_ip = { token_of = "::ffff:198.51.100.7", kind = "ip", domain = "ip" }
    masked_device_id = "h1.test.09c13d0ad8b3a95afaf7e16f03d0cae43bdc33aa"
    locale = "RU"
    create_date = 2026-03-01
    """
    found = differences(LOGIN + row)
    assert [column for column, _, _ in found] == ["masked_device_id"]
    assert differences((LOGIN + row).replace("h1.test.09c13d0ad8b3a95afaf7e16f03d0cae43bdc33aa", found[0][2])) == []


def test_in_a_whole_row_a_column_that_is_not_named_is_null() -> None:
    assert ("locale", "NULL", "RU") in differences(LOGIN + '[case.row]\nuser_id = "u-1"')
    assert differences(LOGIN + '[case.row_contains]\nuser_id = "u-1"') == []


def test_a_mask_that_is_taken_off_is_a_difference() -> None:
    expected = LOGIN + '[case.row_contains]\nmasked_ip = { token_of = "198.51.100.7" }'
    bare = load_text(preset("logins").replace('mask = "token"\nkind = "ip"\ndomain = "ip"\n', "", 1).replace(
        'sentinels = ["unknown", "0.0.0.0"]\n', ""
    ))  # fmt: skip
    assert differences(expected) == []
    assert [(column, got) for column, _, got in differences(expected, bare)] == [("masked_ip", "198.51.100.7")]


@pytest.mark.parametrize("change", ['domain = "other"', 'kind = "string"'])
def test_another_domain_or_kind_is_a_difference_where_the_case_says_its_own(change: str) -> None:
    case = LOGIN.replace("198.51.100.7", "::ffff:198.51.100.7")
    expected = '[case.row_contains]\nmasked_ip = { token_of = "198.51.100.7", kind = "ip", domain = "ip" }'
    key = change.partition(" ")[0]
    changed = load_text(preset("logins").replace(f'{key} = "ip"', change, 1))
    assert differences(case + expected) == []
    assert len(differences(case + expected, changed)) == 1


def test_a_rejection_is_compared_by_its_reason_and_where_given_by_its_field() -> None:
    case = '[[case]]\nname = "x"\nmessage = { foo = 1 }\n'
    assert differences(case + 'rejection = "missing_field"') == []
    assert differences(case + 'rejection = { reason = "missing_field", field = "user_id" }') == []
    assert differences(case + 'rejection = { reason = "missing_field", field = "masked_ip" }') == [
        (None, "a rejection: missing_field in masked_ip", "a rejection: missing_field in user_id")
    ]
    assert differences(case + "row = {}") == [(None, "a row", "a rejection: missing_field in user_id")]
    assert differences(LOGIN + 'rejection = "not_json"') == [(None, "a rejection: not_json", "a row")]


def test_a_value_is_read_as_the_columns_type() -> None:
    row = """[case.row]
    i = 7
    n = "12.5"
    b = true
    ts = 2026-01-01T00:00:00Z
    d = "2026-02-03"
    u = "6F9619FF-8B86-4011-B42D-00C04FC964FF"
    a = "10.0.0.1"
    j = { json = '{"x": [1, null]}' }
    """
    assert differences(f"[[case]]\nname = 'x'\nbody = '{BODY}'\n{row}", ALL_TYPES) == []


def test_what_differs_in_any_type_is_found() -> None:
    row = """[case.row]
    i = true
    n = 12.51
    b = 1
    ts = 2026-01-01T00:00:01Z
    d = "2026-02-30"
    u = "no uuid"
    a = "10.0.0.2"
    j = { json = { x = [2] } }
    """
    found = differences(f"[[case]]\nname = 'x'\nbody = '{BODY}'\n{row}", ALL_TYPES)
    assert [column for column, _, _ in found] == ["i", "n", "b", "ts", "d", "u", "a", "j"]
    assert ("ts", "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z") in found


def test_null_presence_and_patterns_can_be_expected() -> None:
    expected = "[case.row_contains]\nlocale = { present = true }\ndevice_type = { null = true }\n"
    assert differences(LOGIN + expected + r"masked_ip = { matches = 'h1\.test\.[0-9a-f]{40}' }") == []
    wrong = "[case.row_contains]\nlocale = { null = true }\ndevice_type = { present = true }\n"
    assert len(differences(LOGIN + wrong + "masked_ip = { matches = 'h1' }")) == 3


def test_layers_are_taken_off_unless_the_case_says_they_are_off() -> None:
    wrapped = load_text(preset("logins") + '\n[unwrap]\nlayers = ["sns"]\n')
    body = sns('{"user_id": "u-1", "ip": "unknown", "device_id": "x"}').decode()
    expected = '\nrow_contains = { user_id = "u-1" }'
    assert differences(f"[[case]]\nname = 'x'\nbody = '''{body}'''{expected}", wrapped) == []
    inside = '[[case]]\nname = "x"\nmessage = { user_id = "u-1", ip = "unknown", device_id = "x" }'
    assert differences(f"{inside}\nunwrapped = true{expected}", wrapped) == []
    assert differences(inside + expected, wrapped) == [(None, "a row", "a rejection: not_an_envelope")]


def test_what_would_have_to_be_fetched_is_an_error_and_not_a_call() -> None:
    fetched = load_text(preset("logins") + '\n[unwrap]\nlayers = ["s3_pointer"]\ns3_buckets = ["bucket"]\n')
    text = '[[case]]\nname = "x"\nbody = "{}"\nrejection = "not_json"'
    assert "t.toml:1: the layer s3_pointer is fetched from S3" in complaint(text, fetched)
    assert read_cases(text + "\nunwrapped = true", file="t.toml", settings=fetched)


def test_a_row_whose_values_go_into_a_vault_is_tested_without_the_recovery_key(tmp_path: Path) -> None:
    vaulted = load_text(
        preset("logins").replace('domain = "device_id"\n', 'domain = "device_id"\nvault = true\n')
        + f'\n[vault]\nsubject = "user_id"\nrecovery_public_key = "{tmp_path}/none.pem"\nsame_database = true\n'
    )
    assert differences(LOGIN + '[case.row_contains]\nuser_id = "u-1"', vaulted) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no [[case]]"),
        ("[[test]]", "t.toml:1: there is no `test` here"),
        ("case = 1", "there is no [[case]]"),
        ("[[case]]\n", "t.toml:1: a case lacks `name`"),
        ('[[case]]\nname = "x"\n', "takes one of message, body, body_base64, and this one has none"),
        (LOGIN + 'body = "x"\nrow = {}', "has message and body"),
        (LOGIN, "takes one of row, row_contains, rejection"),
        (LOGIN + "rows = {}\nrow = {}", "t.toml:6: a case has no key `rows`\n    → did you mean `row`?"),
        (LOGIN + "unwrapped = 1\nrow = {}", "t.toml:6: `unwrapped` takes true or false"),
        (LOGIN.replace("59Z", "59") + "row = {}", "t.toml:4: `sent` takes a time with its offset"),
        (LOGIN + "row = { local = 1 }", "t.toml:6: there is no column `local`\n    → did you mean `locale`?"),
        (LOGIN + "row = { locale = { tokenof = 1 } }", "did you mean `token_of`?"),
        (LOGIN + "row = { locale = { null = false } }", "`null` takes true"),
        (LOGIN + "row = { locale = { matches = '(' } }", "`matches` takes a regular expression"),
        (LOGIN + "row = { locale = { json = '{' } }", "`json` takes JSON"),
        (LOGIN + "row = { locale = [1] }", "write JSON as { json = […] }"),
        (LOGIN + "row = { locale = { token_of = 1.5 } }", "takes the text or the integer"),
        (LOGIN + "row = { locale = { token_of = 'x', kind = 'emial' } }", "did you mean `email`?"),
        (LOGIN + "row = { locale = { token_of = 'x', domain = 'A B' } }", "its path cannot be its join domain"),
        (LOGIN + "row = { create_date = 2026-01-01T00:00:00 }", "a time needs its offset"),
        (LOGIN + 'rejection = "missing"', "there is no such reason"),
        (LOGIN + 'rejection = { field = "x" }', "`rejection` takes a reason"),
        (LOGIN + "row = {}\n" + LOGIN + "row = {}", "t.toml:9: two cases have this name"),
        ('[[case]]\nname = "x"\nmessage = { a = nan }\nrow = {}', "a number that is too long, or none"),
        ('[[case]]\nname = "x"\nbody_base64 = "@"\nrow = {}', "`body_base64` takes the base64"),
        ("[[case]\n", "t.toml is not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(text: str, says: str) -> None:
    assert says in complaint(text)


def test_columns_of_which_no_case_expects_a_value_are_named() -> None:
    text = LOGIN + '[case.row_contains]\nuser_id = "u-1"\nlocale = { null = true }'
    assert uncovered(read_cases(text, file="t.toml", settings=LOGINS), LOGINS) == [
        column.name for column in LOGINS.column if column.name != "user_id"
    ]


def test_no_keyring_may_hold_the_key_of_tests() -> None:
    with pytest.raises(KeyringError, match="which everybody knows"):
        parse_keyring(ring_text(entry("k1", TEST_MATERIAL)))


def test_the_example_of_orders_passes_its_own_tests_and_expects_a_value_of_every_column() -> None:
    settings = load_config(ORDERS / "sofetch.toml", environ={})
    text = (ORDERS / "sofetch.tests.toml").read_text(encoding="utf-8")
    cases = read_cases(text, file="sofetch.tests.toml", settings=settings)
    assert [verdict.differences for verdict in Bench(settings).run(cases)] == [[]] * len(cases)
    assert uncovered(cases, settings) == []


def test_the_hooks_and_the_workflow_call_commands_that_there_are() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    workflow = yaml.safe_load((ROOT / "examples/ci/github-actions.yml").read_text())
    [repository] = yaml.safe_load((ROOT / "examples/ci/pre-commit-config.yaml").read_text())["repos"]
    assert {hook["id"] for hook in repository["hooks"]} == {hook["id"] for hook in hooks}
    steps = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    lines = [hook["entry"] for hook in hooks] + [step for step in steps if step.startswith("sofetch ")]
    assert len(lines) == 4
    for _, name, *options in map(str.split, lines):
        [entry] = [entry for entries in SECTIONS.values() for entry in entries if entry.name == name]
        load(entry).make_context(name, options)
