"""What a worker's ``/metrics`` says, read back.

Pure. Owns which of the metrics of several pipelines are those of the one that is shown. The text itself is read by
``sofetch.observe.watching.reading``.
"""

from __future__ import annotations

from collections.abc import Mapping

from sofetch.observe.watching.reading import samples

_MOST_BYTES = 1_000_000

Samples = Mapping[tuple[str, str], float]
"""(name, value of its own label, or "") to value. Of a histogram the cumulative buckets, by their bound."""


def read_samples(text: bytes, *, pipeline: str) -> dict[tuple[str, str], float]:
    """The samples of an exposition, without those that are of another pipeline.

    What cannot be read is left out: another version may tell more than we know.
    """
    found: dict[tuple[str, str], float] = {}
    for sample in samples(text[:_MOST_BYTES].decode(errors="replace")):
        if sample.labels.get("pipeline", pipeline) == pipeline:
            own = next((value for name, value in sample.labels.items() if name != "pipeline"), "")
            found[sample.name, own] = sample.value
    return found


def total(told: Samples, name: str) -> float:
    """The sum of a metric over its label."""
    return sum(value for (metric, _), value in told.items() if metric == name)


def buckets(told: Samples, name: str) -> list[tuple[float, float]]:
    """A histogram's bounds and cumulative counts, in order."""
    bucket = f"{name}_bucket"
    return sorted((float(bound), value) for (metric, bound), value in told.items() if metric == bucket)
