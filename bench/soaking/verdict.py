"""Whether a soak was good: what should be flat is flat, and every login is in the table once. Owns the bounds.

Growth is that of a line through all samples after the warm-up, fitted so that single peaks count for nothing (by Theil
and Sen: the median of the slopes between pairs), over the time that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from soaking.samples import Sample

_MOST_POINTS = 400  # 80,000 pairs: a tenth of a second


@dataclass(frozen=True, slots=True)
class Bound:
    """What may grow by how much: a number, or a share of what it was at first, whichever is more."""

    name: str
    value: Callable[[Sample], float]
    most: float
    share: float = 0.0


BOUNDS = (
    Bound("memory of the steady worker (MiB)", lambda it: it.steady.rss_mib, 8.0, 0.08),
    Bound("its file descriptors", lambda it: it.steady.descriptors, 2.0),
    Bound("its threads", lambda it: it.steady.threads, 2.0),
    Bound("connections to Postgres", lambda it: it.connections, 2.0),
)
QUEUE_SECONDS = 5.0
"""The queue may grow by what is sent in so many seconds: the workers must keep up with the load."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    found: str
    bound: str
    good: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What was found in the end."""

    sent: int
    rows: int
    distinct: int
    missing: int
    quarantined: int
    left_in_queue: int


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The robust slope of y over x; 0 with fewer than two points."""
    known = [(x, y) for x, y in points if math.isfinite(y)]
    thinned = known[:: max(1, math.ceil(len(known) / _MOST_POINTS))]
    slopes = [(y2 - y1) / (x2 - x1) for at, (x1, y1) in enumerate(thinned) for x2, y2 in thinned[at + 1 :] if x2 > x1]
    return median(slopes) if slopes else 0.0


def growth_checks(samples: Sequence[Sample], *, warm_up_seconds: float, rate: float) -> list[Check]:
    """Whether each of the measured numbers stayed flat once warm."""
    warm = [sample for sample in samples if sample.at_seconds >= warm_up_seconds]
    if len(warm) < 2:
        return [Check("samples after the warm-up", str(len(warm)), "2 at least", good=False)]
    span = warm[-1].at_seconds - warm[0].at_seconds
    queue = Bound("messages in the queue", lambda it: it.queue_depth, QUEUE_SECONDS * rate)
    return [_growth_check(bound, warm, span) for bound in (*BOUNDS, queue)]


def _growth_check(bound: Bound, warm: Sequence[Sample], span: float) -> Check:
    values = [bound.value(sample) for sample in warm]
    known = [value for value in values if math.isfinite(value)]
    grown = slope([(sample.at_seconds, value) for sample, value in zip(warm, values, strict=True)]) * span
    most = max(bound.most, bound.share * median(known)) if known else bound.most
    found = f"{grown:+,.1f} in {span:,.0f} s, median {median(known):,.1f}" if known else "never measured"
    return Check(f"growth: {bound.name}", found, f"at most +{most:,.1f}", good=bool(known) and grown <= most)


def count_checks(counted: Counted) -> list[Check]:
    """Whether everything that was sent is there once, and nothing else."""
    sent = counted.sent
    return [
        Check("rows in the table", f"{counted.rows:,}", f"{sent:,}, as many as were sent", counted.rows == sent),
        Check("distinct logins among them", f"{counted.distinct:,}", f"{sent:,}", counted.distinct == sent),
        Check("logins sent and missing", f"{counted.missing:,}", "0", counted.missing == 0),
        Check("messages in quarantine", f"{counted.quarantined:,}", "0", counted.quarantined == 0),
        Check("messages left in the queue", f"{counted.left_in_queue:,}", "0", counted.left_in_queue == 0),
    ]
