"""The shapes of a test: a case, its message, and what is expected of it.

Owns the types alone; how they are written in a file is ``read.py``'s and ``write.py``'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from sofetch.record import Message, Reason
from sofetch.settings import Domain, Kind, MaskName

SENT_MS: Final = 1_767_225_600_000
"""When a case's message was sent unless it says so: 2026-01-01T00:00:00Z."""

MESSAGE_ID: Final = "00000000-0000-4000-8000-000000000000"

Plain = str | int | bool | Decimal | datetime | date


class Equal(Struct, frozen=True):
    """The cell is this value, read as the column's type."""

    value: Plain


class IsNull(Struct, frozen=True):
    """The cell is NULL."""


class IsPresent(Struct, frozen=True):
    """The cell is anything but NULL."""


class Matches(Struct, frozen=True):
    """The whole text of the cell matches."""

    pattern: re.Pattern[str]


class Document(Struct, frozen=True):
    """The cell is this JSON, whatever the order of its keys."""

    value: object


class MaskOf(Struct, frozen=True):
    """The cell is what ``mask`` makes of ``value`` under the key of tests. ``kind`` and ``domain``: the column's."""

    mask: MaskName
    value: str | int
    kind: Kind | None = None
    domain: Domain | None = None


Expected = Equal | IsNull | IsPresent | Matches | Document | MaskOf


class ExpectedRow(Struct, frozen=True):
    """``whole``: every column that is not named is NULL. Otherwise it may be anything."""

    columns: Mapping[str, Expected]
    whole: bool


class ExpectedRejection(Struct, frozen=True):
    """``field`` is compared only where it is given."""

    reason: Reason
    field: str | None = None


class Case(Struct, frozen=True, kw_only=True):
    """One test. ``where`` is its file and line; ``unwrapped`` says that the message's body is the document itself."""

    name: str
    where: str
    message: Message
    expected: ExpectedRow | ExpectedRejection
    unwrapped: bool = False
