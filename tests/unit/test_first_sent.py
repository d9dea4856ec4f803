"""When a message was first sent: a redrive sends it again, with a new id and a new time, and changes nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest

from loading import settings_for
from sofetch.decode import compile_decoder
from sofetch.mask.identity import ledger_key
from sofetch.record import FIRST_KEY_ATTRIBUTE
from sofetch.source.transport import RawMessage

DAY_MS = 86_400_000
FIRST_MS = 1_795_000_000_000
COLUMNS = [
    {"name": "user_id"},
    {"name": "sent", "type": "timestamp", "value": "sent_time"},
    {"name": "day", "type": "date", "value": "sent_date"},
]


def raw(number: int, sent_ms: int | None, **attributes: str) -> RawMessage:
    return RawMessage(
        id=str(UUID(int=number)),
        receipt_handle="r",
        body=b'{"user_id": "u"}',
        sent_ms=sent_ms,
        attributes={name.replace("_", ".", 1): text for name, text in attributes.items()},
    )


def sent_ms_of(one: RawMessage) -> int | None:
    return one.message(queue="q", received_ms=0).sent_ms


def test_a_message_that_was_redriven_gives_the_row_of_its_first_delivery() -> None:
    first = raw(1, FIRST_MS).message(queue="q", received_ms=0)
    again = RawMessage(
        id=str(UUID(int=2)),
        receipt_handle="r",
        body=first.body,
        sent_ms=FIRST_MS + 3 * DAY_MS,
        attributes={FIRST_KEY_ATTRIBUTE: ledger_key(first).hex()},
    ).message(queue="q", received_ms=1)
    decode = compile_decoder(settings_for(COLUMNS))
    [before], [after] = decode([first]).records, decode([again]).records
    assert before.values == after.values
    assert ledger_key(first) == ledger_key(again)


@pytest.mark.parametrize(
    "key",
    [
        (FIRST_MS + 1).to_bytes(6, "big").hex() + "0" * 20,  # later than it was sent: anybody may write an attribute
        "f" * 32,
        "0" * 32,  # the first delivery had no time
        "not a key",
        "",
    ],
)
def test_an_attribute_that_tells_no_earlier_time_changes_nothing(key: str) -> None:
    assert sent_ms_of(raw(1, FIRST_MS, sofetch_first_key=key)) == FIRST_MS
    assert sent_ms_of(raw(1, None, sofetch_first_key=key)) is None
