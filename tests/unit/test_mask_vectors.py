"""The published bytes: a token written today must be found again in ten years."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from masking import K1, K2, cell_of, entry, ring
from sofetch.mask.primitives import hkdf_sha256, keyed_hash

VECTORS = Path(__file__).parents[1] / "fixtures" / "vectors"
TOKENS: dict[str, Any] = json.loads((VECTORS / "tokens.json").read_text())
H1 = [vector for vector in TOKENS["vectors"] if vector["scheme"] == "h1"]


@pytest.mark.parametrize("vector", H1, ids=lambda vector: f"{vector['kind']}:{vector['input']}")
def test_h1_token_equals_its_vector(vector: dict[str, str]) -> None:
    assert cell_of(vector["input"], kind=vector["kind"], domain=vector["domain"]) == vector["token"]


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


def _hkdf(material: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 by hand, for one block of output."""
    assert length <= hashlib.sha256().digest_size
    return hmac.digest(hmac.digest(bytes(32), material, "sha256"), info + b"\x01", "sha256")[:length]
