"""Sealing a rejected message's body for quarantine, and opening it again.

Owns the form of a sealed body: AES-256-GCM under the key derived for scheme "quarantine" and the pipeline's name, bound
to the pipeline and to the ledger key, so that a body moved to another row does not open. The only caller of
SealedRejection.
"""

from __future__ import annotations

from typing import Final

from sofetch.errors import KeyringError
from sofetch.mask.keyring import Key, Keyring
from sofetch.mask.primitives import KEY_BYTES, open_bytes, seal_bytes
from sofetch.record import Message, Rejection, SealedRejection

QUARANTINE_SCHEME: Final = "quarantine"


class Sealer:
    """Seals with the ring's primary key. Everything but the body stays readable: it holds no value of the message."""

    __slots__ = ("_key", "_kid", "_pipeline")

    def __init__(self, *, pipeline: str, keyring: Keyring) -> None:
        self._pipeline = pipeline
        self._kid = keyring.primary.kid
        self._key = _body_key(keyring.primary, pipeline)

    def seal(self, rejection: Rejection, *, key: bytes) -> SealedRejection:
        """The rejection with its body encrypted; ``key`` is its ledger key."""
        message = rejection.message
        return SealedRejection(
            message_id=message.id,
            key=key,
            reason=rejection.reason,
            field=rejection.field,
            sent_ms=message.sent_ms,
            receive_count=message.receive_count,
            kid=self._kid,
            sealed_body=seal_bytes(
                self._key, plaintext=_as_it_came(message), associated=_associated(pipeline=self._pipeline, key=key)
            ),
        )


def unseal(sealed_body: bytes, *, key: bytes, kid: str, pipeline: str, keyring: Keyring) -> bytes:
    """The body that was sealed, in the clear: for governed use only.

    Raises KeyringError if the ring has no such key, or if key, pipeline, ledger key or body is not the one sealed.
    """
    body = open_bytes(
        _body_key(keyring.get(kid), pipeline),
        sealed=sealed_body,
        associated=_associated(pipeline=pipeline, key=key),
    )
    if body is None:
        raise KeyringError(
            f"a quarantined body does not open with key {kid} of this keyring",
            hint="use the keyring and the pipeline name it was quarantined under; if both are right, it was altered",
        )
    return body


def _as_it_came(message: Message) -> bytes:
    """What a replay begins with again, and what an operator sees of the message elsewhere."""
    return message.body if message.original is None else message.original


def _body_key(key: Key, pipeline: str) -> bytes:
    return key.derive(scheme=QUARANTINE_SCHEME, domain=pipeline, length=KEY_BYTES)


def _associated(*, pipeline: str, key: bytes) -> bytes:
    return pipeline.encode() + b"\0" + key
