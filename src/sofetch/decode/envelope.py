"""Envelope: the values that come from the message round the body, not from the body.

Owns what each ``value = …`` of the configuration means and which types it can be stored as. Must not look at a body.

| value | types | what |
| --- | --- | --- |
| message_id, queue, group_id, attribute:NAME | any | the text; for a type other than text it is read as JSON's string or, for int, bigint, bool and jsonb, as JSON itself |
| sent_time, receive_time | timestamp, date, bigint, text | to the millisecond, in UTC; bigint is milliseconds since 1970; text is RFC 3339 |
| sent_date | date, text | the UTC date of SentTimestamp, so that a retry gives the same row |

Where the server gives no SentTimestamp, or the message has no group or attribute, the value is missing.
"""  # noqa: E501  # a table's row is one line

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Final

from sofetch.decode.single import text_reader
from sofetch.decode.unfit import Unfit
from sofetch.errors import ConfigError
from sofetch.record import Message, Reason, Value
from sofetch.settings import ColumnSettings, LimitSettings

Read = Callable[[Message], Value]
"""From a message to the column's value; None is a missing one. Raises Unfit with the column."""

_ATTRIBUTE: Final = "attribute:"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_MS: Final = 86_400_000


def envelope_reader(column: ColumnSettings, limits: LimitSettings) -> Read:
    """How the column's value is read from the message. ConfigError if the value or its type is not possible."""
    value = column.value or ""
    name = value.removeprefix(_ATTRIBUTE)
    if name not in ("", value):
        return _text(column, limits, lambda message: message.attributes.get(name))
    match value:
        case "message_id" | "queue" | "group_id":
            return _text(column, limits, attrgetter("id" if value == "message_id" else value))
        case "sent_date":
            return _time(column, _DATES, attrgetter("sent_ms"))
        case "sent_time" | "receive_time":
            return _time(column, _TIMES, attrgetter("sent_ms" if value == "sent_time" else "received_ms"))
        case _:
            raise ConfigError(
                f"column `{column.name}`: `value = {value}` is not known",
                hint="use message_id, sent_time, sent_date, receive_time, queue, group_id or attribute:NAME",
            )


def _text(column: ColumnSettings, limits: LimitSettings, get: Callable[[Message], str | None]) -> Read:
    read = text_reader(column, limits)

    def read_text(message: Message) -> Value:
        text = get(message)
        return None if text is None else read(text)

    return read_text


def _time(
    column: ColumnSettings, forms: dict[str, Callable[[int], Value]], get: Callable[[Message], int | None]
) -> Read:
    # A mask takes text. The time of sending is hardly personal, but who masks it shall not find it in the clear.
    form = forms.get(column.type if column.mask is None else "text")
    if form is None:
        raise ConfigError(
            f"column `{column.name}`: `value = {column.value}` cannot be stored as {column.type}",
            hint=f"use one of the types {', '.join(forms)}",
        )

    def read_time(message: Message) -> Value:
        milliseconds = get(message)
        try:
            return None if milliseconds is None else form(milliseconds)
        except (OverflowError, ValueError):
            raise Unfit(Reason.OUT_OF_RANGE, column.name) from None

    return read_time


def _datetime(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _date(milliseconds: int) -> date:
    return date.fromordinal(_EPOCH_DAY + milliseconds // _DAY_MS)


def _bigint(milliseconds: int) -> int:
    _datetime(milliseconds)  # what is no time is no number of milliseconds either
    return milliseconds


def _time_text(milliseconds: int) -> str:
    return _datetime(milliseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _date_text(milliseconds: int) -> str:
    return _date(milliseconds).isoformat()


_TIMES: Final[dict[str, Callable[[int], Value]]] = {
    "timestamp": _datetime,
    "date": _date,
    "bigint": _bigint,
    "text": _time_text,
}
_DATES: Final[dict[str, Callable[[int], Value]]] = {"date": _date, "text": _date_text}
