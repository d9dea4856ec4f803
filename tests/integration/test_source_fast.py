"""The fast path against a scripted server: the same results and the same errors as boto3, whatever is answered."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import botocore.session
import pytest
from botocore.credentials import Credentials, ReadOnlyCredentials

from scripted import Answer, Scripted, plain, scripted
from sofetch.clock import SystemClock
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source.boto import BotoTransport
from sofetch.source.boto_client import ANSWER_TIMEOUT_SECONDS
from sofetch.source.detour import Detour
from sofetch.source.fast import FastTransport
from sofetch.source.http1 import Connections, NotPlain, Server
from sofetch.source.opening import open_transport
from sofetch.source.transport import Transport, VisibilityChange
from sofetch.testing import FakeClock

CANARY = "canary@example.org"
NOW_MS = 1_795_737_600_000


def message(body: str, **changes: object) -> dict[str, object]:
    md5 = hashlib.md5(body.encode("utf-8", "surrogatepass")).hexdigest()
    name = "".join(filter(str.isascii, body[:9])).strip("\0\x1f") or "other"
    return {"MessageId": f"id-{name}", "ReceiptHandle": f"h-{name}", "Body": body, "MD5OfBody": md5, **changes}


def received(*messages: dict[str, object]) -> bytes:
    return json.dumps({"Messages": messages}).encode()


def error(code: str, status: str) -> Answer:
    return plain(json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": CANARY}).encode(), status=status)


SYSTEM = {"SentTimestamp": "17", "ApproximateReceiveCount": "3", "MessageGroupId": "g", "SequenceNumber": "9"}
ATTRIBUTES = {"t": {"DataType": "String", "StringValue": "v"}, "b": {"DataType": "Binary", "BinaryValue": "eA=="}}
FULL = received(message("Zürich", Attributes=SYSTEM, MessageAttributes=ATTRIBUTES), message("b"))
DONE = json.dumps({"Successful": [{"Id": "0"}, {"Id": "1"}], "Failed": []}).encode()
FAILED = {"Id": "1", "Code": "InternalError", "SenderFault": False, "Message": CANARY}
BOTH = json.loads(FULL) | json.loads(DONE)
WHOLE = json.dumps(BOTH).encode()


def chunked(body: bytes) -> Answer:
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Answer(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


def headless(*lines: str, body: bytes = WHOLE, then: str = "close") -> Answer:
    return Answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body, then)


ANSWERS = {
    "good": plain(WHOLE),
    "good in single bytes": Answer(plain(WHOLE).sent, split=1),
    "good and closed": plain(WHOLE, head="Connection: close\r\n", then="close"),
    "good and closed unsaid": plain(WHOLE, then="close"),
    "good with a charset": plain(WHOLE, kind="application/x-amz-json-1.0; charset=utf-8"),
    "good and something more": Answer(plain(WHOLE).sent + b"HTTP/1.1 500 Not asked for\r\n\r\n"),
    "no reason phrase": plain(WHOLE, status="200"),
    "HTTP/1.0": Answer(plain(WHOLE).sent.replace(b"HTTP/1.1", b"HTTP/1.0"), "close"),
    "empty": plain(b"{}"),
    "empty lists": plain(b'{"Messages":[],"Successful":[],"Failed":[]}'),
    "nulls": plain(b'{"Messages":null,"Successful":null,"Failed":null}'),
    "failed entries": plain(json.dumps({"Successful": [{"Id": "0"}], "Failed": [FAILED]}).encode()),
    "failed without words": plain(b'{"Failed":[{"Id":"0"},{"Id":"1"}]}'),
    "an entry unmentioned": plain(b'{"Successful":[{"Id":"1"}]}'),
    "entries of others": plain(b'{"Successful":[{"Id":"7"},{"Id":"8"}]}'),
    "entries without numbers": plain(b'{"Successful":[{"Id":"x"},{"Id":"y"}]}'),
    "a body cut off": plain(received(message("whole"), message("cut", MD5OfBody="0" * 32))),
    "a message that says little": plain(received({"MessageId": "m", "ReceiptHandle": "h", "Body": "x"})),
    "a message without a handle": plain(received({"MessageId": "m", "Body": "x"})),
    "times that are none": plain(received(message("x", Attributes={"SentTimestamp": CANARY}))),
    "fields of other types": plain(b'{"Messages":{"a":1},"Successful":3}'),
    "a lone surrogate": plain(received(message("\ud800"), message("neighbour"))),
    "emoji and NUL": plain(received(message("🦊\x00\x1f"))),
    "not UTF-8": plain(b'{"Messages":"\xff","Successful":"\xff"}'),
    "not JSON": plain(b"{"),
    "a list": plain(b"[]"),
    "no body": plain(b""),
    "huge": plain(received(*[message(str(at) * 1_000_000) for at in range(9)])),
    "wrong content type": plain(WHOLE, kind="text/html"),
    "a page": plain(b"<html>", kind="text/html"),
    "truncated": Answer(plain(WHOLE).sent[:-10], "close"),
    "truncated head": Answer(b"HTTP/1.1 200 OK\r\nConte", "close"),
    "reset in the middle": Answer(plain(WHOLE).sent[:-10], "reset"),
    "reset at once": Answer(b"", "reset"),
    "closed at once": Answer(b"", "close"),
    "chunked": chunked(WHOLE),
    "gzip": plain(gzip.compress(WHOLE), head="Content-Encoding: gzip\r\n"),
    "until the end": headless("HTTP/1.1 200 OK", "Content-Type: application/x-amz-json-1.0"),
    "no content type": headless("HTTP/1.1 200 OK", f"Content-Length: {len(WHOLE)}", then="keep"),
    "a length that is none": headless(
        "HTTP/1.1 200 OK", "Content-Type: application/x-amz-json-1.0", "Content-Length: x"
    ),
    "not HTTP": Answer(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "close"),
    "continue first": Answer(b"HTTP/1.1 100 Continue\r\n\r\n" + plain(WHOLE).sent),
    "204": plain(b"", status="204 No Content"),
    "redirect": plain(b"", status="307 Temporary Redirect", head="Location: http://127.0.0.1:1/\r\n"),
    "400": error("InvalidParameterValue", "400 Bad Request"),
    "throttled": error("RequestThrottled", "400 Bad Request"),
    "denied": error("AccessDenied", "403 Forbidden"),
    "signature": error("SignatureDoesNotMatch", "403 Forbidden"),
    "expired": error("ExpiredToken", "403 Forbidden"),
    "404": plain(b"<html>", kind="text/html", status="404 Not Found"),
    "no queue": error("QueueDoesNotExist", "400 Bad Request"),
    "429": plain(b"{}", status="429 Too Many Requests"),
    "500": error("InternalError", "500 Internal Server Error"),
    "502": plain(CANARY.encode(), kind="text/plain", status="502 Bad Gateway"),
    "503": error("ServiceUnavailable", "503 Service Unavailable"),
}
CALLS: dict[str, Callable[[Transport], object]] = {
    "receive": lambda it: it.receive(max_messages=10, wait_seconds=0, visibility_timeout_seconds=30),
    "delete": lambda it: it.delete_batch(["a", "b"]),
    "change": lambda it: it.change_visibility_batch([VisibilityChange("a", 0), VisibilityChange("ü", 43_200)]),
}
GOOD = {"good", "good in single bytes", "good and closed", "good with a charset", "HTTP/1.0", "no reason phrase"}


def settings(url: str, transport: Literal["auto", "fast", "boto3"], **changes: Any) -> SourceSettings:
    return SourceSettings(queue=f"{url}/000/q", endpoint=url, protocol="json", transport=transport, **changes)


@contextmanager
def opened(url: str, transport: Literal["auto", "fast", "boto3"], **changes: Any) -> Iterator[Transport]:
    one = open_transport(settings(url, transport, **changes), clock=SystemClock())
    try:
        yield one
    finally:
        one.close()


def outcome(call: Callable[[Transport], object], transport: Transport) -> tuple[object, ...]:
    try:
        found = call(transport)
    except (SourceUnavailable, SourceRefused) as error:
        told = (type(error), error.code, error.what, error.hint)
    else:
        return (found,)
    assert CANARY not in str(told)
    return told


@pytest.fixture(autouse=True)
def _no_pauses_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with scripted(lambda _: plain(WHOLE)) as one:
        yield one


@pytest.fixture(scope="module")
def both(server: Scripted) -> Iterator[tuple[Transport, FastTransport]]:
    """Opened once: making a client of botocore's takes longer than all the calls."""
    with opened(server.url, "boto3") as slow, opened(server.url, "fast") as fast:
        assert isinstance(fast, FastTransport)
        yield slow, fast


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ANSWERS)
def test_the_fast_path_gives_and_raises_what_boto3_does(
    name: str, call: str, server: Scripted, both: tuple[Transport, FastTransport]
) -> None:
    slow, fast = both
    fast._detour = Detour()
    server.script = lambda _: ANSWERS[name]
    start = server.seen.total()
    # An end that the server does not announce may meet botocore's second call on its way.
    times = 1 if name == "good and closed unsaid" else 2
    by_boto3 = [outcome(CALLS[call], slow) for _ in range(times)]
    asked = server.seen.total() - start
    by_fast = [outcome(CALLS[call], fast) for _ in range(times)]
    assert by_fast == by_boto3
    asked_by_fast = server.seen.total() - start - asked
    if name in GOOD or (name, call) == ("a lone surrogate", "receive"):
        assert asked_by_fast == times
        assert not any(b"amz-sdk-request" in head for head in server.heads[-2:]), "boto3 was asked"
    assert asked_by_fast <= asked + 1, "a fast call is never repeated"


