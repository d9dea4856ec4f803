"""Quarantine bodies: unreadable, bound to their row, and recoverable with the right key alone."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from masking import K1, K2, entry, masker, message, ring
from sofetch.errors import KeyringError
from sofetch.mask import unseal
from sofetch.record import Reason, Rejection, SealedRejection
from sofetch.settings import ColumnSettings

BODY = b'{"foo": "oops_wrong_msg_type", "bar": "123"}'
USER = ColumnSettings(name="user_id")


def sealed_of(body: bytes = BODY) -> SealedRejection:
    given = message(body, receive_count=4)
    (sealed,) = masker(USER).seal([Rejection(given, Reason.MISSING_FIELD, "user_id")])
    return sealed


def opened(sealed: SealedRejection, **changed: Any) -> bytes:
    how: dict[str, Any] = {"key": sealed.key, "kid": sealed.kid, "pipeline": "user_logins", "keyring": ring()} | changed
    return unseal(how.pop("sealed_body", sealed.sealed_body), **how)


@pytest.mark.parametrize("body", [b"", BODY, b"\xff\x00", bytes(1_048_576)], ids=["empty", "json", "binary", "1 MiB"])
def test_sealed_body_opens_to_what_it_was(body: bytes) -> None:
    sealed = sealed_of(body)
    assert opened(sealed) == body
    assert len(sealed.sealed_body) == 12 + len(body) + 16


def test_sealed_rejection_says_why_and_shows_nothing_of_the_body() -> None:
    sealed = sealed_of()
    assert (sealed.reason, sealed.field, sealed.sent_ms, sealed.receive_count, sealed.kid) == (
        Reason.MISSING_FIELD,
        "user_id",
        1,
        4,
        "k1",
    )
    assert not any(BODY[start : start + 6] in sealed.sealed_body for start in range(len(BODY) - 5))


def test_sealed_body_opens_by_the_written_form_alone() -> None:
    sealed = sealed_of()
    prk = hmac.digest(bytes(32), K1, "sha256")
    key = hmac.digest(prk, b"pii/v1\0quarantine\0user_logins\x01", "sha256")
    nonce, ciphertext = sealed.sealed_body[:12], sealed.sealed_body[12:]
    assert AESGCM(key).decrypt(nonce, ciphertext, b"user_logins\0" + sealed.key) == BODY


def test_same_body_is_sealed_differently_each_time() -> None:
    assert sealed_of().sealed_body != sealed_of().sealed_body


@pytest.mark.parametrize(
    "changed",
    [
        {"key": bytes(16)},
        {"pipeline": "other"},
        {"keyring": ring(entry(material=K2))},
        {"sealed_body": b""},
        {"sealed_body": bytes(40)},
    ],
    ids=["row", "pipeline", "key", "empty", "zeros"],
)
def test_body_of_another_row_pipeline_or_key_does_not_open(changed: dict[str, Any]) -> None:
    with pytest.raises(KeyringError, match="does not open with key k1") as caught:
        opened(sealed_of(), **changed)
    assert caught.value.__cause__ is None


def test_one_changed_bit_keeps_a_body_shut() -> None:
    sealed = sealed_of()
    for position in (0, 12, len(sealed.sealed_body) - 1):
        altered = bytearray(sealed.sealed_body)
        altered[position] ^= 1
        with pytest.raises(KeyringError):
            opened(sealed, sealed_body=bytes(altered))


def test_body_sealed_before_a_rotation_opens_after_it() -> None:
    rotated = ring(entry("k1", K1, "decrypt_only"), entry("k2", K2))
    assert opened(sealed_of(), keyring=rotated) == BODY
    assert masker(USER, keyring=rotated).seal([Rejection(message(), Reason.NOT_JSON)])[0].kid == "k2"
