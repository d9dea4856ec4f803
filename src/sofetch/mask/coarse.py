"""Masks that keep a part of the value and no key is needed for: ``truncate``, ``bucket``, ``partial``, ``round``.

Owns what is kept, and that a value of which too much would be kept is redacted instead. What is kept is in the clear.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from sofetch.columns import HIDDEN, kind_of
from sofetch.mask.canonical import IPV4
from sofetch.record import Cell
from sofetch.settings import ColumnSettings

EXACT: Final = Context(prec=100)
"""More digits than a number of the kind ``number`` times a step can have."""

_One = Callable[[bytes], Cell]


def coarsen(column: ColumnSettings) -> tuple[_One, _One | None]:  # noqa: PLR0911  # one case each
    """What the column's mask keeps of a form, and of the string form of what is not of the column's kind.

    None for a constant, which the caller knows.
    """
    match column.mask, kind_of(column):
        case "truncate", "ip":
            return _truncate_ip, None
        case "truncate", _:
            return _truncate_string(column), None
        case "bucket", "date":
            return _month, None
        case "bucket", _:
            return _email_domain, None
        case "partial", "email":
            return _initial, None
        case "partial", _:
            last = _last(column)
            return last, last
        case _:
            return _rounded(column), None


def _truncate_ip(form: bytes) -> str:
    """The network: 256 addresses of IPv4, 2⁸⁰ of IPv6. A small network may still be one household."""
    if form.startswith(IPV4):
        return f"{IPv4Address(form[1:4] + bytes(1))}/24"
    return f"{IPv6Address(form[1:7] + bytes(10))}/48"


def _truncate_string(column: ColumnSettings) -> _One:
    """The first characters. What they would leave whole, or what Postgres cannot hold, is redacted instead."""
    kept_chars, constant = column.truncate_to, column.redact_to

    def truncate(form: bytes) -> str:
        text = form[1:].decode()
        head = text[:kept_chars]
        return head if len(head) < len(text) and "\0" not in head else constant

    return truncate


def _month(form: bytes) -> date:
    return date(int(form[1:5]), int(form[6:8]), 1)


def _email_domain(form: bytes) -> str:
    return form.rpartition(b"@")[2].decode()


def _last(column: ColumnSettings) -> _One:
    """``***`` and the last characters. Of what is not at least twice as long, nothing: it would tell the most of it."""
    kept_chars, constant = column.keep_last, column.redact_to

    def last(form: bytes) -> str:
        text = form[1:].decode()
        hides_enough = sum(map(str.isalnum, text[:-kept_chars])) >= kept_chars
        return HIDDEN + text[-kept_chars:] if hides_enough and "\0" not in text else constant

    return last


def _initial(form: bytes) -> str:
    """``j***@domain``; of a name of one character nothing is left but the domain."""
    local, _, domain = form[1:].decode().rpartition("@")
    return f"{local[:1] if len(local) > 1 else ''}{HIDDEN}@{domain}"


def _rounded(column: ColumnSettings) -> _One:
    step = exactly(column.round_to or 0.0)
    return lambda form: to_step(Decimal(form[1:].decode()), step)


def exactly(setting: float) -> Decimal:
    """A number of the configuration as it was written, ``1000`` rather than ``1000.0``."""
    return Decimal(int(setting)) if float(setting).is_integer() else Decimal(str(setting))


def to_step(number: Decimal, step: Decimal) -> Decimal:
    """The multiple of the step that is nearest; of two, the even one, so that sums lean to no side."""
    steps = EXACT.divide(number, step).to_integral_value(ROUND_HALF_EVEN)
    rounded = EXACT.multiply(steps, step)
    return rounded or Decimal(0)
