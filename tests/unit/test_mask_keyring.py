"""The keyring: its form, the meaning of a status, and that material never shows."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import traceback
from types import TracebackType
from typing import Any

import pytest

from masking import K1, K2, entry, ring, ring_text
from sofetch.errors import KeyringError
from sofetch.mask import Keyring, new_keyring_text, parse_keyring

SECRET = base64.b64encode(K1).decode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ('{"keys": [', "is not JSON (line 1, column 11)"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        ('{"keys": [], "keys": []}', "names one key twice"),
        ("[]", 'the one key "keys"'),
        ('{"keys": {}}', 'the one key "keys"'),
        ('{"keys": [], "more": 1}', 'the one key "keys"'),
        ('{"keys": []}', "holds no key"),
        ('{"keys": [7]}', "at position 1: it is not an object"),
        (ring_text(entry(), entry("k2", K2, "retired")), "at position 2: its status is none of primary, active"),
        (ring_text(entry("K1")), "its kid is not 1 to 8 of a-z and 0-9"),
        (ring_text(entry("k1\n")), "its kid is not"),
        (ring_text(entry("ninechars")), "its kid is not"),
        (ring_text(entry() | {"use": "x"}), "none of kid, material, status"),
        (ring_text(entry(material=None)), "its material is missing"),
        (ring_text(entry(material=K1[:31])), "31 bytes long, not 32"),
        (ring_text(entry(material=K1 + b"x")), "33 bytes long, not 32"),
        (ring_text(entry() | {"material": SECRET[:-1]}), "is not base64"),
        (ring_text(entry() | {"material": SECRET[:-2] + "é="}), "is not base64"),
        (ring_text(entry(material=bytes(32))), "a placeholder and no key"),
        (ring_text(entry(), entry("k2", K1, "active")), "one material to two keys"),
        (ring_text(entry(), entry("k1", K2, "active")), "one kid to two keys"),
        (ring_text(entry(), entry("k2", K2)), "exactly one primary key and has 2"),
        (ring_text(entry(status="active")), "exactly one primary key and has 0"),
        (ring_text(entry(), entry("k2", K2, "destroyed")), "destroyed and must have no material"),
    ],
)
def test_malformed_keyring_is_refused_with_what_is_wrong_and_what_to_do(text: str, complaint: str) -> None:
    with pytest.raises(KeyringError) as caught:
        parse_keyring(text, where="keyring file ring.json")
    assert caught.value.what.startswith("keyring file ring.json ")
    assert complaint in caught.value.what
    assert "sofetch keys new" in caught.value.hint


def test_refused_keyring_leaves_no_material_in_text_cause_or_traceback_frames() -> None:
    with pytest.raises(KeyringError) as caught:
        parse_keyring(ring_text(entry(), entry("k2", K2, "retired")))
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = str(error) + _product_frames(error.__traceback__)
    assert SECRET not in shown
    assert repr(K1) not in shown


@pytest.mark.parametrize("show", [repr, str, ascii, format, lambda it: json.dumps(it, default=repr)])
def test_keyring_and_key_show_nothing_of_the_material(show: Any) -> None:
    for handle in (ring(), ring().primary):
        assert show(handle).strip('"') in {"<Keyring redacted>", "<Key redacted>"}


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_keyring_and_key_refuse_to_be_pickled_and_copied(take: Any) -> None:
    for handle in (ring(), ring().primary):
        with pytest.raises(TypeError, match="never pickled or copied"):
            take(handle)


def test_walking_every_attribute_of_a_keyring_meets_no_material() -> None:
    seen: list[object] = []
    _walk(ring(), seen)
    assert len(seen) > 3
    assert K1 not in seen
    assert SECRET not in seen
    with pytest.raises(TypeError):
        vars(ring())


def test_destroyed_key_has_no_material_and_cannot_be_used() -> None:
    keyring = ring(entry("k0", None, "destroyed"), entry())
    with pytest.raises(KeyringError, match="k0 is destroyed"):
        keyring.get("k0").derive(scheme="h1", domain="ip", length=32)


def test_unknown_kid_is_refused() -> None:
    with pytest.raises(KeyringError, match="no key of the wanted kid"):
        ring().get("k9")


def test_token_chain_runs_from_the_active_keys_before_the_primary_to_it() -> None:
    keyring = ring(
        entry("k0", None, "destroyed"),
        entry("k1", K1, "active"),
        entry("k2", K2, "decrypt_only"),
        entry("k3", bytes(range(64, 96)), "primary"),
        entry("k4", bytes(range(96, 128)), "active"),
    )
    assert [key.kid for key in keyring.token_chain] == ["k1", "k3"]
    assert keyring.primary.kid == "k3"
    assert keyring.oldest.kid == "k1"


def test_keys_of_different_schemes_domains_and_kids_differ() -> None:
    keyring = ring(entry(), entry("k2", K2, "active"))
    derived = {
        key.derive(scheme=scheme, domain=domain, length=32)
        for key in (keyring.get("k1"), keyring.get("k2"))
        for scheme in ("h1", "ledger")
        for domain in ("ip", "device_id")
    }
    assert len(derived) == 8


def test_fingerprint_tells_keys_apart_and_is_no_part_of_the_key() -> None:
    one, other = (ring(entry(material=material)).primary for material in (K1, K2))
    print_one = one.fingerprint(scheme="h1", domain="ip")
    assert print_one == ring().primary.fingerprint(scheme="h1", domain="ip")
    assert print_one.fingerprint != other.fingerprint(scheme="h1", domain="ip").fingerprint
    assert print_one.fingerprint != one.fingerprint(scheme="h1", domain="device_id").fingerprint
    assert print_one.fingerprint not in one.derive(scheme="h1", domain="ip", length=64)
    assert len(print_one.fingerprint) == 16


def test_new_keyring_is_valid_and_never_the_same_twice() -> None:
    first, second = new_keyring_text("a1"), new_keyring_text("a1")
    assert first != second
    assert parse_keyring(first).primary.kid == "a1"


def test_new_keyring_with_a_kid_that_is_none_is_refused() -> None:
    with pytest.raises(KeyringError, match="its kid is not"):
        new_keyring_text("Not A Kid")


def _product_frames(trace: TracebackType | None) -> str:
    """The locals of every frame that is the product's own; the test's frame built the text and may hold it."""
    frames = [frame for frame, _ in traceback.walk_tb(trace) if "/sofetch/" in frame.f_code.co_filename]
    assert frames
    return repr([frame.f_locals for frame in frames])


def _walk(item: object, seen: list[object]) -> None:
    if any(item is known for known in seen):
        return
    seen.append(item)
    if isinstance(item, tuple | list):
        for part in item:
            _walk(part, seen)
    elif type(item).__module__.startswith("sofetch") or isinstance(item, Keyring):
        for kind in type(item).__mro__:
            for name in getattr(kind, "__slots__", ()):
                _walk(getattr(item, name), seen)
