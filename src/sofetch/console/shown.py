"""How numbers, times and codes are written on a page. Pure.

Owns the filters of the templates. Escaping is the templates' own, and is never switched off.
"""

from __future__ import annotations

from datetime import UTC, datetime

SEVERITIES = {"ok": "Fine", "warning": "Worth a look", "error": "Must be changed"}


def number(value: float | None) -> str:
    """``12,345``; ``–`` for what is not known."""
    return "–" if value is None else f"{value:,.0f}"


def share(value: float | None) -> str:
    """A share in per cent; never 0% for something, nor 100% for less than all."""
    if value is None:
        return "–"
    return "<1%" if 0 < value < 0.01 else ">99%" if 0.99 < value < 1 else f"{value:.0%}"


def moment(value: datetime | None) -> str:
    """A time in UTC, to the second."""
    return "–" if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(value: datetime | None) -> str:
    """The same where the table's head says that it is UTC."""
    return moment(value).removesuffix(" UTC")


def iso(value: datetime | None) -> str:
    """For the attribute of a ``time`` element."""
    return "" if value is None else value.astimezone(UTC).isoformat(timespec="seconds")


def short(text: str | None, width: int = 24) -> str:
    """The beginning and the end of a long name."""
    text = text or "–"
    return text if len(text) <= width else f"{text[: width - 9]}…{text[-8:]}"


def setting(value: object) -> str:
    """A setting's value, as the configuration file writes it."""
    match value:
        case None:
            return "–"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(setting, value))}]" if value else "[]"
        case _:
            return str(value)


def spark(days: list[int]) -> str:
    """The points of a small line over some days, 100 wide and 20 high, for an SVG ``polyline``."""
    most = max(days, default=0)
    if not most or len(days) < 2:
        return ""
    wide = 100 / (len(days) - 1)
    return " ".join(f"{at * wide:.1f},{19 - 18 * value / most:.1f}" for at, value in enumerate(days))