def test_answers_that_boto3_must_ask_for_leave_it_to_boto3_for_a_while_and_longer_each_time() -> None:
    clock = FakeClock(now_ms=NOW_MS)
    with scripted(lambda _: chunked(WHOLE)) as server:
        fast = open_transport(settings(server.url, "fast"), clock=clock)
        tries: list[int] = []
        for pause in (0, 0.9, 0.1, 1.9, 0.1, 3.9, 0.1):
            clock.advance(pause)
            before = server.seen.total()
            assert CALLS["delete"](fast) == []
            tries.append(server.seen.total() - before)
        fast.close()
    assert tries == [2, 1, 2, 1, 2, 1, 2]


def test_a_connection_that_the_server_ended_while_idle_is_not_used_again_and_nothing_is_asked_twice() -> None:
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "fast") as fast:
        for _ in range(5):
            assert CALLS["delete"](fast) == []
            assert len(CALLS["receive"](fast)) == 2  # type: ignore[arg-type]  # a list
            server.hang_up()
            _await_hang_up(fast)
        assert server.connected == 10
        assert server.seen == {"DeleteMessageBatch": 5, "ReceiveMessage": 5}
        assert not any(b"amz-sdk-request" in head for head in server.heads), "boto3 was asked"


def _await_hang_up(fast: Transport) -> None:
    assert isinstance(fast, FastTransport)
    for connections in (fast._polls, fast._calls):
        for connection in connections._idle:
            assert connection._poll.poll(5_000)


