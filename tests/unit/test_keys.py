"""Where keys come from: guarded files and the environment; what is not fit for use is refused with what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from masking import K1, K2, entry, ring_text
from sofetch.config import load_config
from sofetch.errors import NOT_TOLD, ConfigError, ExitCode, KeyringError, told_path
from sofetch.keys import load_keyring, load_keyrings, write_new_keyring
from sofetch.keys.archive import load_archive_key
from sofetch.keys.recovery import load_recovery_key, load_recovery_public_key
from sofetch.load.dsn import resolve_dsn
from sofetch.mask import Keyring
from sofetch.settings import KeysSettings, SinkSettings, VaultSettings

GOOD = ring_text()
MATERIAL = ring_text().split('"material": "')[1][:20]


def keyring_file(folder: Path, content: str | bytes = GOOD, *, mode: int = 0o600) -> Path:
    path = folder / "ring.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def load(path: Path) -> Keyring:
    return load_keyring(KeysSettings(), environ={"SOFETCH_KEYRING_FILE": str(path)})


def refusal(path: Path) -> KeyringError:
    with pytest.raises(KeyringError) as caught:
        load(path)
    assert caught.value.exit_code == ExitCode.KEYS
    assert caught.value.hint
    assert str(path) in caught.value.what
    assert MATERIAL not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_keyring_is_read_from_a_guarded_file(tmp_path: Path, mode: int) -> None:
    assert load(keyring_file(tmp_path, mode=mode)).primary.kid == "k1"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o666, 0o700, 0o4600])
def test_file_that_others_could_use_is_refused(tmp_path: Path, mode: int) -> None:
    error = refusal(keyring_file(tmp_path, mode=mode))
    assert f"mode {mode:04o}" in error.what
    assert "chmod 600" in error.hint


def test_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keyring_file(tmp_path)
    if os.geteuid() == 0:
        os.chown(path, 12_345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert "belongs to user" in refusal(path).what


def test_link_is_judged_by_its_target(tmp_path: Path) -> None:
    target = keyring_file(tmp_path)
    link = tmp_path / "link.json"
    link.symlink_to(target)
    assert load(link).primary.kid == "k1"
    target.chmod(0o644)
    assert "mode 0644" in refusal(link).what


def test_missing_file_is_refused_with_how_to_make_one(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.json")
    assert "No such file" in error.what
    assert "sofetch keys new" in error.hint


def test_dangling_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "none.json")
    assert "No such file" in refusal(link).what


def test_a_keyring_that_is_gone_is_to_be_restored_before_one_is_made(tmp_path: Path) -> None:
    hint = refusal(tmp_path / "none.json").hint or ""
    assert 0 < hint.index("backup") < hint.index("keys new")


def test_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(13, "the text of the system's exception", "ring.json")

    monkeypatch.setattr(os, "open", deny)  # root may read everything, so no file will do
    error = refusal(tmp_path / "ring.json")
    assert "cannot be opened (Permission denied)" in error.what


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "is not a regular file" in refusal(tmp_path).what


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "is not a regular file" in refusal(pipe).what


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"not json", "is not JSON (line 1, column 1)"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b" " * 1_048_577, "is larger than 1048576 bytes"),
        (ring_text(entry(material=K1[:16])).encode(), "at position 1: its material is 16 bytes long, not 32"),
        (ring_text(entry(), entry("k2", K2)).encode(), "exactly one primary key and has 2"),
    ],
    ids=["empty", "blank", "no JSON", "no UTF-8", "too large", "short key", "two primaries"],
)
def test_file_that_holds_no_keyring_is_refused_with_what_is_wrong(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    assert complaint in refusal(keyring_file(tmp_path, content)).what


def test_keyring_is_read_from_its_variable() -> None:
    assert load_keyring(KeysSettings(), environ={"SOFETCH_KEYRING": GOOD}).primary.kid == "k1"


def test_malformed_variable_is_named_and_not_shown() -> None:
    with pytest.raises(KeyringError, match=r"^the keyring in SOFETCH_KEYRING is not JSON") as caught:
        load_keyring(KeysSettings(), environ={"SOFETCH_KEYRING": GOOD[:-1]})
    assert MATERIAL not in str(caught.value)


def test_no_key_named_is_a_refusal_that_says_how_to_get_one() -> None:
    for environ in ({}, {"SOFETCH_KEYRING": "", "SOFETCH_KEYRING_FILE": ""}):
        with pytest.raises(KeyringError, match="there is no key") as caught:
            load_keyring(KeysSettings(), environ=environ)
        assert "sofetch keys new" in caught.value.hint
        assert "SOFETCH_KEYRING_FILE" in caught.value.hint


def test_two_variables_are_refused_for_which_counts_would_be_a_guess(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="both SOFETCH_KEYRING and SOFETCH_KEYRING_FILE"):
        load_keyring(KeysSettings(), environ={"SOFETCH_KEYRING": GOOD, "SOFETCH_KEYRING_FILE": str(tmp_path)})


def test_environment_wins_over_the_configured_file(tmp_path: Path) -> None:
    configured = KeysSettings(file=str(keyring_file(tmp_path, ring_text(entry("file")))))
    assert load_keyring(configured, environ={}).primary.kid == "file"
    assert load_keyring(configured, environ={"SOFETCH_KEYRING": GOOD}).primary.kid == "k1"


def test_new_keyring_file_is_0600_and_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    write_new_keyring(path, kid="a1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path).primary.kid == "a1"


@pytest.mark.parametrize("link", [False, True])
def test_existing_file_is_never_overwritten(tmp_path: Path, link: bool) -> None:
    path = keyring_file(tmp_path)
    if link:
        path = tmp_path / "link.json"
        path.symlink_to(tmp_path / "none.json")
    with pytest.raises(KeyringError, match="exists already and is left as it is"):
        write_new_keyring(path)
    assert (tmp_path / "none.json").exists() is False
    assert link or path.read_text() == GOOD


def test_new_keyring_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="cannot be made \\(No such file or directory\\)"):
        write_new_keyring(tmp_path / "none" / "ring.json")


def test_half_written_keyring_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyringError, match="cannot be written \\(No space left on device\\)"):
        write_new_keyring(tmp_path / "ring.json")
    assert not list(tmp_path.iterdir())


def test_two_places_in_the_configuration_are_refused() -> None:
    with pytest.raises(KeyringError, match="both `file` and `secret`"):
        load_keyring(KeysSettings(file="ring.json", secret="ring"), environ={})


def test_environment_wins_over_the_configured_secret(tmp_path: Path) -> None:
    configured = KeysSettings(secret="ring", endpoint="http://127.0.0.1:1")
    assert load_keyring(configured, environ={"SOFETCH_KEYRING": GOOD}).primary.kid == "k1"


def test_one_keyring_serves_for_all_where_no_other_is_named() -> None:
    rings = load_keyrings(KeysSettings(), environ={"SOFETCH_KEYRING": GOOD})
    assert rings.reversible is rings.tokens


@pytest.mark.parametrize("by_variable", [True, False])
def test_reversible_keyring_has_places_of_its_own(tmp_path: Path, by_variable: bool) -> None:
    path = str(keyring_file(tmp_path, ring_text(entry("r1", K2))))
    environ = {"SOFETCH_KEYRING": GOOD}
    if by_variable:
        rings = load_keyrings(KeysSettings(), environ=environ | {"SOFETCH_REVERSIBLE_KEYRING_FILE": path})
    else:
        rings = load_keyrings(KeysSettings(reversible_file=path), environ=environ)
    assert (rings.tokens.primary.kid, rings.reversible.primary.kid) == ("k1", "r1")


def test_named_reversible_keyring_that_is_missing_is_a_refusal_and_not_replaced_by_the_other(tmp_path: Path) -> None:
    keys = KeysSettings(reversible_file=str(tmp_path / "none.json"))
    with pytest.raises(KeyringError, match="No such file"):
        load_keyrings(keys, environ={"SOFETCH_KEYRING": GOOD})


def test_reversible_keyring_alone_starts_nothing() -> None:
    with pytest.raises(KeyringError, match="there is no key"):
        load_keyrings(KeysSettings(), environ={"SOFETCH_REVERSIBLE_KEYRING": GOOD})


PUT_FOR_A_NAME = [
    '{"keys": [{"kid": "k1", "material": "kanarieAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "status": "primary"}]}',
    "kanarieAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "-----BEGIN PRIVATE KEY-----\nkanarie\n-----END PRIVATE KEY-----\n",
    "postgresql://u:kanarie@h/db",
    "host=h password=kanarie",
]


@pytest.mark.parametrize("content", PUT_FOR_A_NAME)
def test_what_belongs_in_a_file_is_not_shown_when_it_is_given_for_the_files_name(content: str) -> None:
    """Variables that end in _FILE are filled with the secret itself as easily as with where it is."""
    environ = {"SOFETCH_KEYRING_FILE": content}
    reads = (
        lambda: load_keyrings(KeysSettings(), environ=environ),
        lambda: load_keyrings(KeysSettings(file=content), environ={}),
        lambda: load_recovery_key(content),
        lambda: load_archive_key(content),
        lambda: load_recovery_public_key(VaultSettings(recovery_public_key=content)),
        lambda: resolve_dsn(SinkSettings(table="t", dsn_file=content), environ={}),
        lambda: load_config(environ={"SOFETCH_CONFIG": content}),
    )
    for read in reads:
        with pytest.raises((KeyringError, ConfigError)) as refused:
            read()
        assert "kanarie" not in str(refused.value)
        assert NOT_TOLD in str(refused.value)


@pytest.mark.parametrize(
    "name", ["keyring.json", "/run/secrets/sofetch/keyring", "a b/ä(1)=x", "C:/x", "~/k@home.json"]
)
def test_the_name_of_a_file_is_told(name: str) -> None:
    assert told_path(name) == name
