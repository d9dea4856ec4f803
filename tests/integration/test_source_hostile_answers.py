"""Whatever a queue server answers, a transport ends in messages or in one of our two errors, and repeats nothing of it.

``FUZZ_EXAMPLES`` says how many answers are tried for each call and transport; ``make fuzz`` sets it.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from answering import JSON, OPERATIONS, RIGHT, SAID, Answering, answering, check_error, http, judge
from sofetch.clock import SystemClock
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source import boto_client
from sofetch.source.opening import open_transport
from sofetch.source.transport import Transport

pytestmark = [
    pytest.mark.slow,
    # urllib3 leaves the socket of an answer that it cannot read to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))

OPENERS: dict[str, Callable[[SourceSettings], Transport]] = {
    name: lambda settings, name=name: open_transport(  # type: ignore[misc]  # a default holds the loop's value
        msgspec.structs.replace(settings, transport=name), clock=SystemClock()
    )
    for name in ("boto3", "fast")
}
CALLS = (*OPERATIONS, "GetQueueAttributes")
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# What a right value is replaced by, anywhere in an answer.
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    SAID,
    "\0",
    "\ud800",
    "9" * 5_000,
    "-5",
    "²",
    "1e3",
    [],
    [SAID],
    {},
    {SAID: SAID},
    [[[[]]]],
]
STATUSES = ["200 OK", "204 No Content", "301 Moved", "400 Bad", "403 No", "404 No", "413 No", "500 No", "503 No"]
STATUSES += ["600 What", "200", f"418 {SAID}", "999 No", "-1 No", "abc def"]
KINDS = [JSON, "application/json", "text/html", "text/xml", "", f"text/{SAID}", "application/x-amz-json-1.0; charset=x"]
HEADS = [
    b"",
    b"x-amzn-query-error: " + SAID.encode() + b";Sender\r\n",
    b"x-amzn-query-error: ;;;\r\n",
    b"x-amzn-errortype: " + SAID.encode() + b"\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: abc\r\n",
    b"Location: http://127.0.0.1:1/\r\n",
    b"no colon here\r\n",
    b"x: " + b"y" * 70_000 + b"\r\n",
    b"date: " + SAID.encode() + b"\r\n",
    b"\xff\xfe: \xff\r\n",
    b"Retry-After: -1\r\n",
]
XML = (
    f"<ErrorResponse><Error><Type>Sender</Type><Code>{SAID}</Code><Message>{SAID}</Message></Error></ErrorResponse>",
    "<ReceiveMessageResponse><ReceiveMessageResult><Message><Body>x</Body></Message></ReceiveMessageResult>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "<a/>",
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def with_at(document: Any, path: tuple[Any, ...], value: Any, *, remove: bool) -> Any:
    """The document with another value there, or without that place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return changed


@st.composite
def bodies(draw: st.DrawFn, operation: str) -> bytes:
    """A right answer with some places changed, then perhaps some bytes."""
    document = RIGHT[operation]
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(document))))
        document = with_at(document, path, draw(st.sampled_from(HOSTILE)), remove=draw(st.booleans()))
    return _spoilt(draw, json.dumps(document).encode())


def _spoilt(draw: st.DrawFn, body: bytes) -> bytes:
    at = draw(st.integers(0, len(body)))
    ways: list[bytes] = [
        body,
        body[:at],
        body[:at] + draw(st.binary(max_size=3)) + body[at + 1 :],
        draw(st.binary(max_size=200)),
        b'{"Messages":' + b"[" * draw(st.sampled_from([100, 2_000, 100_000])),
        draw(st.sampled_from(XML)).encode(),
        body + body,
        body.replace(b"[{", b"[" + b'{"Id": "0"},' * 500 + b"{"),
    ]
    return draw(st.sampled_from([body, *ways]))