def test_one_connection_serves_call_after_call() -> None:
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "fast") as fast:
        for _ in range(20):
            CALLS["delete"](fast)
        assert server.connected == 1


def test_a_long_poll_is_ended_from_another_thread_and_is_not_begun_again_by_boto3() -> None:
    with scripted(lambda _: Answer(b"", "hold")) as server, opened(server.url, "fast") as fast:
        found: list[tuple[object, ...]] = []
        thread = threading.Thread(target=lambda: found.append(outcome(CALLS["receive"], fast)))
        thread.start()
        assert server.waiting.acquire(timeout=10)
        fast.interrupt()
        thread.join(10)
        assert found
        assert found[0][0] is SourceUnavailable
        assert server.seen == {"ReceiveMessage": 1}


def test_an_interruption_ends_what_is_under_way_and_nothing_later() -> None:
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "fast") as fast:
        fast.interrupt()
        assert len(CALLS["receive"](fast)) == 2  # type: ignore[arg-type]  # a list
        fast.interrupt()
        assert CALLS["delete"](fast) == []
        assert len(CALLS["receive"](fast)) == 2  # type: ignore[arg-type]  # a list
        assert not any(b"amz-sdk-request" in head for head in server.heads)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with scripted(lambda _: Answer(b"", "hold")) as server:
        there = Server(host="127.0.0.1", port=server.port, tls=None, connect_seconds=5, content_type=b"x")
        connections = Connections(there, answer_seconds=0.05)
        with pytest.raises(NotPlain):
            connections.post(b"POST / HTTP/1.1\r\nx-amz-target: a\r\ncontent-length: 0\r\n\r\n", epoch=0)
        assert not connections._busy
        assert not connections._idle


