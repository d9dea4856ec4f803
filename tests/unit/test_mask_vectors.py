"""The published bytes: a token written today must be found again in ten years."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from masking import K1, K2, cell_of, entry, masker, message, ring
from sofetch.mask import reveal
from sofetch.mask.ipcrypt import AddressCipher, deterministic, prefix_preserving
from sofetch.mask.primitives import hkdf_sha256, keyed_hash, siv_opener, siv_sealer
from sofetch.record import Record
from sofetch.settings import ColumnSettings

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"
TOKENS: dict[str, Any] = json.loads((VECTORS / "tokens.json").read_text())
AES_SIV: list[dict[str, Any]] = json.loads((VECTORS / "aes-siv.json").read_text())["vectors"]
IPCRYPT: list[dict[str, str]] = json.loads((VECTORS / "ipcrypt.json").read_text())["vectors"]
MASKS: list[dict[str, Any]] = json.loads((VECTORS / "masks.json").read_text())["vectors"]
H1 = [vector for vector in TOKENS["vectors"] if vector["scheme"] == "h1"]
R1 = [vector for vector in TOKENS["vectors"] if vector["scheme"] == "r1"]


@pytest.mark.parametrize("vector", H1, ids=lambda vector: f"{vector['kind']}:{vector['input']}")
def test_h1_token_equals_its_vector(vector: dict[str, str]) -> None:
    assert cell_of(vector["input"], kind=vector["kind"], domain=vector["domain"]) == vector["token"]


@pytest.mark.parametrize("vector", R1, ids=lambda vector: f"{vector['kind']}:{vector['input']}")
def test_r1_token_equals_its_vector_and_opens(vector: dict[str, str]) -> None:
    token = cell_of(vector["input"], mask="reversible", kind=vector["kind"], domain=vector["domain"])
    assert token == vector["token"]
    assert reveal([vector["token"]], mask="reversible", domain=vector["domain"], keyring=ring()) == [vector["input"]]


@pytest.mark.parametrize("vector", AES_SIV, ids=["A.1", "A.2"])
def test_aes_siv_equals_the_vectors_of_rfc_5297(vector: dict[str, Any]) -> None:
    key, associated = bytes.fromhex(vector["key"]), [bytes.fromhex(part) for part in vector["ad"]]
    [sealed] = siv_sealer(key, associated=associated)([bytes.fromhex(vector["plaintext"])])
    assert sealed.hex() == vector["ciphertext"]
    opened = siv_opener(key, associated=associated)(sealed)
    assert opened is not None
    assert opened.hex() == vector["plaintext"]


@pytest.mark.parametrize("vector", IPCRYPT, ids=lambda vector: f"{vector['variant']}:{vector['ip']}")
def test_ipcrypt_equals_its_published_vectors_both_ways(vector: dict[str, str]) -> None:
    cipher = _cipher(vector)
    plain, encrypted = (ip_address(vector[name]).packed for name in ("ip", "encrypted_ip"))
    assert cipher.encrypt([plain]) == [encrypted]
    assert cipher.decrypt([encrypted]) == [plain]


@pytest.mark.parametrize(
    ("mask", "cipher", "length"), [("ip", deterministic, 16), ("ip_prefix", prefix_preserving, 32)]
)
def test_masked_address_equals_a_recomputation_from_the_written_scheme(
    mask: str, cipher: Callable[[bytes], AddressCipher], length: int
) -> None:
    key = _hkdf(K1, f"pii/v1\0{mask}\0clients".encode(), length)
    [packed] = cipher(key).encrypt([bytes([192, 0, 2, 1])])
    assert cell_of("192.0.2.1", mask=mask, domain="clients") == ip_address(packed)


def test_token_after_a_rotation_is_chained_as_its_vector_says() -> None:
    rotated = ring(entry("k1", K1, "active"), entry("k2", K2, "primary"))
    value = next(v["input"] for v in H1 if v["token"] == TOKENS["chain"]["from"])
    assert cell_of(value, rotated, kind="ip", domain=TOKENS["chain"]["domain"]) == TOKENS["chain"]["to"]


def test_token_equals_a_recomputation_from_the_written_scheme() -> None:
    key = _hkdf(K1, b"pii/v1\0h1\0device_id", 32)
    tag = hmac.digest(key, b"\x53593-47-5928", "sha256")[:20]
    assert cell_of("593-47-5928", domain="device_id") == "h1.k1." + tag.hex()


def test_hkdf_equals_rfc_5869_test_case_3_with_the_empty_salt() -> None:
    okm = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert hkdf_sha256(b"\x0b" * 22, info=b"", length=42).hex() == okm


def test_keyed_hash_equals_rfc_4231_test_case_2() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash(b"Jefe")(b"what do ya want for nothing?").hex() == expected


def _cipher(vector: dict[str, str]) -> AddressCipher:
    make = {"ipcrypt-deterministic": deterministic, "ipcrypt-pfx": prefix_preserving}[vector["variant"]]
    return make(bytes.fromhex(vector["key"]))


def _hkdf(material: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 by hand, for one block of output."""
    assert length <= hashlib.sha256().digest_size
    return hmac.digest(hmac.digest(bytes(32), material, "sha256"), info + b"\x01", "sha256")[:length]


@pytest.mark.parametrize("vector", MASKS, ids=lambda vector: f"{vector['mask']}:{vector['values'][-1]}")
def test_what_no_key_is_named_in_equals_its_vector_too(vector: dict[str, Any]) -> None:
    masked = ColumnSettings(name="masked", mask=vector["mask"], **vector["column"])
    columns = [ColumnSettings(name="user_id"), masked][-len(vector["values"]) :]
    [made] = masker(*columns).mask([Record(message(), tuple(vector["values"]))]).records
    assert list(map(str, made.values)) == vector["cells"]
