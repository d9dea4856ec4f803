"""What can be counted of a running pipeline, and how Prometheus reads it.

Owns the closed vocabulary of metrics, the folding of events into them, and the text of the exposition. A label holds a
name of the configuration, a code or a number of a process, never anything of a message. Pure but for what it is given
to look at: no sockets, no files, no clock of its own.
"""

from __future__ import annotations

from sofetch.observe.metrics.exposition import CONTENT_TYPE, exposition, exposition_of_several
from sofetch.observe.metrics.folding import Metrics, observations
from sofetch.observe.metrics.vocabulary import METRICS, Distribution, Metric, Sample

__all__ = [
    "CONTENT_TYPE",
    "METRICS",
    "Distribution",
    "Metric",
    "Metrics",
    "Sample",
    "exposition",
    "exposition_of_several",
    "observations",
]
