"""The OpenTelemetry SDK, set up and fed: spans of batches, and instruments for the vocabulary of metrics.

Owns what is in a span, and when it is sent at the latest. Where to, with which headers and how often is decided by
OpenTelemetry's own environment variables (OTEL_…). Nothing global is set: a program that embeds the pipeline keeps its
own providers.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Histogram, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from sofetch import __version__
from sofetch.events import BatchDone, Event
from sofetch.observe.metrics import METRICS, Distribution, Metric, Metrics, observations
from sofetch.observe.telemetry.links import TraceContext, trace_contexts
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.settings import TelemetrySettings

CLOSING_SECONDS = 5.0
"""How long the end of a run waits for what is not sent yet; a collector that is away gets no more of our time."""


class Telemetry:
    """Spans and metrics on their way. What is called here only puts them into memory; threads of the SDK send."""

    def __init__(
        self,
        *,
        pipeline: str,
        metrics: Metrics,
        clock: Clock,
        spans: SpanProcessor | None,
        reader: MetricReader | None,
    ) -> None:
        """``spans`` and ``reader`` take what is made; None for what nobody asked for."""
        self._pipeline = pipeline
        self._clock = clock
        self._closers: list[Callable[[], None]] = []
        self._histograms: dict[str, Histogram] = {}
        resource = _resource()
        self._tracer = None
        if spans is not None:
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            tracers.add_span_processor(spans)
            self._tracer = tracers.get_tracer("sofetch", __version__)
            self._closers.append(tracers.shutdown)
        if reader is not None:
            meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
            self._make_instruments(meters, metrics)
            self._closers.append(meters.shutdown)

    @classmethod
    def over_http(cls, settings: TelemetrySettings, *, pipeline: str, metrics: Metrics, clock: Clock) -> Telemetry:
        """Sent by OTLP over HTTP."""
        return cls(
            pipeline=pipeline,
            metrics=metrics,
            clock=clock,
            spans=BatchSpanProcessor(OTLPSpanExporter()) if settings.traces else None,
            reader=PeriodicExportingMetricReader(OTLPMetricExporter()) if settings.metrics else None,
        )

    @property
    def traced(self) -> Callable[[Sequence[Message], BatchDone], None] | None:
        """What is to be told of each batch, where traces are asked for."""
        return self.batch_done if self._tracer is not None else None

    def batch_done(self, messages: Sequence[Message], batch: BatchDone) -> None:
        """Make the span of a batch that has just ended."""
        if self._tracer is None:
            return
        queue = messages[0].queue
        ended = self._clock.now_ms() * 1_000_000
        span = self._tracer.start_span(
            f"process {queue}",
            context=Context(),
            kind=SpanKind.CONSUMER,
            links=[_link(context) for context in trace_contexts(messages)],
            start_time=ended - batch.milliseconds * 1_000_000,
            attributes={
                "messaging.system": "aws_sqs",
                "messaging.destination.name": queue,
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.batch.message_count": batch.messages,
                "sofetch.pipeline": self._pipeline,
                "sofetch.loaded": batch.loaded,
                "sofetch.duplicates": batch.duplicates,
                "sofetch.quarantined": batch.quarantined,
                "sofetch.released": batch.retried,
            },
        )
        span.end(ended)

    def __call__(self, event: Event) -> None:
        """Take notice of an event: only histograms need one, everything else is looked at when it is sent."""
        if isinstance(event, BatchDone):
            for name, value in observations(event):
                if name in self._histograms:
                    self._histograms[name].record(value)

    def close(self) -> None:
        """Send what is left, for ``CLOSING_SECONDS`` at most. Idempotent."""
        closers, self._closers = self._closers, []
        threads = [threading.Thread(target=close, name="sofetch-telemetry", daemon=True) for close in closers]
        deadline = self._clock.monotonic() + CLOSING_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _make_instruments(self, meters: MeterProvider, metrics: Metrics) -> None:
        meter = meters.get_meter("sofetch", __version__)
        for one in METRICS:
            match one.kind:
                case "counter":
                    meter.create_observable_counter(one.name, [_observing(one, metrics)], description=one.about)
                case "gauge":
                    meter.create_observable_gauge(one.name, [_observing(one, metrics)], description=one.about)
                case "histogram":
                    self._histograms[one.name] = meter.create_histogram(
                        one.name, description=one.about, explicit_bucket_boundaries_advisory=list(one.bounds)
                    )


def _observing(metric: Metric, metrics: Metrics) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        for name, label, value in metrics.samples():
            if name == metric.name and not isinstance(value, Distribution):
                yield Observation(value, {metric.label: label} if metric.label is not None else {})

    return observe


def _link(context: TraceContext) -> Link:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return Link(SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=flags))


def _resource() -> Resource:
    """As the environment says, with our name where it says none."""
    ours = Resource({"service.version": __version__, "service.instance.id": str(uuid.uuid4())})
    said = ours.merge(Resource.create())
    named = not str(said.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service")
    return said if named else said.merge(Resource({SERVICE_NAME: "sofetch"}))
