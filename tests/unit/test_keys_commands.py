"""``sofetch keys``: what its commands change, what they refuse, and that no key is ever printed unasked."""

from __future__ import annotations

import base64
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from masking import K1, K2, entry, ring_text
from sofetch.cli.root import root
from sofetch.errors import ExitCode
from sofetch.keys import load_keyring_file

K3 = bytes(range(64, 96))
MATERIALS = [base64.b64encode(material).decode() for material in (K1, K2, K3)]
TWO = (entry("k1", K1, "active"), entry("k2", K2))


@pytest.fixture
def ring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "ring.json", ring_text(*TWO))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def keys(*arguments: str, given: str = "", **environ: str) -> Result:
    """Run ``sofetch keys …``; whatever it says, no key is in it."""
    result = CliRunner().invoke(root, ["keys", *arguments], input=given, env=environ)
    assert not [material for material in MATERIALS if material in result.output]
    return result


def statuses(path: Path) -> list[tuple[str, str]]:
    return [(key.kid, key.status) for key in load_keyring_file(path).keys]


def test_list_names_each_key_its_status_and_the_source(ring_file: Path) -> None:
    lines = keys("list", "-f", "ring.json").output.splitlines()
    assert lines[0] == "keyring file ring.json"
    assert lines[3].split() == ["k1", "active", "as", "material"]
    shown = json.loads(keys("list", "--json", SOFETCH_KEYRING_FILE=str(ring_file)).output)
    assert shown == {
        "source": f"keyring file {ring_file}",
        "keys": [{"kid": "k1", "status": "active"}, {"kid": "k2", "status": "primary"}],
    }


def test_list_can_be_of_the_reversible_keyring(ring_file: Path) -> None:
    other = write(ring_file.parent / "other.json", ring_text(entry("r1", K3)))
    both = {"SOFETCH_KEYRING_FILE": str(ring_file), "SOFETCH_REVERSIBLE_KEYRING_FILE": str(other)}
    assert "r1" in keys("list", "--reversible", **both).output
    assert "r1" not in keys("list", **both).output
    assert "no keyring" not in keys("list", **both).output


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_key_is_not_revealed_into_a_file_or_a_pipe(ring_file: Path, options: list[str]) -> None:
    result = keys("list", "-f", "ring.json", "--reveal", *options)
    assert result.exit_code != 0
    assert "to a terminal only" in result.stderr


