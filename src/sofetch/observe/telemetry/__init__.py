"""OpenTelemetry, where it is asked for: a span a batch, and the metrics pushed by OTLP. The only importer of its SDK.

Importing this package imports nothing of it: ``sofetch run`` without [telemetry] never does.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.observe.metrics import Metrics
    from sofetch.observe.telemetry.otel import Telemetry
    from sofetch.ports import Clock
    from sofetch.settings import TelemetrySettings


def open_telemetry(settings: TelemetrySettings, *, pipeline: str, metrics: Metrics, clock: Clock) -> Telemetry | None:
    """What sends them; close it when done. None where nothing is asked for.

    Nothing is sent yet, so a collector that is away is no error. Raises ConfigError if the extra is not installed.
    """
    if not (settings.traces or settings.metrics):
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise ConfigError(
            "[telemetry] asks for OpenTelemetry, which is not installed",
            hint="pip install 'sofetch[otel]', or leave [telemetry] out",
            code="otel_missing",
        )
    from sofetch.observe.telemetry.otel import Telemetry

    return Telemetry.over_http(settings, pipeline=pipeline, metrics=metrics, clock=clock)
