"""The data on its way: message, record, masked record, rejection, outcome.

This module owns the shapes that travel between the steps. It must not do I/O, read a clock or import another
module of the project. Everything here that can hold a personal value hides it from ``repr`` and refuses pickle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any, Final, NoReturn
from uuid import UUID

import msgspec

_NEVER_PICKLED = "holds personal data and is never pickled"

TRACE_HEADER: Final = "AWSTraceHeader"
"""Where SQS keeps the trace that a message was sent in; asked for where traces are, and then among its attributes."""

FIRST_KEY_ATTRIBUTE: Final = "sofetch.first_key"
"""Message attribute of our own redrive, 32 hex digits: the ledger key of the first delivery, which had another id."""

FIRST_KEY: Final = re.compile(r"[0-9a-f]{32}")
"""What it holds: 48 bits of the time of sending, in ms, and 80 of the id."""

Scalar = str | int | float | bool | Decimal | None
"""A personal value in the clear, as it stood in the JSON; what a mask takes."""

Address = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface

Cell = str | int | bool | Decimal | datetime | date | UUID | Address | bytes | None
"""What goes into one column of one row. ``bytes`` is the UTF-8 text of a JSON document (for ``jsonb``)."""

Value = Scalar | Cell


def first_sent_ms(sent_ms: int | None, attributes: Mapping[str, str]) -> int | None:
    """When a message that was sent at ``sent_ms`` was sent first, where our redrive sent it again.

    Never later than ``sent_ms``: anybody may write an attribute, and nobody is to be the newest for ever.
    """
    first = attributes.get(FIRST_KEY_ATTRIBUTE)
    if first is None or sent_ms is None or not FIRST_KEY.fullmatch(first):
        return sent_ms
    return min(int(first[:12], 16) or sent_ms, sent_ms)


class Reason(StrEnum):
    """Why a message went to quarantine. Bounded: dashboards and alerts may group by it."""

    EMPTY_BODY = "empty_body"
    BODY_TOO_LARGE = "body_too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    TOO_MANY_KEYS = "too_many_keys"
    NUMBER_TOO_LONG = "number_too_long"
    INVALID_UNICODE = "invalid_unicode"
    NUL_CHARACTER = "nul_character"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"
    OUT_OF_RANGE = "out_of_range"
    TOO_LONG = "too_long"
    NOT_OF_KIND = "not_of_kind"
    UNIQUE_VIOLATION = "unique_violation"
    NOT_NULL_VIOLATION = "not_null_violation"
    CHECK_VIOLATION = "check_violation"
    FOREIGN_KEY_VIOLATION = "foreign_key_violation"
    EXCLUSION_VIOLATION = "exclusion_violation"
    DATABASE_REFUSED_VALUE = "database_refused_value"
    NOT_AN_ENVELOPE = "not_an_envelope"
    SNS_CONFIRMATION = "sns_confirmation"
    BAD_ENCODING = "bad_encoding"
    UNWRAPPED_TOO_LARGE = "unwrapped_too_large"
    BUCKET_NOT_ALLOWED = "bucket_not_allowed"
    OBJECT_MISSING = "object_missing"
    OBJECT_TOO_LARGE = "object_too_large"
    UNEXPECTED_ERROR = "unexpected_error"


class DriftKind(StrEnum):
    """In what a message is not as the configuration expects it. Bounded, as a label of a metric must be."""

    UNKNOWN_FIELD = "unknown_field"
    MISSING_FIELD = "missing_field"
    TYPE_CHANGE = "type_change"


class Drift(msgspec.Struct, frozen=True, gc=False):
    """One way in which messages drifted. ``field`` is a column's name or, of a field that no column reads, its path,
    with ``*`` for each name in it that is not plain. No value is in it.
    """

    kind: DriftKind
    field: str


class Private(msgspec.Struct, frozen=True, gc=False):
    """Base of what may hold a personal value: shows nothing of itself, cannot be pickled.

    Not watched by the cycle collector (``gc=False``): nothing that it holds points back at it. While thousands are
    held, the collector would walk them again and again, for a third of the time that decoding takes.
    """

    def __repr__(self) -> str:
        return f"<{type(self).__name__} redacted>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What Rich shows instead of the ``repr``, in its tracebacks too; a Struct's own has every field."""
        return []

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} {_NEVER_PICKLED}")


class Message(Private, frozen=True, kw_only=True):
    """One message as a source received it.

    ``id`` is the queue's MessageId; ``sent_ms`` the SentTimestamp in milliseconds since the epoch (None where the
    server gives none); ``received_ms`` our own clock at receipt; ``receive_count`` the ApproximateReceiveCount.
    The receipt handle is not here: the source keeps the newest one for each id (a second delivery replaces it).
    ``original`` is the body as it came, where ``body`` was unwrapped from it; None where it was not.
    """

    id: str
    body: bytes
    queue: str
    sent_ms: int | None
    received_ms: int
    receive_count: int = 1
    group_id: str | None = None
    sequence_number: str | None = None
    attributes: Mapping[str, str] = msgspec.field(default_factory=dict)
    original: bytes | None = None

    @property
    def fifo_group(self) -> str | None:
        """The group whose order binds it. None in a standard queue: groups are for fair shares there, without order."""
        return None if self.sequence_number is None else self.group_id


