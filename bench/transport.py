"""CPU time of an SQS call by each way of making it: a receive of ten messages, a delete of ten.

Usage: python bench/transport.py [--json] [--write] [--calls 2000] [--runs 5]

A server that thinks of nothing answers from another process (``canned.py``). Every way encodes, signs and decodes
alike, with the program's own code; only how the bytes travel differs. boto3 and ``sofetch`` are measured whole, as the
fleets call them. Time is CPU time of the calling process, user and system, all its threads.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import os
import queue
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import Any, Protocol

import httptools
import pycurl
import uvloop
from botocore.credentials import ReadOnlyCredentials

from canned import MESSAGES, receipt_handle
from canned import received as canned_receive
from machine import describe_machine
from sofetch.cli.text import table
from sofetch.clock import SystemClock
from sofetch.settings import SourceSettings
from sofetch.source.answers import delete_body, failures_of, messages_of, receive_body
from sofetch.source.opening import open_transport
from sofetch.source.sigv4 import Signer, Target

RESULTS = Path(__file__).parent / "results"
THREADS = (1, 4, 8)
SLOW_SHARE = 5  # boto3 makes a fifth of the calls
_CHUNK = 65_536
_HANDLES = [receipt_handle(random.Random(number)) for number in range(MESSAGES)]  # noqa: S311
_RECEIVE = {"max_messages": 10, "wait_seconds": 20, "visibility_timeout_seconds": 30}


class Way(Protocol):
    """One thread's way of making calls."""

    def receive(self) -> int:
        """One ReceiveMessage; the number of messages."""
        ...

    def delete(self) -> int:
        """One DeleteMessageBatch; the number of failed entries."""
        ...


class Whole:
    """A transport of the program's, as the fleets use it; shared by all threads."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def receive(self) -> int:
        """One call."""
        return len(self._transport.receive(**_RECEIVE))

    def delete(self) -> int:
        """One call."""
        return len(self._transport.delete_batch(_HANDLES))


class Travelled:
    """The program's encoding, signing and decoding round a way for the bytes."""

    def __init__(self, signer: Signer, url: str, exchange: Callable[[bytes], bytes]) -> None:
        self._signer, self._url, self._exchange = signer, url, exchange
        self._credentials = ReadOnlyCredentials("AKIDBENCH", "secret", None)

    def receive(self) -> int:
        """One call."""
        return self.read("receive")(self._exchange(self.request("receive")()))

    def delete(self) -> int:
        """One call."""
        return self.read("delete")(self._exchange(self.request("delete")()))

    def request(self, call: str) -> Callable[[], bytes]:
        """What makes a signed request of this call."""
        if call == "receive":
            return lambda: self._signed("ReceiveMessage", receive_body(self._url, **_RECEIVE))
        return lambda: self._signed("DeleteMessageBatch", delete_body(self._url, _HANDLES))

    def read(self, call: str) -> Callable[[bytes], int]:
        """What reads its answer."""
        if call == "receive":
            return lambda answer: len(messages_of(answer) or ())
        return lambda answer: len(failures_of(answer, entries=MESSAGES) or ())

    def _signed(self, operation: str, body: bytes) -> bytes:
        return self._signer.request(operation, body, second=int(time()), credentials=self._credentials)


def connected(port: int) -> socket.socket:
    """A socket to the server."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def nothing(port: int) -> Callable[[bytes], bytes]:
    """No bytes travel: what encoding, signing and decoding take alone."""
    del port
    received = canned_receive().partition(b"\r\n\r\n")[2]
    deleted = b'{"Successful":[' + b",".join(b'{"Id":"%d"}' % number for number in range(MESSAGES)) + b"]}"
    return lambda request: received if b"ReceiveMessage" in request[:200] else deleted


def by_http_client(port: int) -> Callable[[bytes], bytes]:
    """http.client, with the head built before."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = connected(port)

    def exchange(request: bytes) -> bytes:
        connection.sock.sendall(request)
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        return answer.read()

    return exchange


def by_pycurl(port: int) -> Callable[[bytes], bytes]:
    """libcurl, one easy handle a thread, its connection kept alive."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, f"http://127.0.0.1:{port}/")
    for option in (pycurl.NOSIGNAL, pycurl.TCP_NODELAY, pycurl.TCP_KEEPALIVE, pycurl.POST):
        handle.setopt(option, 1)
    heads: dict[bytes, list[bytes]] = {}

    def exchange(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        common, _, signed = head.partition(b"\r\nAuthorization")
        if common not in heads:  # once a second
            heads.clear()
            heads[common] = [*common.split(b"\r\n")[1:], b"Expect:"]
        answer = io.BytesIO()
        handle.setopt(pycurl.HTTPHEADER, [*heads[common], b"Authorization" + signed.partition(b"\r\n")[0]])
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEDATA, answer)
        handle.perform()
        return answer.getvalue()

    return exchange


class Parsed:
    """An answer as httptools' parser tells it."""

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.done = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.body.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self.done = True


