"""The bytes of the vault: what is sealed opens for the holder of the recovery key, and for nobody else."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from sofetch.errors import KeyringError
from sofetch.keys.recovery import load_recovery_key, load_recovery_public_key, write_recovery_keypair
from sofetch.mask.vaulting import (
    RecoveryPublicKey,
    new_recovery_keypair,
    open_value,
    parse_recovery_key,
    parse_recovery_public_key,
    recovery_key_id,
)
from sofetch.record import StoredValue, Vaulted
from sofetch.settings import VaultSettings
from vaulting import as_stored, recovery_pair

PRIVATE, PUBLIC = recovery_pair()
CANARY = "kanarie-198.51.100.7"


def sealed(value: str = CANARY, *, public: RecoveryPublicKey = PUBLIC) -> StoredValue:
    key, seal = public.new_batch().new_key("h1.k1.subject")
    entry = seal.seal(value, domain="ip", token="h1.k2.later", origin="h1.k1.first")
    return as_stored(Vaulted([key], [entry]))[0]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_text_comes_back_as_it_was(value: str) -> None:
    assert open_value(sealed(value), PRIVATE) == value


@pytest.mark.parametrize("value", ["", "\0", "\0\0", "a\0", "\x80", "a" * 31, "a" * 32, "a" * 63])
def test_padding_takes_nothing_away(value: str) -> None:
    assert open_value(sealed(value), PRIVATE) == value


def test_the_length_of_a_short_value_is_hidden() -> None:
    assert len({len(sealed(value).sealed) for value in ("", "1.1.1.1", "255.255.255.255", "x" * 31)}) == 1


@pytest.mark.parametrize("field", ["subject", "domain", "origin", "key_id", "wrapped", "sealed"])
def test_a_value_that_was_moved_or_altered_does_not_open(field: str) -> None:
    stored = sealed()
    other = getattr(stored, field)
    altered = bytes([other[0] ^ 1]) + other[1:] if isinstance(other, bytes) else other + "x"
    assert open_value(msgspec.structs.replace(stored, **{field: altered}), PRIVATE) is None


def test_every_byte_of_the_wrapped_key_matters() -> None:
    stored = sealed()
    for position in range(len(stored.wrapped)):
        altered = bytearray(stored.wrapped)
        altered[position] ^= 0x01
        assert open_value(msgspec.structs.replace(stored, wrapped=bytes(altered)), PRIVATE) is None, position


@pytest.mark.parametrize("length", [0, 1, 9, 88, 89, 90, 120])
def test_a_wrapped_key_that_was_cut_does_not_open(length: int) -> None:
    stored = sealed()
    assert open_value(msgspec.structs.replace(stored, wrapped=stored.wrapped[:length]), PRIVATE) is None


def test_the_token_may_be_renewed_by_a_rotation() -> None:
    assert open_value(msgspec.structs.replace(sealed(), token="h1.k3.later"), PRIVATE) == CANARY


def test_another_recovery_key_does_not_open_it_and_the_right_one_is_named() -> None:
    other, _ = recovery_pair()
    assert open_value(sealed(), other) is None
    assert recovery_key_id(sealed()) == PRIVATE.id == PUBLIC.id != other.id


def test_the_key_of_one_subject_does_not_open_the_value_of_another() -> None:
    batch = PUBLIC.new_batch()
    keys, entries = [], []
    for subject in ("h1.k1.a", "h1.k1.b"):
        key, seal = batch.new_key(subject)
        keys.append(key)
        entries.append(seal.seal(CANARY, domain="ip", token="t", origin="t"))
    first, second = as_stored(Vaulted(keys, entries))
    assert open_value(first, PRIVATE) == open_value(second, PRIVATE) == CANARY
    swapped = msgspec.structs.replace(first, wrapped=second.wrapped)
    assert open_value(swapped, PRIVATE) is None, "with a subject's own wrapped key gone, another's is of no use"


def test_the_bytes_are_as_they_are_documented() -> None:
    """Opened by hand from the table in the module's text: an archive must open without this code."""
    private_pem, public_pem = new_recovery_keypair()
    stored = sealed(public=parse_recovery_public_key(public_pem))
    private = load_pem_private_key(private_pem, None)
    assert isinstance(private, x25519.X25519PrivateKey)
    assert len(stored.wrapped) == 149
    assert stored.wrapped[0] == 1
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    batch_key = suite.decrypt(stored.wrapped[9:89], private, b"sofetch-vault/v1\0batch")

    def joined(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    under = stored.wrapped[89:]
    about_key = b"sofetch-vault/v1\0data" + joined(stored.key_id, stored.subject.encode())
    data_key = AESGCM(batch_key).decrypt(under[:12], under[12:], about_key)
    about_value = b"sofetch-vault/v1\0value" + joined(
        stored.key_id, stored.subject.encode(), stored.domain.encode(), stored.origin.encode()
    )
    plaintext = AESGCM(data_key).decrypt(stored.sealed[:12], stored.sealed[12:], about_value)
    assert plaintext == CANARY.encode() + b"\x80" + bytes(32 - len(CANARY) - 1)


def test_two_seals_of_one_value_have_nothing_in_common() -> None:
    one, other = sealed(), sealed()
    assert one.sealed != other.sealed
    assert one.wrapped[9:] != other.wrapped[9:]
    assert one.key_id != other.key_id


def test_neither_half_of_the_pair_is_pickled_or_shown() -> None:
    for key in (PRIVATE, PUBLIC):
        assert repr(key) == f"<{type(key).__name__} {key.id.hex()}>"
        for refused in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                refused(key)


def public_pem_of_another_kind() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_point_of_low_order() -> bytes:
    """With it every value would be sealed for everybody."""
    return x25519.X25519PublicKey.from_public_bytes(bytes(32)).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nothing",
        bytes(32),
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        public_pem_of_another_kind(),
        public_point_of_low_order(),
    ],
)
def test_what_is_no_public_key_is_refused(text: bytes) -> None:
    with pytest.raises(KeyringError, match="X25519 public key"):
        parse_recovery_public_key(text)


