"""Why a body, or one value in it, cannot be used: raised inside ``decode``, never out of it.

It carries a bounded reason and a configured column's name. It must never carry text from a body, not as a cause either:
raise it ``from None``.
"""

from __future__ import annotations

from sofetch.record import Reason


class Unfit(Exception):
    """The message cannot become a record. ``field`` is a column's name, or None where it is the body's fault."""

    def __init__(self, reason: Reason, field: str | None = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.field = field


def reason_of(complaint: str) -> Reason:
    """What msgspec's own words mean, without the place. They hold type names and limits; a test pins each of them."""
    if complaint.startswith("Expected `str` of length"):
        return Reason.TOO_LONG
    if complaint.startswith(("Expected `int` <", "Expected `int` >")) or complaint.endswith("out of range"):
        return Reason.OUT_OF_RANGE
    if complaint.startswith("Invalid ") or complaint.endswith("with a timezone component"):
        return Reason.BAD_VALUE
    return Reason.WRONG_TYPE
