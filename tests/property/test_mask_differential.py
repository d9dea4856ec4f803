"""Against independent implementations: ipcrypt by its author, and AES-SIV by PyCryptodome.

2,000 addresses each; as many as FUZZ_EXAMPLES says under ``make fuzz``.
"""

from __future__ import annotations

import os
import random
from base64 import urlsafe_b64encode
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import ipcrypt as theirs  # type: ignore[import-untyped]  # it ships no types
import pytest
from Crypto.Cipher import AES

from masking import K1, ring
from sofetch.mask.column import ColumnMasker
from sofetch.mask.primitives import hkdf_sha256
from sofetch.settings import ColumnSettings, MaskName

COUNT = int(os.environ.get("FUZZ_EXAMPLES", "2000"))


def random_addresses(seed: int) -> list[str]:
    """Half of each family; half of each from a few networks, so that prefixes are shared."""
    chance = random.Random(seed)
    few = [chance.getrandbits(32) for _ in range(8)]
    made: list[str] = []
    for number in range(COUNT // 4):
        made += [
            str(IPv4Address(chance.getrandbits(32))),
            str(IPv4Address(few[number % 8] & 0xFFFFFF00 | chance.getrandbits(8))),
            str(IPv6Address(chance.getrandbits(128))),
            str(IPv6Address(few[number % 8] << 96 | chance.getrandbits(64))),
        ]
    return made


def ours(mask: MaskName, values: list[str]) -> list[Any]:
    column = ColumnSettings(name="masked", mask=mask, kind="ip", domain="ip")
    return ColumnMasker(column, ring()).mask(values).cells


def key(scheme: str, length: int) -> bytes:
    return hkdf_sha256(K1, info=b"\0".join((b"pii/v1", scheme.encode(), b"ip")), length=length)


@pytest.mark.slow
@pytest.mark.parametrize(("mask", "length"), [("ip", 16), ("ip_prefix", 32)])
def test_masked_addresses_agree_with_the_other_implementation(mask: MaskName, length: int) -> None:
    encrypt = theirs.deterministic_encrypt if mask == "ip" else theirs.pfx_encrypt
    values, derived = random_addresses(1), key(mask, length)
    assert ours(mask, values) == [encrypt(value, derived) for value in values]


@pytest.mark.slow
def test_sealed_addresses_agree_with_the_other_implementation() -> None:
    values, derived = random_addresses(2), key("r1", 64)
    assert ours("reversible", values) == [_siv(derived, value) for value in values]


def _siv(derived: bytes, value: str) -> str:
    packed = ip_address(value).packed
    form = (b"\x04" if len(packed) == 4 else b"\x06") + packed + b"\x80"
    cipher = AES.new(derived, AES.MODE_SIV)
    cipher.update(b"r1.k1.")
    cipher.update(b"ip")
    sealed, tag = cipher.encrypt_and_digest(form.ljust(-(-len(form) // 16) * 16, b"\0"))
    return "r1.k1." + urlsafe_b64encode(tag + sealed).decode().rstrip("=")
