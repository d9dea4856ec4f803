"""What a configuration says of the vault, what is found wrong with it, and where the vault's database is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sofetch.config import lint_config, load_config
from sofetch.errors import ConfigError
from sofetch.load.dsn import resolve_vault_dsn
from sofetch.settings import Settings
from vaulting import vault_settings

SOUND = """
[source]
queue = "login-queue"
[sink]
table = "user_logins"
[vault]
subject = "user_id"
recovery_public_key = "recovery.pub.pem"
[[column]]
name = "user_id"
personal = false
[[column]]
name = "masked_ip"
from = "ip"
mask = "token"
kind = "ip"
vault = true
"""


def found(text: str, folder: Path, **environ: str) -> list[tuple[str, str]]:
    file = folder / "sofetch.toml"
    file.write_text(text)
    return [(one.code, one.where.rpartition("sofetch.toml:")[2]) for one in lint_config(file, environ=environ)]


def test_a_sound_configuration_has_no_finding(tmp_path: Path) -> None:
    assert found(SOUND, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('subject = "user_id"', "", "vault_subject"),
        ('subject = "user_id"', 'subject = "user"', "vault_subject"),
        ("personal = false", 'type = "timestamp"\npersonal = false', "vault_subject"),
        ('recovery_public_key = "recovery.pub.pem"', "", "vault_key"),
        ("vault = true", "vault = false", "vault_unused"),
        ('mask = "token"\nkind = "ip"', 'mask = "ip"', "bad_mask"),
        ('mask = "token"\nkind = "ip"', "personal = false", "bad_mask"),
        ("vault = true", 'vault = true\ndomain = "vault-subject"', "bad_mask"),
        ('subject = "user_id"', 'subject = "user_id"\ndsn = "host=v password=kanarie"', "inline_secret"),
        ('subject = "user_id"', 'subject = "user_id"\ndsn = "host=v"\ndsn_file = "f"', "keys_exclude"),
        ('subject = "user_id"', 'subject = "user_id"\nwithout_subject = "maybe"', "wrong_value"),
    ],
)
def test_what_cannot_work_is_found(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert old in SOUND
    assert code in [one for one, _ in found(SOUND.replace(old, new), tmp_path)]


def test_a_wrong_subject_is_found_at_its_line_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "sofetch.toml"
    file.write_text(SOUND.replace('subject = "user_id"', 'subject = "user"'))
    [finding] = lint_config(file, environ={})
    assert finding.where.endswith(":7")
    assert "`user_id`" in finding.hint


def test_a_column_that_keeps_its_value_is_read_and_can_be_set_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "sofetch.toml"
    file.write_text(SOUND)
    settings = load_config(file, environ={"SOFETCH_VAULT_WITHOUT_SUBJECT": "own", "SOFETCH_VAULT_DSN": "dbname=v"})
    assert settings.keeps_values
    assert settings.vault.without_subject == "own"
    off = load_config(file, environ={"SOFETCH_COLUMN_MASKED_IP_VAULT": "false"})
    assert not off.keeps_values


def with_sink(dsn: str | None = None, **vault: Any) -> Settings:
    settings = vault_settings(**vault)
    return msgspec.structs.replace(settings, sink=msgspec.structs.replace(settings.sink, dsn=dsn))


def test_the_variable_wins_over_the_file_and_the_file_over_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "dsn"
    file.write_text("dbname=filed")
    file.chmod(0o600)
    settings = with_sink(dsn="dbname=configured", dsn_file=str(file))
    assert resolve_vault_dsn(settings, environ={"SOFETCH_VAULT_DSN": "dbname=variable"}) == "dbname=variable"


def test_without_a_database_of_its_own_the_vault_is_refused() -> None:
    with pytest.raises(ConfigError, match="vault") as caught:
        resolve_vault_dsn(with_sink("dbname=app"), environ={})
    assert "SOFETCH_VAULT_DSN" in caught.value.hint


@pytest.mark.parametrize(
    ("sink", "vault"),
    [
        ("dbname=app", "dbname=app user=other"),
        ("host=db dbname=app", "postgresql://loader@db/app"),
        ("host=db port=5432 dbname=app", "host=db dbname=app"),
    ],
)
def test_the_sinks_own_database_is_refused_unless_it_is_said_that_it_may_be(sink: str, vault: str) -> None:
    with pytest.raises(ConfigError, match="sink's own database") as caught:
        resolve_vault_dsn(with_sink(sink), environ={"SOFETCH_VAULT_DSN": vault})
    assert "same_database" in caught.value.hint
    may = with_sink(sink, same_database=True)
    assert resolve_vault_dsn(may, environ={"SOFETCH_VAULT_DSN": vault}) == vault
    assert resolve_vault_dsn(may, environ={}) == sink


@pytest.mark.parametrize("vault", ["dbname=vault", "host=other dbname=app", "port=5433 dbname=app"])
def test_another_database_is_another(vault: str) -> None:
    assert resolve_vault_dsn(with_sink("dbname=app"), environ={"SOFETCH_VAULT_DSN": vault}) == vault


def test_a_password_in_the_configuration_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="holds a password") as caught:
        resolve_vault_dsn(vault_settings(dsn="host=v password=kanarie"), environ={})
    assert "kanarie" not in str(caught.value)
    assert "SOFETCH_VAULT_DSN" in caught.value.hint