def by_httptools(port: int) -> Callable[[bytes], bytes]:
    """A blocking socket and httptools' parser."""
    sock = connected(port)

    def exchange(request: bytes) -> bytes:
        sock.sendall(request)
        parsed = Parsed()
        parser = httptools.HttpResponseParser(parsed)
        while not parsed.done:
            parser.feed_data(sock.recv(_CHUNK))
        return b"".join(parsed.body)

    return exchange


class Asked(asyncio.Protocol):
    """One call at a time on one connection of an event loop; ``answered`` takes the body, in the loop's thread."""

    def __init__(self) -> None:
        self.answered: Callable[[bytes], object] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self.transport: Any = transport

    def ask(self, request: bytes, answered: Callable[[bytes], object]) -> None:
        """Send a request; in the loop's thread."""
        self.answered = answered
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self.answered(b"".join(self._body))


class Loop:
    """An event loop of uvloop's in a thread of its own."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def connect(self, port: int) -> Asked:
        """A connection of this loop; from any other thread."""
        made = asyncio.run_coroutine_threadsafe(self.loop.create_connection(Asked, "127.0.0.1", port), self.loop)
        return made.result()[1]

    def handed_over(self, port: int) -> Callable[[bytes], bytes]:
        """A thread hands its request to the loop and waits for the answer."""
        asked = self.connect(port)
        answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

        def exchange(request: bytes) -> bytes:
            self.loop.call_soon_threadsafe(asked.ask, request, answers.put)
            return answers.get()

        return exchange


class Inside:
    """All is done in the loop's thread, and no thread waits: what a program of another colour could have."""

    def __init__(self, loop: Loop, port: int, signed: Travelled) -> None:
        self._loop, self._asked, self._signed = loop.loop, loop.connect(port), signed

    def start(self, call: str, calls: int, done: Callable[[], object]) -> None:
        """Make ``calls`` calls, one after the other."""
        request, read = self._signed.request(call), self._signed.read(call)

        def next_one(left: int) -> None:
            if left:
                self._asked.ask(request(), lambda answer: (read(answer), next_one(left - 1)))
            else:
                done()

        self._loop.call_soon_threadsafe(next_one, calls)


