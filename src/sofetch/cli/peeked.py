"""What may be shown of a waiting message: the row it would become, masked, or why it would not become one.

Owns the rule, and fails closed: a masked or collecting column is shown masked, or hidden if there is no keyring; a
field that no column names is only counted; a body is given in the clear only if that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from sofetch.decode import compile_decoder
from sofetch.mask.identity import ledger_key
from sofetch.paths import parse_path
from sofetch.source import open_object_store
from sofetch.unwrapping import open_some

if TYPE_CHECKING:
    from sofetch.mask.keyring import Keyring, Keyrings
    from sofetch.record import Message, Record, Rejection
    from sofetch.settings import Settings

HIDDEN: Final = "«hidden»"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Peeked:
    """One message as it may be shown. ``columns`` is None for one that does not fit, with ``reason`` and ``field``.

    ``other_fields`` counts the top-level fields that no column names. ``body`` is the text in the clear, or None.
    ``key`` is the ledger key by which `dlq redrive --only-key` knows it; None for a line of an object, which is no
    message.
    """

    message: Message
    columns: Mapping[str, object] | None
    reason: str | None = None
    field: str | None = None
    other_fields: int = 0
    body: str | None = None
    key: UUID | None = None


def look(
    messages: Sequence[Message], *, settings: Settings, keyring: Keyring | Keyrings | None, in_the_clear: bool
) -> list[Peeked]:
    """Each message as it may be shown, in the order given; what names objects of many records, as the first of them.
    What does not open comes last.
    """
    opened, unopened = open_some(messages, settings, open_store=open_object_store, most=len(messages))
    shown = [*opened, *(rejection.message for rejection in unopened)]
    keys = {message.id: UUID(bytes=ledger_key(message)) for message in messages}
    seen = [_clear(message) for message in shown] if in_the_clear else _as_rows(opened, unopened, settings, keyring)
    return [replace(one, key=keys.get(one.message.id)) for one in seen]


def _as_rows(
    opened: Sequence[Message], unopened: Sequence[Rejection], settings: Settings, keyring: Keyring | Keyrings | None
) -> list[Peeked]:
    shown = [*opened, *(rejection.message for rejection in unopened)]
    decoded = compile_decoder(settings)(opened)
    rows, rejections = _masked(decoded.records, settings, keyring)
    refused = {rejection.message.id: rejection for rejection in [*unopened, *decoded.rejections, *rejections]}
    named = _named_fields(settings)
    return [_peeked(message, rows.get(message.id), refused.get(message.id), named) for message in shown]


def _masked(
    records: Sequence[Record], settings: Settings, keyring: Keyring | Keyrings | None
) -> tuple[dict[str, dict[str, object]], list[Rejection]]:
    """Rows by message id, and what could not be masked."""
    names = [column.name for column in settings.column]
    if keyring is None:
        collecting = settings.drift.collect_into
        masked_at = [column.mask is not None or column.name == collecting for column in settings.column]
        hidden = {
            record.message.id: [HIDDEN if hide else value for hide, value in zip(masked_at, record.values, strict=True)]
            for record in records
        }
        return {key: dict(zip(names, values, strict=True)) for key, values in hidden.items()}, []
    from sofetch.mask import compile_masker

    masked = compile_masker(settings, keyring, loads=False).mask(records)
    rows = {row.message_id: dict[str, object](zip(names, row.values, strict=True)) for row in masked.records}
    return rows, list(masked.rejections)


def _peeked(
    message: Message, row: Mapping[str, object] | None, refused: Rejection | None, named: frozenset[str | int]
) -> Peeked:
    others = _other_fields(message.body, named)
    if row is not None:
        return Peeked(message=message, columns=row, other_fields=others)
    reason = refused.reason.value if refused is not None else "unknown"
    return Peeked(
        message=message, columns=None, reason=reason, field=refused.field if refused else None, other_fields=others
    )


def _clear(message: Message) -> Peeked:
    return Peeked(message=message, columns=None, body=message.body.decode("utf-8", "replace"))


def _named_fields(settings: Settings) -> frozenset[str | int]:
    """First parts of the paths that columns are filled from."""
    reading = [column for column in settings.column if column.name != settings.drift.collect_into]
    paths = [column.from_ or column.name for column in reading if column.value is None]
    return frozenset(parse_path(path)[0] for path in paths)


def _other_fields(body: bytes, named: frozenset[str | int]) -> int:
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    return sum(name not in named for name in fields)
