"""The metrics of one invocation, as one line of CloudWatch's Embedded Metric Format.

Owns the names, which are a closed set, and the form. Numbers and the pipeline's name are all that is in a line.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Struct

NAMESPACE: Final = "sofetch"
DIMENSION: Final = "Pipeline"

Unit = Literal["Count", "Milliseconds"]


class Metrics(Struct, frozen=True, kw_only=True, rename="pascal"):
    """What is measured of an invocation. Rows and quarantine entries are records, of which a message may hold many;
    received and failed are messages.
    """

    messages_received: int
    rows_loaded: int
    duplicates: int
    quarantined: int
    failures: int
    batch_milliseconds: int


UNITS: Final[dict[str, Unit]] = {
    name: "Milliseconds" if name.endswith("Milliseconds") else "Count" for name in Metrics.__struct_encode_fields__
}


def emf_line(metrics: Metrics, *, pipeline: str, now_ms: int) -> str:
    """One line of JSON, to be printed on standard output."""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in UNITS.items()],
    }
    line = {
        "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]},
        DIMENSION: pipeline,
        **msgspec.to_builtins(metrics),
    }
    return msgspec.json.encode(line).decode()