def test_the_private_half_in_the_place_of_the_public_one_is_refused_and_said() -> None:
    private, _ = new_recovery_keypair()
    with pytest.raises(KeyringError, match="private half"):
        parse_recovery_public_key(private)


def test_the_public_half_does_not_open() -> None:
    _, public = new_recovery_keypair()
    with pytest.raises(KeyringError, match="private key"):
        parse_recovery_key(public)


def test_the_pair_is_written_once_the_private_half_for_us_alone(tmp_path: Path) -> None:
    private, public = tmp_path / "recovery.pem", tmp_path / "recovery.pub.pem"
    made = write_recovery_keypair(private, public)
    assert (private.stat().st_mode & 0o777, public.stat().st_mode & 0o777) == (0o600, 0o644)
    loaded = load_recovery_public_key(VaultSettings(recovery_public_key=str(public)))
    assert loaded is not None
    assert loaded.id == made.id == load_recovery_key(private).id
    before = private.read_bytes()
    with pytest.raises(KeyringError, match="exists already"):
        write_recovery_keypair(private, tmp_path / "other.pem")
    assert private.read_bytes() == before
    assert not (tmp_path / "other.pem").exists()


def test_a_pair_of_which_one_file_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(KeyringError):
        write_recovery_keypair(tmp_path / "recovery.pem", tmp_path / "missing" / "recovery.pub.pem")
    assert list(tmp_path.iterdir()) == []


def test_a_public_key_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    """Whoever replaces it has all values sealed for a key of theirs."""
    _, public = tmp_path / "a", tmp_path / "b"
    write_recovery_keypair(tmp_path / "a", public)
    public.chmod(0o666)
    with pytest.raises(KeyringError, match="written by others"):
        load_recovery_public_key(VaultSettings(recovery_public_key=str(public)))


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_recovery_keypair(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").chmod(0o644)
    with pytest.raises(KeyringError, match="mode"):
        load_recovery_key(tmp_path / "a")