def run_inside(ways: list[Inside], call: str, calls: int) -> float:
    """CPU seconds of a call, as ``run`` has them."""
    ended = threading.Semaphore(0)
    before = cpu_seconds()
    for way in ways:
        way.start(call, calls // len(ways), ended.release)
    for _ in ways:
        ended.acquire()
    return (cpu_seconds() - before) / (calls // len(ways)) / len(ways)


@dataclass(frozen=True)
class Result:
    """Microseconds of CPU for one call: the median of the runs, and the least and most of them."""

    way: str
    call: str
    threads: int
    median_us: float
    least_us: float
    most_us: float
    calls: int
    runs: int


def cpu_seconds() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(ways: list[Way], call: str, calls: int) -> float:
    """CPU seconds of ``calls`` calls, spread over the ways, a thread each."""
    share = calls // len(ways)
    start = threading.Barrier(len(ways) + 1)

    def work(way: Way) -> None:
        one = way.receive if call == "receive" else way.delete
        expected = MESSAGES if call == "receive" else 0
        assert one() == expected  # noqa: S101  # and connects
        start.wait()
        for _ in range(share):
            one()

    threads = [threading.Thread(target=work, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    start.wait()
    before = cpu_seconds()
    for thread in threads:
        thread.join()
    return (cpu_seconds() - before) / share / len(ways)


@contextmanager
def canned_server() -> Iterator[int]:
    """The server; its port."""
    command = [sys.executable, str(Path(__file__).with_name("canned.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None  # noqa: S101, PT018
        yield int(server.stdout.readline())
        server.stdin.close()


def all_ways(port: int) -> dict[str, Callable[[], Any]]:
    """Each way by its name; called once for each thread."""
    url = f"http://127.0.0.1:{port}"
    queue_url = f"{url}/000000000000/bench"
    headers = (("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-query-mode", "true"))
    operations = ("ReceiveMessage", "DeleteMessageBatch")
    target = Target(
        url=f"{url}/",
        region="us-east-1",
        service="sqs",
        headers={name: (("X-Amz-Target", f"AmazonSQS.{name}"), *headers) for name in operations},
    )
    signer, loop = Signer(target), Loop()

    def opened(transport: Any) -> Whole:
        settings = SourceSettings(queue=queue_url, endpoint=url, protocol="json", transport=transport, receivers=8)
        return Whole(open_transport(settings, clock=SystemClock()))

    boto3, fast = opened("boto3"), opened("fast")
    makers: dict[str, Callable[[int], Callable[[bytes], bytes]]] = {
        "http.client": by_http_client,
        "pycurl": by_pycurl,
        "socket, httptools": by_httptools,
        "uvloop, httptools, handed over": loop.handed_over,
        "no bytes travel": nothing,
    }
    ways: dict[str, Callable[[], Any]] = {"boto3": lambda: boto3, "sofetch: socket, own parsing": lambda: fast}
    for name, make in makers.items():
        ways[name] = lambda make=make: Travelled(signer, queue_url, make(port))
    ways["uvloop, httptools, all in the loop"] = lambda: Inside(loop, port, Travelled(signer, queue_url, nothing(port)))
    return ways


def measure(*, calls: int, runs: int) -> list[Result]:
    """Every way, run by run in turn, so that what else the machine does falls on all."""
    cases: dict[tuple[str, str, int], list[float]] = {}
    with canned_server() as port:
        ways = {name: [make() for _ in range(max(THREADS))] for name, make in all_ways(port).items()}
        for number in range(runs + 1):
            for name, made in ways.items():
                for call in ("receive", "delete"):
                    for threads in THREADS:
                        count = max(threads, calls // SLOW_SHARE if name == "boto3" else calls)
                        one = run_inside if isinstance(made[0], Inside) else run
                        taken = one(made[:threads], call, count)
                        if number:  # the first warms up
                            cases.setdefault((name, call, threads), []).append(taken * 1e6)
    return [
        Result(name, call, threads, *(round(of(taken), 1) for of in (statistics.median, min, max)), calls, runs)
        for (name, call, threads), taken in cases.items()
    ]


def rows(results: list[Result]) -> list[tuple[str, ...]]:
    """A row a way: the medians, and how many of these calls boto3's time for one would pay."""
    median = {(it.way, it.call, it.threads): it.median_us for it in results}
    found = []
    for way in dict.fromkeys(it.way for it in results):
        cells = [f"{median[way, call, threads]:.0f}" for call in ("receive", "delete") for threads in THREADS]
        ratio = statistics.mean(
            median["boto3", call, threads] / median[way, call, threads]
            for call in ("receive", "delete")
            for threads in THREADS
        )
        found.append((way, *cells, f"{ratio:.1f}"))
    return found


HEADER = ("way", *(f"{call} × {threads}" for call in ("receive", "delete") for threads in THREADS), "boto3 / it")


def as_markdown(machine: dict[str, str], results: list[Result]) -> str:
    """A page for the results' folder."""
    about = "\n".join(f"* {key}: {value}" for key, value in machine.items())
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows(results))
    spread = statistics.median((it.most_us - it.least_us) / it.median_us for it in results)
    return (
        "# CPU time of an SQS call, in microseconds\n\n"
        "Got from `python bench/transport.py --write`: plain HTTP on loopback, canned answers from another process,\n"
        "median of the runs; a receive of ten messages of 200 bytes and a delete of ten, in 1, 4 and 8 threads.\n"
        "«no bytes travel» is encoding, signing and decoding alone, which is in every row below boto3's.\n"
        f"Between the fastest and the slowest run lie {spread:.0%} of the median (median of the cases).\n\n"
        f"{about}\n\n"
        f"| {' | '.join(HEADER)} |\n| --- |{' --: |' * (len(HEADER) - 1)}\n{body}\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/transport.json and .md too")
    parser.add_argument("--calls", type=int, default=2_000, help="calls of each run; a fifth of it for boto3")
    parser.add_argument("--runs", type=int, default=5, help="runs that count")
    options = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench", AWS_DEFAULT_REGION="us-east-1")  # noqa: S106
    os.environ["no_proxy"] = "127.0.0.1"
    machine = describe_machine("botocore", "msgspec", "pycurl", "httptools", "uvloop")
    results = measure(calls=options.calls, runs=options.runs)
    document = json.dumps({"machine": machine, "results": [asdict(it) for it in results]}, indent=2) + "\n"
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "transport.json").write_text(document)
        (RESULTS / "transport.md").write_text(as_markdown(machine, results))
    lines = [", ".join(f"{key} {value}" for key, value in machine.items()), "", *table(HEADER, rows(results))]
    sys.stdout.write(document if options.json else "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
