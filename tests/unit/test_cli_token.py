"""``sofetch token``: the tokens of the configuration's keyring, and no value anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from masking import K1, K2, cell_of, entry, ring, ring_text
from sofetch.cli.root import root

VECTOR = "h1.k1.5e03e9e13a3094413eddb85dc5fe52c1d6bea98e"
CANARY = "canary-593-47-5928"
CONFIG = """
[source]
queue = "q"
[sink]
table = "t"
[[column]]
name = "masked_ip"
from = "ip"
mask = "token"
kind = "ip"
domain = "ip"
sentinels = ["0.0.0.0"]
[[column]]
name = "network"
from = "ip"
mask = "ip_prefix"
domain = "ip"
[[column]]
name = "mail"
mask = "token"
kind = "email"
not_of_kind = "reject"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SOFETCH_CONFIG", "SOFETCH_KEYRING_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOFETCH_KEYRING", ring_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: bytes | str = b"") -> tuple[int, list[str], str]:
    result = CliRunner().invoke(root, ["token", *arguments], input=stdin)
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_token_of_a_value_equals_its_vector_with_a_keyring_and_nothing_else() -> None:
    assert run("--domain", "ip", "--kind", "ip", "199.172.111.135") == (0, [VECTOR], "")


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_each_line_of_standard_input_has_its_line_of_output(arguments: Sequence[str]) -> None:
    code, out, _ = run("--domain", "ip", "--kind", "ip", *arguments, stdin=" 199.172.111.135\r\n\n::1\n199.172.111.135")
    assert code == 0
    assert out == [VECTOR, "∅", str(cell_of("::1", kind="ip", domain="ip")), VECTOR]


@pytest.mark.parametrize("scheme", ["token", "reversible", "ip", "ip_prefix"])
def test_every_scheme_gives_what_the_masker_gives(scheme: str) -> None:
    code, out, _ = run("--domain", "ip", "--kind", "ip", "--scheme", scheme, "192.0.2.1")
    assert (code, out) == (0, [str(cell_of("192.0.2.1", mask=scheme, kind="ip", domain="ip"))])


def test_kind_and_sentinels_come_from_the_configured_column(folder: Path) -> None:
    (folder / "sofetch.toml").write_text(CONFIG)
    assert run("--domain", "ip", "::ffff:199.172.111.135", "0.0.0.0") == (0, [VECTOR, "∅"], "")
    assert run("--domain", "ip", "--scheme", "ip_prefix", "10.0.0.1")[0] == 0


def test_domain_that_no_column_has_is_a_warning(folder: Path) -> None:
    (folder / "sofetch.toml").write_text(CONFIG)
    code, out, err = run("--domain", "ipp", "199.172.111.135")
    assert (code, len(out)) == (0, 1)
    assert 'no column of the configuration has mask "token" and domain "ipp"' in err


def test_token_during_a_rotation_is_that_of_the_primary_key(monkeypatch: pytest.MonkeyPatch) -> None:
    rotated = ring(entry("k1", K1, "active"), entry("k2", K2))
    monkeypatch.setenv("SOFETCH_KEYRING", ring_text(entry("k1", K1, "active"), entry("k2", K2)))
    assert run("--domain", "d", "x")[1] == [cell_of("x", rotated)]


def test_json_tells_by_position_and_shows_no_value() -> None:
    code, out, err = run("--json", "--domain", "ip", "--kind", "ip", "199.172.111.135", CANARY, " ")
    assert code == 0
    told = json.loads("\n".join(out))
    assert (told["domain"], told["scheme"], told["kind"]) == ("ip", "token", "ip")
    assert [(it["position"], it["of_kind"], it["why"]) for it in told["tokens"]] == [
        (1, True, None),
        (2, False, None),
        (3, True, None),
    ]
    assert [it["token"] for it in told["tokens"]][::2] == [VECTOR, None]
    assert CANARY not in "\n".join(out) + err


def test_stray_is_named_by_its_position() -> None:
    code, out, err = run("--domain", "ip", "--kind", "ip", "199.172.111.135", CANARY)
    assert (code, len(out)) == (0, 2)
    assert '1 value not of kind "ip", taken for a string: 2' in err
    assert CANARY not in err


def test_refused_values_are_named_by_position_and_the_others_done(folder: Path) -> None:
    (folder / "sofetch.toml").write_text(CONFIG)
    code, out, err = run("--domain", "mail", stdin=f"{CANARY}\nann@example.com\n".encode() + b"\xff\n")
    assert code == 2
    assert out[0] == "✗ not_of_kind"
    assert out[1].startswith("h1.k1.")
    assert out[2] == "✗ not_utf8"
    assert "2 values refused: 1, 3" in err
    assert CANARY not in "\n".join(out) + err


def test_no_keyring_is_an_error_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFETCH_KEYRING")
    code, out, err = run("--domain", "ip", CANARY)
    assert (code, out) == (4, [])
    assert CANARY not in err


def test_domain_that_is_none_and_a_mix_of_values_and_input_are_usage_errors() -> None:
    assert run("--domain", "IP", "x")[0] == 2
    assert run("--domain", "ip", "x", "-")[0] == 2


def test_help_says_that_a_command_line_is_seen_by_others() -> None:
    assert "list of processes" in " ".join(" ".join(run("--help")[1]).split())


VAULT = """
[vault]
subject = "user_id"
recovery_public_key = "recovery.pub"
[[column]]
name = "user_id"
"""
BY = ("--actor", "ana", "--purpose", "a request of access", "--ticket", "DS-17")


@pytest.fixture
def with_vault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFETCH_SINK_DSN", raising=False)
    (folder / "sofetch.toml").write_text(CONFIG.replace('domain = "ip"\n', 'domain = "ip"\nvault = true\n', 1) + VAULT)


@pytest.mark.usefixtures("with_vault")
@pytest.mark.parametrize(("arguments", "code"), [((), 2), (BY, 2)], ids=["nobody", "no database"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_with_a_vault_no_token_is_told_without_its_audit_row(
    arguments: Sequence[str], code: int, form: Sequence[str]
) -> None:
    found = run("--domain", "ip", *arguments, *form, stdin=f"{CANARY}\n199.172.111.135")
    assert found[:2] == (code, [])
    assert CANARY not in found[2]
    assert "audit" in found[2] if not arguments else "SOFETCH_SINK_DSN" in found[2]


@pytest.mark.usefixtures("with_vault")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_with_a_vault_that_no_database_answers_for_no_token_is_told(
    form: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFETCH_SINK_DSN", "host=/nowhere connect_timeout=2")
    code, out, _ = run("--domain", "ip", *BY, *form, stdin="199.172.111.135")
    assert (code, out) == (3, [])


def test_a_reason_given_where_nothing_is_audited_is_a_warning(folder: Path) -> None:
    (folder / "sofetch.toml").write_text(CONFIG)
    code, out, err = run("--domain", "ip", *BY, "199.172.111.135")
    assert (code, out) == (0, [VECTOR])
    assert "not audited" in err


def test_a_value_of_its_own_form_is_made_where_the_configuration_allows_it(folder: Path) -> None:
    code, out, error = run("--domain", "device", "--scheme", "fpe", "593-47-5928")
    assert (code, out) == (2, [])
    assert "not allowed" in error
    column = '[[column]]\nname = "device"\nmask = "fpe"\n'
    (folder / "sofetch.toml").write_text(
        f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n[masks]\nallow_fpe = true\n{column}'
    )
    code, out, _ = run("--domain", "device", "--scheme", "fpe", "593-47-5928")
    assert (code, out) == (0, [str(cell_of("593-47-5928", mask="fpe", domain="device"))])
