"""Spans on their way: from messages that carry a trace, through two workers, to a collector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from world import World, made_up

pytestmark = pytest.mark.slow
TRACE, HEADER_TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "5759e988bd862e3fe1be46a994272793", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []

    @contextmanager
    def listening(self) -> Iterator[str]:
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"]
        return [
            span for request in requests for one in request.resource_spans for s in one.scope_spans for span in s.spans
        ]

    def sums(self, name: str) -> list[float]:
        requests = [ExportMetricsServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/metrics"]
        return [
            point.as_double or point.as_int
            for request in requests
            for one in request.resource_metrics
            for scope in one.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.sum.data_points
        ]


def test_each_worker_sends_the_spans_of_its_batches_and_the_supervisor_the_metrics_of_all(world: World) -> None:
    collector = Collector()
    world.send([made_up(number) for number in range(20)])
    world.sqs.send_message(
        QueueUrl=world.queue_url,
        MessageBody=made_up(20).decode(),
        MessageAttributes={"traceparent": {"DataType": "String", "StringValue": f"00-{TRACE}-{SPAN}-01"}},
    )
    header = f"Root=1-{HEADER_TRACE[:8]}-{HEADER_TRACE[8:]};Parent={SPAN};Sampled=1"
    world.sqs.send_message(
        QueueUrl=world.queue_url,
        MessageBody=made_up(21).decode(),
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
    )
    with collector.listening() as endpoint:
        environ = {"SOFETCH_TELEMETRY_TRACES": "true", "SOFETCH_TELEMETRY_METRICS": "true"}
        environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "SOFETCH_LOG_FORMAT": "json"}
        done = world.sofetch("run", "--drain", "--processes", "2", environ=environ)
    assert done.returncode == 0, done.stderr
    spans = collector.spans()
    attributes = [{one.key: one.value for one in span.attributes} for span in spans]
    assert sum(one["messaging.batch.message_count"].int_value for one in attributes) == 22
    assert sum(one["sofetch.loaded"].int_value for one in attributes) == 22
    assert {link.trace_id.hex() for span in spans for link in span.links} == {TRACE, HEADER_TRACE}
    assert collector.sums("sofetch_rows_loaded_total") == [22]
    sent = b"".join(body for _, body in collector.bodies)
    assert not any(word in sent for word in (b"user-", b"device-", b"10.0.0."))
