"""What S3's bad answers come to: an outage, a matter for a person, or the message's own fault. None tells a value."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import ObjectRef, Reason
from sofetch.source.control import check_buckets
from sofetch.source.s3 import S3Store
from wrapping import unwrap_settings

CANARY = "canary-8e2b"
REF = ObjectRef("logs", f"users/{CANARY}.json")


class _Answering(http.server.BaseHTTPRequestHandler):
    """Answers every GET as it is told; its message names what must not be passed on."""

    status = 500
    code = "InternalError"
    length: int | None = None
    body = b""
    calls = 0

    def do_GET(self) -> None:
        type(self).calls += 1
        text = f"<Error><Code>{self.code}</Code><Message>{CANARY}</Message></Error>".encode()
        body = self.body if self.status == 200 else text
        self.send_response(self.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(self.length or len(body)))
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def answering(**how: object) -> Iterator[tuple[S3Store, type[_Answering]]]:
    handler = type("_Handler", (_Answering,), {"calls": 0, **how})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            endpoint = f"http://127.0.0.1:{server.server_port}"
            with closing(S3Store(unwrap_settings("s3_pointer", s3_endpoint=endpoint))) as store:
                yield store, handler
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown"), (503, "ServiceUnavailable")])
def test_server_that_errs_or_throttles_is_an_outage(status: int, code: str) -> None:
    with answering(status=status, code=code) as (store, handler):
        with pytest.raises(SourceUnavailable) as caught:
            store.fetch([REF], max_bytes=100)
        assert handler.calls == 3
    assert CANARY not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize("how", ["fetch", "open"])
def test_denied_is_for_a_person_and_says_which_rights_are_needed(how: str) -> None:
    with answering(status=403, code="AccessDenied") as (store, _), pytest.raises(SourceRefused) as caught:
        store.fetch([REF], max_bytes=100) if how == "fetch" else store.open(REF, max_bytes=100)
    assert caught.value.code == "denied"
    assert "s3:ListBucket" in caught.value.hint
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_bucket_is_for_a_person() -> None:
    with answering(status=404, code="NoSuchBucket") as (store, _), pytest.raises(SourceRefused, match="no bucket"):
        store.open(REF, max_bytes=100)


def test_wrong_credentials_are_for_a_person() -> None:
    with answering(status=403, code="InvalidAccessKeyId") as (store, _), pytest.raises(SourceRefused):
        store.open(REF, max_bytes=100)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "NoSuchKey"),
        (404, "NoSuchVersion"),
        (403, "InvalidObjectState"),
        (405, "MethodNotAllowed"),
        (400, "InvalidArgument"),
        (400, "KeyTooLongError"),
    ],
)
def test_what_no_retry_brings_back_is_the_messages_own_fault(status: int, code: str) -> None:
    with answering(status=status, code=code) as (store, handler):
        assert store.fetch([REF], max_bytes=100) == [Reason.OBJECT_MISSING]
        assert handler.calls == 1


def test_object_that_breaks_off_is_an_outage_and_never_a_shorter_object() -> None:
    with answering(status=200, body=b'{"id": "u1"}', length=500) as (store, _):
        with pytest.raises(SourceUnavailable):
            store.fetch([REF], max_bytes=1_000)
        stream = store.open(REF, max_bytes=1_000)
        assert not isinstance(stream, Reason)
        with closing(stream), pytest.raises(SourceUnavailable):
            list(stream)


def test_object_that_is_announced_as_too_large_is_not_read() -> None:
    with answering(status=200, body=b"x", length=10**12) as (store, _):
        assert store.fetch([REF], max_bytes=1_000) == [Reason.OBJECT_TOO_LARGE]


def test_check_says_of_each_bucket_whether_it_can_be_read(s3_endpoint: str, bucket: str) -> None:
    settings = unwrap_settings("s3_pointer", s3_endpoint=s3_endpoint, s3_buckets=[bucket, "no-such-bucket"])
    found = check_buckets(settings)
    assert [(one.severity, one.code) for one in found] == [("ok", "bucket_readable"), ("error", "source_refused")]
    assert "no-such-bucket" in found[1].what


@pytest.mark.slow
def test_nothing_listening_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    store = S3Store(unwrap_settings("s3_pointer", s3_endpoint=f"http://127.0.0.1:{port}"))
    with closing(store), pytest.raises(SourceUnavailable, match="nothing answers"):
        store.open(REF, max_bytes=100)