def test_a_long_poll_is_waited_for_longer_than_it_takes(both: tuple[Transport, FastTransport]) -> None:
    _, fast = both
    assert fast._polls.answer_seconds == SourceSettings(queue="q").wait_seconds + ANSWER_TIMEOUT_SECONDS
    assert fast._calls.answer_seconds == ANSWER_TIMEOUT_SECONDS


def test_calls_of_many_threads_do_not_mix(both: tuple[Transport, FastTransport], server: Scripted) -> None:
    _, fast = both
    fast._detour = Detour()
    server.script = lambda operation: plain(FULL if operation == "ReceiveMessage" else DONE)
    start, connected = len(server.heads), server.connected
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda at: (at % 2, CALLS["receive" if at % 2 else "delete"](fast)), range(600)))
    assert all(len(answer) == (2 if received else 0) for received, answer in found)  # type: ignore[arg-type]  # lists
    assert not any(b"amz-sdk-request" in head for head in server.heads[start:]), "boto3 was asked"
    assert server.connected - connected <= 12


class Renewing(Credentials):
    """Credentials as botocore's refreshing ones: new ones at any moment, or none."""

    def __init__(self) -> None:
        super().__init__("unused", "unused")
        self.now: ReadOnlyCredentials | Exception = ReadOnlyCredentials("AKIDONE", "secret", "token-one")

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now


def test_renewed_credentials_sign_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    renewing = Renewing()
    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda _: renewing)
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "fast") as fast:
        CALLS["delete"](fast)
        renewing.now = ReadOnlyCredentials("AKIDTWO", "other", None)
        CALLS["delete"](fast)
        first, second = server.heads
    assert b"Credential=AKIDONE/" in first
    assert b"X-Amz-Security-Token: token-one" in first
    assert b"Credential=AKIDTWO/" in second
    assert b"X-Amz-Security-Token" not in second


def test_credentials_that_cannot_be_had_are_told_as_boto3_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    renewing = Renewing()
    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda _: renewing)
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "fast") as fast:
        renewing.now = botocore.exceptions.CredentialRetrievalError(provider="x", error_msg=CANARY)
        kind, code, what, _ = outcome(CALLS["delete"], fast)
        assert (kind, code) == (SourceRefused, "source_refused")
        assert "no AWS credentials" in str(what)
        assert server.seen.total() == 0


def test_a_proxy_of_the_environment_leaves_everything_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    with scripted(lambda _: plain(WHOLE)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with opened("http://sqs.example", "auto") as one:
            assert isinstance(one, BotoTransport)
            assert CALLS["delete"](one) == []
        with pytest.raises(SourceRefused, match="proxy"), opened("http://sqs.example", "fast"):
            pass


def test_without_credentials_the_choice_is_boto3s_which_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "auto") as one:
        assert isinstance(one, BotoTransport)
        assert outcome(CALLS["delete"], one)[0] is SourceRefused


def test_a_botocore_of_another_making_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sofetch.source.sigv4.canonical_path", lambda _: "/other")
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "auto") as one:
        assert isinstance(one, BotoTransport)


def test_boto3_is_used_where_the_setting_says_so() -> None:
    with scripted(lambda _: plain(WHOLE)) as server, opened(server.url, "boto3") as one:
        assert isinstance(one, BotoTransport)
