"""The [keys] section: what it refuses, and that no key can stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sofetch.config import lint_config, load_config
from sofetch.findings import Finding

REST = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "a"\n'


def findings(folder: Path, keys: str, **environ: str) -> list[Finding]:
    path = folder / "sofetch.toml"
    path.write_text(f"[keys]\n{keys}\n{REST}")
    return [finding for finding in lint_config(path, environ=environ) if finding.severity == "error"]


@pytest.mark.parametrize("role", ["", "reversible_"])
def test_file_and_secret_exclude_each_other(tmp_path: Path, role: str) -> None:
    [found] = findings(tmp_path, f'{role}file = "a.json"\n{role}secret = "ring"')
    assert (found.code, found.where) == ("keys_exclude", f"{tmp_path}/sofetch.toml:3")
    assert found.hint


@pytest.mark.parametrize(
    "keys",
    ['secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/ring-AbC123"', 'reversible_secret = "a/b"'],
)
def test_secret_is_a_name_or_an_arn(tmp_path: Path, keys: str) -> None:
    assert not findings(tmp_path, keys)


@pytest.mark.parametrize(
    "keys",
    [
        'secret = ""',
        'secret = "two words"',
        'endpoint = "localhost:4566"',
        'endpoint = "http://user:password@localhost"',
        "timeout_seconds = 0",
        "timeout_seconds = 61",
        'material = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="',
    ],
)
def test_what_is_no_place_of_a_keyring_is_refused_and_not_shown(tmp_path: Path, keys: str) -> None:
    [found] = findings(tmp_path, keys)
    text = f"{found.what} {found.hint}"
    assert "AAECAwQF" not in text
    assert "password" not in text


def test_variables_name_the_secrets(tmp_path: Path) -> None:
    (tmp_path / "sofetch.toml").write_text(REST)
    environ = {
        "SOFETCH_KEYS_SECRET": "ring",
        "SOFETCH_KEYS_REVERSIBLE_SECRET": "other",
        "SOFETCH_KEYS_REGION": "eu-west-1",
    }
    keys = load_config(tmp_path / "sofetch.toml", environ=environ).keys
    assert (keys.secret, keys.reversible_secret, keys.region) == ("ring", "other", "eu-west-1")
