"""Spans and pushed metrics: what is in them, what is not, and that nobody pays who did not ask."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, use_span

import sofetch.observe.telemetry
from sofetch.errors import ConfigError
from sofetch.events import BatchDone, Events, MessagesQuarantined
from sofetch.observe.metrics import METRICS, Metrics
from sofetch.observe.telemetry import open_telemetry, otel
from sofetch.observe.telemetry.links import MOST_LINKS, trace_contexts
from sofetch.observe.telemetry.otel import Telemetry
from sofetch.record import TRACE_HEADER, Message
from sofetch.settings import TelemetrySettings
from sofetch.source.answers import messages_of, receive_body
from sofetch.source.boto import SYSTEM_ATTRIBUTES, parse_deliveries
from sofetch.testing import FakeClock

CANARY = "canary@example.org"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
HEADER = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=0"
BATCH = BatchDone(
    messages=2, loaded=1, duplicates=0, quarantined=1, retried=0, body_bytes=9, milliseconds=250, oldest_age_ms=5
)


def message(attributes: Mapping[str, str] | None = None, *, number: int = 0) -> Message:
    return Message(
        id=f"{CANARY}-{number}",
        body=CANARY.encode(),
        queue="login-queue",
        sent_ms=1,
        received_ms=2,
        group_id=CANARY,
        attributes=attributes or {},
    )


class Place:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = Events()
        self.metrics = Metrics(self.events.counters, clock=self.clock, use=lambda _pid: None, pid=1)
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.telemetry = Telemetry(
            pipeline="logins",
            metrics=self.metrics,
            clock=self.clock,
            spans=SimpleSpanProcessor(self.exporter),
            reader=self.reader,
        )
        self.events.listen(self.metrics)
        self.events.listen(self.telemetry)

    def span(self, messages: Sequence[Message]) -> ReadableSpan:
        traced = self.telemetry.traced
        assert traced is not None
        traced(messages, BATCH)
        (span,) = self.exporter.get_finished_spans()
        return span

    def pushed(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def test_a_batch_is_a_span_of_a_consumer_with_the_attributes_of_messaging() -> None:
    place = Place()
    span = place.span([message(), message(number=1)])
    assert (span.name, span.kind, span.parent) == ("process login-queue", SpanKind.CONSUMER, None)
    assert span.attributes == {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": "login-queue",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.batch.message_count": 2,
        "sofetch.pipeline": "logins",
        "sofetch.loaded": 1,
        "sofetch.duplicates": 0,
        "sofetch.quarantined": 1,
        "sofetch.released": 0,
    }
    assert span.end_time == place.clock.now_ms() * 1_000_000
    assert span.start_time is not None
    assert span.end_time - span.start_time == 250 * 1_000_000


def test_a_span_is_linked_to_the_traces_of_its_messages_and_holds_nothing_else_of_them() -> None:
    attributes = {"traceparent": TRACEPARENT, "tracestate": CANARY, "baggage": CANARY, "email": CANARY}
    span = Place().span([message(attributes), message({TRACE_HEADER: HEADER.replace(SPAN, "1" * 16)}), message()])
    first, second = span.links
    assert (f"{first.context.trace_id:032x}", f"{first.context.span_id:016x}") == (TRACE, SPAN)
    assert (f"{second.context.trace_id:032x}", f"{second.context.span_id:016x}") == (TRACE, "1" * 16)
    assert (first.context.trace_flags.sampled, second.context.trace_flags.sampled) == (True, False)
    assert first.context.is_remote
    assert CANARY not in span.to_json()


def test_links_are_capped_and_each_trace_is_linked_once() -> None:
    many = [message({"traceparent": f"00-{n:032x}-{n:016x}-00"}) for n in range(1, 400)]
    assert len(Place().span([*many[:5], *many]).links) == MOST_LINKS
    assert len(trace_contexts(many)) == MOST_LINKS
    assert len(trace_contexts([message({"traceparent": TRACEPARENT})] * 10)) == 1


def test_a_span_has_no_parent_whatever_the_program_round_it_is_doing() -> None:
    outer = NonRecordingSpan(SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    with use_span(outer):
        span = Place().span([message()])
    assert span.parent is None


def test_the_standard_attribute_wins_over_amazons_header() -> None:
    (context,) = trace_contexts([message({"traceparent": TRACEPARENT, TRACE_HEADER: HEADER})])
    assert context.sampled


@pytest.mark.parametrize(
    "attributes",
    [
        {"traceparent": ""},
        {"traceparent": CANARY},
        {"traceparent": TRACEPARENT + CANARY},
        {"traceparent": CANARY + TRACEPARENT},
        {"traceparent": TRACEPARENT + "\n"},
        {"traceparent": TRACEPARENT.upper()},
        {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
        {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
        {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
        {TRACE_HEADER: "Root=1-5759e988"},
        {TRACE_HEADER: f"Root=1-{TRACE[:8]}-{TRACE[8:]}"},
        {TRACE_HEADER: f"Self={CANARY};Root=2-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN}"},
        {"Traceparent": TRACEPARENT},
    ],
)
def test_what_is_no_trace_context_is_passed_over(attributes: dict[str, str]) -> None:
    assert trace_contexts([message(attributes)]) == []


def test_the_metrics_that_are_pushed_are_those_of_the_vocabulary() -> None:
    place = Place()
    place.events.emit(BATCH)
    place.events.emit(MessagesQuarantined(reason="not_json", field=None, count=1))
    pushed = place.pushed()
    names = {one.name for one in METRICS if one.name.startswith("sofetch_")}
    without_any = {"sofetch_not_of_kind_total", *(name for name in names if name.startswith("sofetch_worker_"))}
    assert pushed.keys() == names - without_any
    assert pushed["sofetch_rows_loaded_total"][0].value == 1
    reasons = {point.attributes["reason"]: point.value for point in pushed["sofetch_quarantined_total"]}
    assert (reasons["not_json"], reasons["too_long"]) == (1, 0)
    (seconds,) = pushed["sofetch_batch_seconds"]
    assert (seconds.count, seconds.sum) == (1, 0.25)
    assert list(seconds.explicit_bounds) == list(
        next(one.bounds for one in METRICS if one.name == "sofetch_batch_seconds")
    )


def test_the_service_is_called_as_the_environment_says_or_by_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Place().span([message()]).resource.attributes["service.name"] == "sofetch"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "logins-eu")
    assert Place().span([message()]).resource.attributes["service.name"] == "logins-eu"


def test_closing_waits_for_a_silent_collector_no_longer_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    class Endless(SimpleSpanProcessor):
        def shutdown(self) -> None:
            ended.wait(60)

    clock = FakeClock()
    metrics = Metrics(Events().counters, clock=clock, use=lambda _pid: None, pid=1)
    telemetry = Telemetry(
        pipeline="p", metrics=metrics, clock=clock, spans=Endless(InMemorySpanExporter()), reader=None
    )
    monkeypatch.setattr(otel, "CLOSING_SECONDS", 0.0)
    telemetry.close()
    assert not ended.is_set()
    ended.set()
    telemetry.close()


def test_nothing_is_opened_where_nothing_is_asked_for_and_a_missing_extra_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place()
    ask: Callable[[TelemetrySettings], object] = lambda settings: open_telemetry(  # noqa: E731
        settings, pipeline="p", metrics=place.metrics, clock=place.clock
    )
    assert ask(TelemetrySettings()) is None
    monkeypatch.setattr(sofetch.observe.telemetry, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="OpenTelemetry") as caught:
        ask(TelemetrySettings(traces=True))
    assert caught.value.code == "otel_missing"


def test_the_worker_imports_neither_the_sdk_nor_a_client_of_prometheus() -> None:
    program = (
        "import sys, sofetch.app, sofetch.cli.run, sofetch.observe.telemetry;"
        "print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'prometheus_client')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_receive_asks_for_the_trace_only_where_traces_are_wanted() -> None:
    options: dict[str, Any] = {"max_messages": 1, "wait_seconds": 1, "visibility_timeout_seconds": 30}
    assert TRACE_HEADER.encode() not in receive_body("http://q", **options)
    assert TRACE_HEADER.encode() in receive_body("http://q", **options, asked=(*SYSTEM_ATTRIBUTES, TRACE_HEADER))


def test_both_ways_of_reading_an_answer_have_the_trace_among_the_attributes() -> None:
    answered = {
        "MessageId": "m1",
        "ReceiptHandle": "h1",
        "Body": "{}",
        "Attributes": {"SentTimestamp": "1", TRACE_HEADER: HEADER},
        "MessageAttributes": {"shop": {"StringValue": "berlin", "DataType": "String"}},
    }
    fast = messages_of(msgspec.json.encode({"Messages": [answered]}))
    assert fast is not None
    assert fast[0].attributes == parse_deliveries([answered])[0].attributes == {"shop": "berlin", TRACE_HEADER: HEADER}
    del answered["MessageAttributes"]
    fast = messages_of(msgspec.json.encode({"Messages": [answered]}))
    assert fast is not None
    assert fast[0].attributes == {TRACE_HEADER: HEADER}
