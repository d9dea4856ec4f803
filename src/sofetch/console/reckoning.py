"""From two readings of the workers' counters to what happened in between.

Pure. Owns the series of the charts, how rates are made of counters, and that a worker's restart is no negative rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from sofetch.console.scraped import Samples, buckets, total

RATES: Final = {
    "received": "sofetch_messages_received_total",
    "loaded": "sofetch_rows_loaded_total",
    "duplicates": "sofetch_duplicates_total",
    "quarantined": "sofetch_quarantined_total",
    "calls": "sofetch_queue_calls_total",
    "empty_receives": "sofetch_empty_receives_total",
    "billed": "sofetch_billed_requests_total",
}
"""Series that are a counter's rise a second."""

SLOW: Final = ("calls", "empty_receives", "billed", "dollars_an_hour")
"""Series whose counters a worker tells with its heartbeat only: their rise is taken over a longer time."""

STANDINGS: Final = {
    "held": "sofetch_held_messages",
    "workers": "sofetch_workers",
    "breakers_open": "sofetch_breaker_open",
}
"""Series that are the sum of a gauge over the workers."""

SERIES: Final = (
    *RATES,
    *STANDINGS,
    "oldest_seconds",
    "batch_seconds",
    "batch_seconds_p95",
    "batch_messages",
    "dollars_an_hour",
    "queue_visible",
    "queue_in_flight",
    "database_loaded",
    "database_quarantined",
)
"""All series. Those of the queue and of the database are asked for by the collector."""


def reckon(
    before: Mapping[str, Samples], now: Mapping[str, Samples], *, seconds: float, dollars_per_million: float
) -> dict[str, float]:
    """The series of the workers, by two readings of each (by its URL) that lie ``seconds`` apart.

    A worker that is new, or did not answer before, has no rate yet. Without any reading there is nothing.
    """
    if not now:
        return {}
    found = {name: sum(total(one, metric) for one in now.values()) for name, metric in STANDINGS.items()}
    oldest = ("sofetch_oldest_message_age_seconds", "")
    if ages := [one[oldest] for one in now.values() if oldest in one]:
        found["oldest_seconds"] = max(ages)
    pairs = [(before[url], one) for url, one in now.items() if url in before]
    if not pairs or seconds <= 0:
        return found
    for name, metric in RATES.items():
        found[name] = sum(_rise(total(a, metric), total(b, metric)) for a, b in pairs) / seconds
    found["dollars_an_hour"] = found["billed"] * 3_600 * dollars_per_million / 1_000_000
    return found | _batches(pairs)


def _batches(pairs: Sequence[tuple[Samples, Samples]]) -> dict[str, float]:
    """Mean size and time of the batches that were done, and the time below which 95 in 100 of them stayed."""
    done = sum(_risen(pair, "sofetch_batch_seconds_count") for pair in pairs)
    if done <= 0:
        return {}
    rises: dict[float, float] = {}
    for before, now in pairs:
        earlier = dict(buckets(before, "sofetch_batch_seconds"))
        for bound, value in buckets(now, "sofetch_batch_seconds"):
            rises[bound] = rises.get(bound, 0.0) + _rise(earlier.get(bound, 0.0), value)
    return {
        "batch_seconds": sum(_risen(pair, "sofetch_batch_seconds_sum") for pair in pairs) / done,
        "batch_messages": sum(_risen(pair, "sofetch_batch_messages_sum") for pair in pairs) / done,
        "batch_seconds_p95": quantile(0.95, sorted(rises.items())),
    }


def quantile(share: float, cumulative: Sequence[tuple[float, float]]) -> float:
    """The value below which that share lies, taken evenly within its bucket, as Prometheus does.

    Past the last finite bound it is that bound. 0 where there is nothing.
    """
    if not cumulative or cumulative[-1][1] <= 0:
        return 0.0
    wanted = share * cumulative[-1][1]
    for (low, below), (high, upto) in pairwise([(0.0, 0.0), *cumulative]):
        if upto >= wanted:
            return low if high == float("inf") else low + (high - low) * (wanted - below) / (upto - below)
    return 0.0


def _risen(pair: tuple[Samples, Samples], name: str) -> float:
    before, now = pair
    return _rise(before.get((name, ""), 0.0), now.get((name, ""), 0.0))


def _rise(before: float, now: float) -> float:
    """How far a counter rose. One that fell was begun anew by a restart."""
    return now - before if now >= before else now
