"""One reading of a worker's metrics: the text of ``/metrics`` as the few numbers that a person watches.

Owns which metrics those are. What a metric means is ``sofetch.observe.metrics``'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: \d+)?")
_LABEL = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)="(?P<value>(?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class Sample(Struct, frozen=True):
    """A line of an exposition."""

    name: str
    labels: Mapping[str, str]
    value: float


class Reading(Struct, frozen=True, kw_only=True):
    """How workers stand at one moment. ``at`` is in seconds of a monotonic clock; counts are since their start.

    ``away`` are the dependencies (queue, database) that a breaker is open for; ``oldest_seconds`` is the age of the
    oldest message at hand, None where that is not known.
    """

    at: float
    received: float = 0
    loaded: float = 0
    duplicates: float = 0
    quarantined: float = 0
    released: float = 0
    batches: float = 0
    batch_seconds: float = 0
    calls: float = 0
    requests: float = 0
    held: float = 0
    oldest_seconds: float | None = None
    workers: float = 0
    memory_bytes: float = 0
    away: frozenset[str] = frozenset()


_SUMMED = {
    "sofetch_messages_received_total": "received",
    "sofetch_rows_loaded_total": "loaded",
    "sofetch_duplicates_total": "duplicates",
    "sofetch_quarantined_total": "quarantined",
    "sofetch_released_total": "released",
    "sofetch_batch_seconds_count": "batches",
    "sofetch_batch_seconds_sum": "batch_seconds",
    "sofetch_queue_calls_total": "calls",
    "sofetch_billed_requests_total": "requests",
    "sofetch_held_messages": "held",
    "sofetch_workers": "workers",
    "sofetch_worker_resident_memory_bytes": "memory_bytes",
}


def read(text: str, *, at: float) -> Reading:
    """What the exposition says; values of one name are added up, whatever their labels."""
    totals = dict.fromkeys(_SUMMED.values(), 0.0)
    away: set[str] = set()
    oldest: float | None = None
    for sample in samples(text):
        if sample.name in _SUMMED:
            totals[_SUMMED[sample.name]] += sample.value
        elif sample.name == "sofetch_oldest_message_age_seconds":
            oldest = max(oldest or 0.0, sample.value)
        elif sample.name == "sofetch_breaker_open" and sample.value:
            away.add(sample.labels.get("dependency", ""))
    return Reading(at=at, oldest_seconds=oldest, away=frozenset(away), **totals)


def samples(text: str) -> Iterator[Sample]:
    """The samples of an exposition (Prometheus text format 0.0.4). Lines that are none are passed over."""
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line.strip())
        if found is None:
            continue
        labels = {label["name"]: _unescaped(label["value"]) for label in _LABEL.finditer(found["labels"] or "")}
        try:
            value = float(found["value"])
        except ValueError:
            continue
        yield Sample(found["name"], labels, value)


def together(readings: Mapping[str, Reading], *, at: float) -> Reading:
    """Several workers as one: counts are added up, the oldest message is the oldest of all."""
    several = list(readings.values())
    return Reading(
        at=at,
        oldest_seconds=max((one.oldest_seconds for one in several if one.oldest_seconds is not None), default=None),
        away=frozenset[str]().union(*(one.away for one in several)),
        **{field: sum(getattr(one, field) for one in several) for field in _SUMMED.values()},
    )


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], text)
