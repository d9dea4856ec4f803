"""Which partitions a table is to have: those to make ahead, those past keeping, and what waits in the default one.

Pure: it knows no database and no clock. Owns periods (UTC days and months), names, and the rule of retention. A plan
never drops what reaches into the time that is kept, and never makes what overlaps a partition that is there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

Unit = Literal["day", "month"]

LOOK_BACK_DAYS: Final = 400
"""How far back rows of the default partition get partitions of their own. A producer's wrong clock makes no more."""


class Rule(Struct, frozen=True, kw_only=True):
    """What the configuration asks for: ``ahead`` counts whole periods after the one of now."""

    unit: Unit
    ahead: int
    retention_days: int

    def cutoff(self, now: datetime) -> datetime | None:
        """What ends at or before it is past keeping; None where all is kept."""
        return now - timedelta(days=self.retention_days) if self.retention_days else None

    def kept_from(self, now: datetime) -> datetime | None:
        """Start of the oldest period that is kept. Rows before it are past keeping; None where all is kept."""
        cutoff = self.cutoff(now)
        return period_start(self.unit, cutoff) if cutoff is not None else None

    def horizon(self, now: datetime) -> datetime:
        """Up to where there is to be a partition for every instant from now on; not itself included."""
        end = next_start(self.unit, period_start(self.unit, now))
        for _ in range(self.ahead):
            end = next_start(self.unit, end)
        return end

    def look_back(self, now: datetime) -> datetime:
        """From where on rows of the default partition get partitions of their own."""
        oldest = period_start(self.unit, now - timedelta(days=LOOK_BACK_DAYS))
        return max(oldest, self.kept_from(now) or oldest)


class Partition(Struct, frozen=True, kw_only=True):
    """A partition for ``start`` ≤ value < ``end``, in UTC. Both are None where the bounds say nothing of time."""

    schema: str
    name: str
    start: datetime | None
    end: datetime | None


class Make(Struct, frozen=True, kw_only=True):
    """A partition to make; the rows of its time move into it from the default partition."""

    name: str
    start: datetime
    end: datetime


class Plan(Struct, frozen=True, kw_only=True):
    """What to do, in this order. Rows of the default partition before ``expire_before`` are past keeping.

    ``blocked`` are partitions whose names other relations have.
    """

    make: list[Make]
    drop: list[Partition]
    expire_before: datetime | None
    blocked: list[str]


def plan_partitions(
    rule: Rule,
    table: str,
    *,
    now: datetime,
    existing: Sequence[Partition],
    waiting: Collection[datetime] = (),
    taken: Collection[str] = (),
) -> Plan:
    """The plan for a table of this name. ``waiting`` are times of rows in the default partition, one a period is
    enough; ``taken`` are names of relations in the table's schema. Applied, it leaves nothing to plan but ``blocked``.
    """
    cutoff = rule.cutoff(now)
    gaps = [gap for start in _wanted(rule, now, waiting) for gap in _gaps(rule.unit, start, existing)]
    wanted = [
        Make(name=table + _suffix(rule.unit, start, end), start=start, end=end)
        for start, end in gaps
        if cutoff is None or end > cutoff
    ]
    return Plan(
        make=[make for make in wanted if make.name not in taken],
        drop=[one for one in existing if cutoff is not None and one.end is not None and one.end <= cutoff],
        expire_before=rule.kept_from(now),
        blocked=[make.name for make in wanted if make.name in taken],
    )


def covered_until(now: datetime, existing: Sequence[Partition]) -> datetime:
    """Up to when there is a partition for every instant from ``now`` on; ``now`` itself where there is none for it."""
    until = now
    for begins, ends in _covered(existing):
        if begins > until:
            break
        until = max(until, ends)
    return until


def has_next(unit: Unit, now: datetime, existing: Sequence[Partition]) -> bool:
    """Whether there are partitions for all of the day or month that comes next."""
    start = next_start(unit, period_start(unit, now))
    return covered_until(start, existing) >= next_start(unit, start)


def period_start(unit: Unit, at: datetime) -> datetime:
    """Start of the UTC day or month that an instant is in."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.replace(day=1) if unit == "month" else day


def next_start(unit: Unit, start: datetime) -> datetime:
    """Start of the period after the one that starts there."""
    if unit == "day":
        return start + timedelta(days=1)
    return (start + timedelta(days=31)).replace(day=1)


def bounds(text: str) -> tuple[datetime, datetime] | tuple[None, None]:
    """Start and end from a partition's bound, as a session with DateStyle ISO and TimeZone UTC is told it.

    Neither where they are no times, or more than one column's, or beyond what Python can say.
    """
    found = _BOUND.fullmatch(text)
    if found is None:
        return None, None
    start, end = _instant(found["start"]), _instant(found["end"])
    return (None, None) if start is None or end is None else (start, end)


_BOUND: Final = re.compile(r"FOR VALUES FROM \((?P<start>MINVALUE|'[^',]*')\) TO \((?P<end>MAXVALUE|'[^',]*')\)")
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_OPEN: Final = {"MINVALUE": _FIRST, "'-infinity'": _FIRST, "MAXVALUE": _LAST, "'infinity'": _LAST}


def _instant(text: str) -> datetime | None:
    if text in _OPEN:
        return _OPEN[text]
    try:
        at = datetime.fromisoformat(text.strip("'"))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _wanted(rule: Rule, now: datetime, waiting: Collection[datetime]) -> list[datetime]:
    """Starts of the periods that are to have partitions, in order."""
    horizon, look_back = rule.horizon(now), rule.look_back(now)
    starts = {period_start(rule.unit, at) for at in waiting if look_back <= at < horizon}
    start = period_start(rule.unit, now)
    while start < horizon:
        starts.add(start)
        start = next_start(rule.unit, start)
    return sorted(starts)


def _gaps(unit: Unit, start: datetime, existing: Sequence[Partition]) -> Iterator[tuple[datetime, datetime]]:
    """The parts of a period that no partition covers: usually all of it or nothing."""
    end = next_start(unit, start)
    for begins, ends in _covered(existing):
        if begins >= end:
            break
        if begins > start:
            yield start, begins
        start = max(start, ends)
    if start < end:
        yield start, end


def _covered(existing: Sequence[Partition]) -> list[tuple[datetime, datetime]]:
    """What they are for, in order."""
    return sorted((one.start, one.end) for one in existing if one.start is not None and one.end is not None)


def _suffix(unit: Unit, start: datetime, end: datetime) -> str:
    """``_p20261126`` for a day, ``_p202611`` for a month; what is left of either has the time it starts at."""
    if start == period_start(unit, start) and end == next_start(unit, start):
        return f"_p{start:%Y%m%d}" if unit == "day" else f"_p{start:%Y%m}"
    return f"_p{start:%Y%m%dt%H%M%S}"