def test_key_is_revealed_to_a_terminal_that_asks(ring_file: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sofetch", "keys", "list", "-f", "ring.json", "--reveal"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=True)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    assert MATERIALS[0] in shown
    assert b"warning" in done.stderr


def test_rotate_adds_a_primary_and_keeps_the_rest(ring_file: Path) -> None:
    assert keys("rotate", "-f", "ring.json").exit_code == 0
    assert statuses(ring_file) == [("k1", "active"), ("k2", "active"), ("k3", "primary")]
    assert stat.S_IMODE(ring_file.stat().st_mode) == 0o600
    assert [path.name for path in ring_file.parent.iterdir()] == ["ring.json"]


def test_rotate_into_a_new_file_leaves_the_old_one(ring_file: Path) -> None:
    before = ring_file.read_bytes()
    assert keys("rotate", "-f", "ring.json", "-o", "new.json", "--kid", "n").exit_code == 0
    assert ring_file.read_bytes() == before
    assert statuses(ring_file.parent / "new.json")[-1] == ("n", "primary")
    assert stat.S_IMODE((ring_file.parent / "new.json").stat().st_mode) == 0o600


def test_keyring_in_a_variable_is_changed_into_a_file_only(ring_file: Path) -> None:
    inline = {"SOFETCH_KEYRING": ring_text(*TWO)}
    refused = keys("rotate", **inline)
    assert "not changed unasked" in refused.stderr
    assert keys("rotate", "-o", "new.json", **inline).exit_code == 0


def test_file_that_cannot_be_replaced_is_left_whole(ring_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    before = ring_file.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be replaced (No space left" in keys("rotate", "-f", "ring.json").stderr
    assert ring_file.read_bytes() == before
    assert [path.name for path in ring_file.parent.iterdir()] == ["ring.json"]


def test_link_to_a_keyring_stays_a_link(ring_file: Path) -> None:
    link = ring_file.parent / "link.json"
    link.symlink_to(ring_file)
    keys("rotate", "-f", "link.json")
    assert link.is_symlink()
    assert statuses(ring_file)[-1] == ("k3", "primary")


def test_step_of_the_chain_is_not_retired_for_it_would_fork_the_tokens(ring_file: Path) -> None:
    refused = keys("retire", "k1", "-f", "ring.json")
    assert "a step of the tokens' chain" in refused.stderr
    assert statuses(ring_file)[0] == ("k1", "active")
    assert keys("retire", "k1", "-f", "ring.json", "--force").exit_code == 0
    assert statuses(ring_file)[0] == ("k1", "decrypt_only")


def test_key_of_the_reversible_keyring_alone_is_no_step_of_a_chain(ring_file: Path) -> None:
    tokens = write(ring_file.parent / "tokens.json", ring_text(entry("t1", K3)))
    both = {"SOFETCH_KEYRING_FILE": str(tokens), "SOFETCH_REVERSIBLE_KEYRING_FILE": str(ring_file)}
    assert keys("retire", "k1", "--reversible", **both).exit_code == 0
    assert statuses(ring_file)[0] == ("k1", "decrypt_only")


def test_destroy_needs_a_database_to_ask_or_force(ring_file: Path) -> None:
    refused = keys("destroy", "k1", "-f", "ring.json", given="k1\n")
    assert "no database is configured" in refused.stderr
    assert statuses(ring_file)[0] == ("k1", "active")


def test_the_oldest_key_is_not_destroyed_while_masks_go_by_it(ring_file: Path) -> None:
    shifted = 'name = "born"\nmask = "date_shift"\nsubject = "user"\nshift_days = 9\n'
    (ring_file.parent / "sofetch.toml").write_text(
        f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "user"\n[[column]]\n{shifted}'
    )
    assert "it is what date_shift goes by" in keys("destroy", "k1", "-f", "ring.json", given="k1\n").stderr
    assert statuses(ring_file)[0] == ("k1", "active")


def test_destroy_asks_for_the_name(ring_file: Path) -> None:
    for typed in ("", "yes\n", "k2\n"):
        refused = keys("destroy", "k1", "-f", "ring.json", "--force", given=typed)
        assert "not the key's name" in refused.stderr
        assert MATERIALS[0] in ring_file.read_text()
    assert keys("destroy", "k1", "-f", "ring.json", "--force", given="k1\n").exit_code == 0
    assert MATERIALS[0] not in ring_file.read_text()
    assert statuses(ring_file) == [("k1", "destroyed"), ("k2", "primary")]


def test_primary_is_neither_retired_nor_destroyed_whatever_is_forced(ring_file: Path) -> None:
    for command in ("retire", "destroy"):
        refused = keys(command, "k2", "-f", "ring.json", "--force", given="k2\n")
        assert "primary" in refused.stderr
    assert statuses(ring_file)[1] == ("k2", "primary")


def test_fingerprints_are_of_each_key_and_of_each_scheme_and_domain(ring_file: Path) -> None:
    (ring_file.parent / "sofetch.toml").write_text(
        '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "ip"\nmask = "token"\nkind = "ip"\n'
    )
    shown = json.loads(keys("show-fingerprint", "-f", "ring.json", "--json").output)["fingerprints"]
    found = {(one["scheme"], one["domain"], one["kid"]) for one in shown}
    assert found == {
        ("keyring", "primary", "k1"),
        ("keyring", "primary", "k2"),
        ("h1", "ip", "k1"),
        ("h1", "ip", "k2"),
        ("quarantine", "t", "k2"),
    }
    assert load_keyring_file(ring_file).get("k1").fingerprint(scheme="h1", domain="ip").fingerprint.hex() in [
        one["fingerprint"] for one in shown
    ]


def test_no_keyring_named_is_exit_code_4(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sofetch", "keys", "list"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.KEYS
    assert "sofetch keys new" in done.stderr