@st.composite
def answers(draw: st.DrawFn, operation: str) -> bytes:
    """The bytes of a whole HTTP answer, nearly always wrong somewhere."""
    body = draw(bodies(operation))
    usual = draw(st.integers(0, 2)) > 0
    whole = http(
        body,
        status=STATUSES[0] if usual else draw(st.sampled_from(STATUSES)),
        kind=JSON if usual else draw(st.sampled_from(KINDS)),
        head=b"" if usual else draw(st.sampled_from(HEADS)),
        length=None if usual else draw(st.sampled_from([None, 0, 1, len(body) + 1, 10**12, -1])),
    )
    if draw(st.integers(0, 9)) == 0:
        return whole[: draw(st.integers(0, len(whole)))]
    return whole


@pytest.fixture(scope="module")
def server() -> Iterator[Answering]:
    with answering() as server:
        yield server


def impatient(patched: pytest.MonkeyPatch) -> None:
    """One attempt at each call: botocore would sleep before another."""
    patched.setitem(boto_client._client.__kwdefaults__, "attempts", 1)  # type: ignore[arg-type]  # it has defaults


@pytest.fixture(scope="module", params=OPENERS)
def transport(server: Answering, request: pytest.FixtureRequest) -> Iterator[Transport]:
    with pytest.MonkeyPatch.context() as patched:
        impatient(patched)
        opened = OPENERS[request.param](
            SourceSettings(queue=f"{server.url}/000000000000/q", endpoint=server.url, protocol="json", wait_seconds=0)
        )
        with closing(opened):
            yield opened


@pytest.mark.parametrize("operation", CALLS)
@fuzzed
@given(data=st.data())
def test_a_hostile_answer_ends_in_what_the_contract_allows(
    server: Answering, transport: Transport, operation: str, data: st.DataObject
) -> None:
    answer = data.draw(answers(operation))
    server.script = lambda _: answer
    judge(transport, operation)


@pytest.mark.parametrize("operation", CALLS)
def test_a_right_answer_is_taken(server: Answering, transport: Transport, operation: str) -> None:
    """Or else nothing here would show anything."""
    server.script = lambda asked: http(json.dumps(RIGHT[asked]).encode())
    assert judge(transport, operation) == "answered"


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("operation", CALLS)
def test_every_place_of_an_answer_may_hold_anything(
    server: Answering, transport: Transport, operation: str, value: object
) -> None:
    for path in places(RIGHT[operation]):
        document = with_at(RIGHT[operation], path, value, remove=False)
        body = json.dumps(document).encode()
        server.script = lambda _, body=body: http(body)  # type: ignore[misc]  # a default holds the loop's value
        judge(transport, operation)


def test_an_answer_that_is_not_sqss_may_pass_and_needs_no_person(server: Answering, transport: Transport) -> None:
    """Three refusals in a row end a run: a proxy's error page must not."""
    page = http(b"<html>All is well</html>", kind="text/html")
    bodies = (b"[]", b'{"Messages": 5}', b'{"Messages": [{}]}', b"\xff")
    for answer in (page, *map(http, bodies)):
        server.script = lambda _, answer=answer: answer  # type: ignore[misc]  # a default holds the loop's value
        with pytest.raises(SourceUnavailable):
            transport.receive(max_messages=1, wait_seconds=0, visibility_timeout_seconds=30)


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("protocol", ["auto", "json", "query"])
@settings(fuzzed, max_examples=max(10, EXAMPLES // 6))
@given(data=st.data())
def test_a_hostile_server_at_the_start_ends_in_what_the_contract_allows(
    server: Answering, opener: str, protocol: Any, data: st.DataObject
) -> None:
    found = data.draw(answers("GetQueueUrl"))
    listed = data.draw(answers("ListQueues"))
    server.script = lambda operation: listed if operation == "ListQueues" else found
    given_settings = SourceSettings(queue="q", endpoint=server.url, protocol=protocol)
    with pytest.MonkeyPatch.context() as patched:
        impatient(patched)
        try:
            OPENERS[opener](given_settings).close()
        except (SourceUnavailable, SourceRefused) as error:
            check_error(error)
