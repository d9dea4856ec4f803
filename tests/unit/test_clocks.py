"""Time is UTC everywhere: what a machine's zone does to its clock changes nothing of a row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import msgspec
import pytest

from sofetch.decode import compile_decoder
from sofetch.record import Message
from sofetch.settings import Settings

SETTINGS = msgspec.convert(
    {
        "source": {"queue": "q"},
        "sink": {"table": "t"},
        "column": [
            {"name": "sent", "type": "timestamp", "value": "sent_time"},
            {"name": "day", "type": "date", "value": "sent_date"},
            {"name": "received", "type": "timestamp", "value": "receive_time"},
        ],
    },
    Settings,
)


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "right/UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's zone: some have daylight saving, one is a day ahead, one counts leap seconds."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 29, 0, 59, 59, 999_000, UTC),  # Berlin's clocks go from 02:00 to 03:00
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # 02:30 in Berlin, for the first time
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # and for the second
        datetime(2026, 11, 1, 9, 30, tzinfo=UTC),  # 01:30 in Los Angeles, for the second time
        datetime(2016, 12, 31, 23, 59, 59, 999_000, UTC),  # before a leap second, which the epoch's count leaves out
        datetime(2017, 1, 1, tzinfo=UTC),
    ],
)
def test_times_of_a_row_are_utc_whatever_the_machines_zone_does(moment: datetime) -> None:
    sent_ms = round(moment.timestamp() * 1_000)
    message = Message(id="m1", body=b"{}", queue="q", sent_ms=sent_ms, received_ms=sent_ms + 1)
    [record] = compile_decoder(SETTINGS)([message]).records
    sent, day, received = record.values
    assert (sent, day) == (moment, date(moment.year, moment.month, moment.day))
    assert isinstance(received, datetime)
    assert received > moment
