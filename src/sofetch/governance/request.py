"""A request for recovery on its way: prepared by one, signed by others, run once before it ends.

Owns the request's file, what a signature is made over, and whether the approvals suffice. It must not do I/O. The
tokens in it are pseudonyms: the file is to be kept like the table.

A signature is Ed25519 over ``sofetch-recovery/v1 00`` and the request in JSON with sorted keys: every field of it, so
that nobody can put other tokens or another purpose under an approval.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from sofetch.errors import ConfigError, KeyringError, NotApproved
from sofetch.mask.primitives import random_bytes, signer, verifier
from sofetch.settings import ApproverSettings, RecoverySettings

VERSION: Final = 1
MAX_FILE_BYTES: Final = 4_194_304
_SIGNED: Final = b"sofetch-recovery/v1\0"
_ID_BYTES: Final = 16


class Purpose(Struct, frozen=True, kw_only=True):
    """On whose word something is done: who, why, and where that was decided."""

    actor: str
    purpose: str
    ticket: str


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked. ``column`` says where the tokens came from, if it was said."""

    id: str
    pipeline: str
    actor: str
    purpose: str
    ticket: str
    column: str | None
    tokens: list[str]
    created_at: datetime
    expires_at: datetime

    @property
    def by(self) -> Purpose:
        """On whose word."""
        return Purpose(actor=self.actor, purpose=self.purpose, ticket=self.ticket)


class Approval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature. ``key`` tells the approver's key (the first 8 bytes of the SHA-256 of its 32)."""

    key: str
    signature: str


class RequestFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request and its approvals, as they stand in the file."""

    request: Request
    approvals: list[Approval] = []
    version: int = VERSION


def new_request(
    by: Purpose, *, pipeline: str, tokens: Sequence[str], column: str | None, now: datetime, hours: int
) -> Request:
    """A request that ends in so many hours."""
    now = now.replace(microsecond=0)
    return Request(
        id=random_bytes(_ID_BYTES).hex(),
        pipeline=pipeline,
        actor=by.actor,
        purpose=by.purpose,
        ticket=by.ticket,
        column=column,
        tokens=list(tokens),
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )


def parse_request(data: bytes) -> RequestFile:
    """The file's content. Raises ConfigError, which shows none of it."""
    try:
        found = msgspec.json.decode(data, type=RequestFile)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if found is None or found.version != VERSION or found.request.expires_at.tzinfo is None:
        raise ConfigError("this is no request for recovery", hint="`sofetch recover --prepare FILE` writes one")
    return found


def render_request(file: RequestFile) -> bytes:
    """The file's content, indented for those who are to read it before they sign."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def approve(file: RequestFile, *, private_pem: bytes, settings: RecoverySettings, now: datetime) -> RequestFile:
    """The file with one more approval; that key's earlier one, if there is one, gives way.

    Raises KeyringError for what is no private key, NotApproved for one that may not approve this request.
    """
    found = signer(private_pem)
    del private_pem
    if found is None:
        raise KeyringError("this is not an Ed25519 private key in PEM, without a passphrase", hint=MAKE_KEY)
    public, sign = found
    _require_in_time(file.request, now)
    name = _names(settings).get(public)
    if name is None:
        raise NotApproved("this key is not one of the approvers'", hint="[[recovery.approver]] lists who may approve")
    if _same_person(name, file.request.actor):
        raise NotApproved("nobody approves their own request", hint="let another approver sign it")
    key = _key_id(public)
    others = [approval for approval in file.approvals if approval.key != key]
    signature = b64encode(sign(_signed_bytes(file.request))).decode()
    return RequestFile(request=file.request, approvals=[*others, Approval(key=key, signature=signature)])


def approvers_of(file: RequestFile, *, settings: RecoverySettings) -> list[str]:
    """Who approved, by name: known keys, right signatures, each person once, the actor left out."""
    judged = (_judge(approver) for approver in settings.approver)
    by_key = {_key_id(public): (approver.name, is_signed) for approver, public, is_signed in judged}
    data, names = _signed_bytes(file.request), dict[str, str]()
    for approval in file.approvals:
        name, is_signed = by_key.get(approval.key, ("", None))
        if is_signed is not None and is_signed(_decoded(approval.signature), data):
            names.setdefault(_person(name), name)
    names.pop(_person(file.request.actor), None)
    return sorted(names.values())


def require_approved(file: RequestFile, *, pipeline: str, settings: RecoverySettings, now: datetime) -> list[str]:
    """Who approved, if they suffice and the request is this pipeline's and in time. Raises NotApproved."""
    if file.request.pipeline != pipeline:
        raise NotApproved("the request is for another pipeline", hint="run it with the configuration it was made with")
    _require_in_time(file.request, now)
    names = approvers_of(file, settings=settings)
    if len(names) < settings.approvals:
        raise NotApproved(
            f"the request has {len(names)} of the {settings.approvals} approvals it needs, by others than its actor",
            hint="`sofetch recover --approve FILE --key approver.pem` adds one; a changed request loses those it had",
        )
    return names


MAKE_KEY: Final = "`openssl genpkey -algorithm ed25519 -out approver.pem` makes one"


def _require_in_time(request: Request, now: datetime) -> None:
    if now >= request.expires_at:
        raise NotApproved(f"the request ended at {request.expires_at:%Y-%m-%d %H:%M} UTC", hint="prepare a new one")
    if request.created_at > now + timedelta(hours=1):
        raise NotApproved("the request was made in the future", hint="is the clock of this machine right?")


def _names(settings: RecoverySettings) -> dict[bytes, str]:
    return {public: approver.name for approver, public, _ in map(_judge, settings.approver)}


def _judge(approver: ApproverSettings) -> tuple[ApproverSettings, bytes, Callable[[bytes, bytes], bool]]:
    found = verifier(_decoded(approver.public_key))
    if found is None:
        raise ConfigError(
            f"[[recovery.approver]] {approver.name}: `public_key` is not an Ed25519 public key",
            hint="`openssl pkey -in approver.pem -pubout` prints it: the line between BEGIN and END",
        )
    return approver, *found


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _key_id(public: bytes) -> str:
    return sha256(public).digest()[:8].hex()


def _person(name: str) -> str:
    return " ".join(name.casefold().split())


def _same_person(one: str, other: str) -> bool:
    return _person(one) == _person(other)


def _signed_bytes(request: Request) -> bytes:
    return _SIGNED + msgspec.json.encode(request, order="sorted")