class ObjectRef(Private, frozen=True):
    """An object in S3 that a message names. A key may hold personal data, as a body may."""

    bucket: str
    key: str
    version_id: str | None = None


class Record(Private, frozen=True):
    """A decoded message: one value for each configured column, in the order of the configuration, in the clear."""

    message: Message
    values: tuple[Value, ...]


class Rejection(Private, frozen=True):
    """A message that cannot become a row, and why. ``field`` is a column's name, never input."""

    message: Message
    reason: Reason
    field: str | None = None


class MaskedRecord(Private, frozen=True):
    """A row that may be stored: personal values masked. Only ``sofetch.mask`` makes one (a test proves it).

    ``key`` is the ledger key, 16 bytes; ``values`` are in the order of the configured columns.
    """

    message_id: str
    key: bytes
    values: tuple[Cell, ...]


class SealedRejection(Private, frozen=True, kw_only=True):
    """A rejection whose body is encrypted for quarantine. Only ``sofetch.mask`` makes one.

    ``sealed_body`` is nonce (12 bytes) ‖ AES-256-GCM ciphertext and tag, under the key named by ``kid``.
    """

    message_id: str
    key: bytes
    reason: Reason
    field: str | None
    sent_ms: int | None
    receive_count: int
    kid: str
    sealed_body: bytes


class VaultKey(Private, frozen=True):
    """The data key of one subject in one batch, wrapped to the recovery public key. ``key_id`` is 16 bytes."""

    key_id: bytes
    subject: str
    wrapped: bytes


class VaultEntry(Private, frozen=True, kw_only=True):
    """A personal value for the vault, sealed under the key of ``key_id``. ``subject`` is a token, never a name.

    ``token`` is what the row holds; ``origin`` the same value's token under the first key of the chain, which no
    rotation changes (with one key, the same).
    """

    subject: str
    domain: str
    token: str
    origin: str
    key_id: bytes
    sealed: bytes


class Vaulted(Private, frozen=True):
    """What of a batch goes into the vault, before its rows are loaded. Only ``sofetch.mask`` makes one."""

    keys: list[VaultKey]
    entries: list[VaultEntry]


class StoredValue(Private, frozen=True, kw_only=True):
    """A value as the vault gives it back, still sealed. ``sofetch.mask.vaulting.open_value`` opens it."""

    subject: str
    domain: str
    token: str
    origin: str
    key_id: bytes
    wrapped: bytes
    sealed: bytes
    first_seen: datetime


class Decoded(Private, frozen=True):
    """What decode made of a batch: every message is in exactly one of the two lists.

    ``drifted`` counts the messages that drifted so, be they records or rejections.
    """

    records: list[Record]
    rejections: list[Rejection]
    drifted: Mapping[Drift, int] = msgspec.field(default_factory=dict)


class Masked(Private, frozen=True):
    """What mask made of a batch. ``not_of_kind`` counts, by column, values not of their kind that policy let
    pass as the token of a plain string, or redacted.
    """

    records: list[MaskedRecord]
    rejections: list[Rejection]
    not_of_kind: Mapping[str, int]
    vaulted: Vaulted | None = None


class Breakage(msgspec.Struct, frozen=True):
    """The program broke on one message: the exception's type and the place in the code, never its text."""

    error: str
    place: str


class Opened(Private, frozen=True, kw_only=True):
    """Messages that were unwrapped, as many as one transaction may hold, and those that could not be.

    ``part_of`` names, for each message that is a part of another (one line of an object), the id of the whole;
    ``ended`` the ids of wholes of which no more parts will come. Parts come before the end of their whole.
    """

    messages: list[Message]
    rejections: list[Rejection]
    part_of: Mapping[str, str] = msgspec.field(default_factory=dict)
    ended: Sequence[str] = ()
    broke: Sequence[Breakage] = ()


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """The row is committed."""

    message_id: str


class Duplicate(msgspec.Struct, frozen=True, gc=False):
    """The message is committed and added no row. An earlier delivery of it is in the table or in quarantine; or, where
    rows are written by key, a row of its key stands before it.
    """

    message_id: str


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """The message is committed to quarantine."""

    message_id: str
    reason: Reason
    field: str | None = None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The database refused this row on its own account, isolated from its neighbours. Nothing is committed for it:
    the pipeline seals it and hands it back for quarantine.
    """

    message_id: str
    reason: Reason
    field: str | None = None


class Expanded(msgspec.Struct, frozen=True, kw_only=True):
    """The message stood for many records, and each of them is committed, in the table or in quarantine.

    ``quarantined`` counts by reason and field, the message itself included if it is there.
    """

    message_id: str
    loaded: int
    duplicates: int
    quarantined: Mapping[tuple[Reason, str | None], int]


class Retry(msgspec.Struct, frozen=True, gc=False):
    """Nothing durable happened to this message; it goes back to the queue."""

    message_id: str


Outcome = Loaded | Duplicate | Rejected | Expanded | Retry
"""What became of one message. All but the last may be deleted from the queue."""

LoadResult = Loaded | Duplicate | Rejected | Refused
"""What a sink says of one message that it was given."""
