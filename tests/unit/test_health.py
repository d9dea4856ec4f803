"""What a worker says of itself, and how it is asked over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from sofetch.breaker import Breakers
from sofetch.errors import ConfigError, SinkUnavailable
from sofetch.events import BatchDone, WorkerStarted
from sofetch.observe.health import Health
from sofetch.observe.serving import HttpServer, Page, health_page
from sofetch.source.agenda import Tally
from sofetch.source.clerk import SourceState
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

CANARY = "canary@example.org"


class Place:
    """A worker's health, and what it looks at."""

    def __init__(self, *, unhealthy_after_seconds: float = 300) -> None:
        self.clock = FakeClock()
        self.breakers = Breakers(now=self.clock.monotonic(), jitter=lambda: 1.0)
        self.stop = Stop()
        self.health = Health(
            pipeline="logins",
            breakers=self.breakers,
            clock=self.clock,
            stop=self.stop,
            unhealthy_after_seconds=unhealthy_after_seconds,
        )

    def start(self) -> None:
        self.health(WorkerStarted(pipeline="logins", queue="q", table="t", version="0"))

    def fail(self) -> None:
        error = SinkUnavailable(f"cannot: {CANARY}", hint=CANARY, sqlstate="53100")
        self.breakers["database"].failed(error, now=self.clock.monotonic())

    def report(self) -> dict[str, Any]:
        page = health_page(self.health.report())
        told: dict[str, Any] = json.loads(page.body)
        assert CANARY not in page.body.decode()
        assert page.status == (200 if told["healthy"] else 503)
        return told


def test_a_worker_that_waits_for_its_database_is_starting_and_says_why() -> None:
    place = Place()
    place.clock.advance(1)
    place.fail()
    place.clock.advance(5)
    told = place.report()
    assert (told["state"], told["healthy"], told["held"]) == ("starting", True, None)
    assert told["dependencies"]["database"] == {
        "breaker": "open",
        "since": "2023-11-14T22:13:21Z",
        "for_seconds": 5.0,
        "attempts": 1,
        "code": "sink_unavailable",
        "sqlstate": "53100",
    }
    assert told["dependencies"]["queue"]["breaker"] == "closed"


def test_a_running_worker_is_paused_by_an_outage_and_runs_again_after_it() -> None:
    place = Place()
    place.start()
    assert place.report()["state"] == "running"
    place.fail()
    assert place.report()["state"] == "paused_by_outage"
    place.breakers["database"].succeeded(now=place.clock.monotonic())
    assert place.report()["state"] == "running"
    assert place.report()["dependencies"]["database"]["code"] is None


def test_it_is_unhealthy_once_a_dependency_has_been_away_for_longer_than_the_bound() -> None:
    place = Place(unhealthy_after_seconds=60)
    place.start()
    place.fail()
    place.clock.advance(60)
    assert place.report()["healthy"]
    place.fail()
    place.clock.advance(1)
    assert not place.report()["healthy"]
    assert place.report()["dependencies"]["database"]["attempts"] == 2
    place.breakers["database"].succeeded(now=place.clock.monotonic())
    assert place.report()["healthy"]


def test_batches_are_counted_and_the_last_ones_age_is_told() -> None:
    place = Place()
    assert place.report()["last_batch_seconds_ago"] is None
    for _ in range(2):
        place.health(
            BatchDone(
                messages=6,
                loaded=3,
                duplicates=1,
                quarantined=2,
                retried=0,
                body_bytes=1,
                milliseconds=1,
                oldest_age_ms=7_000,
            )
        )
    place.clock.advance(2)
    told = place.report()
    assert told["counts"] == {"loaded": 6, "duplicates": 2, "quarantined": 4, "retried": 0, "batches": 2}
    assert (told["last_batch_seconds_ago"], told["oldest_message_ms"]) == (2.0, 7_000)


def test_what_the_source_holds_is_told() -> None:
    place = Place()
    state = SourceState(held=7, held_bytes=70, buffered=5, polling=1, failed_receives_in_a_row=0, tally=Tally())
    place.health.watch(lambda: state)
    assert place.report()["held"] == {"messages": 7, "body_bytes": 70, "buffered": 5, "polling": 1}


def test_a_worker_that_was_asked_to_stop_is_draining() -> None:
    place = Place()
    place.start()
    place.fail()
    place.stop.ask("SIGTERM")
    assert place.report()["state"] == "draining"


@contextmanager
def serving(pages: dict[str, Any], listen: str = "127.0.0.1:0") -> Iterator[HttpServer]:
    before = set(threading.enumerate())
    server = HttpServer(listen, pages)
    try:
        yield server
    finally:
        server.close()
        assert not [one for one in set(threading.enumerate()) - before if one.name == "sofetch-http"]


def ask(server: HttpServer, path: str, *, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(server.address, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def test_the_report_is_served_and_nothing_else() -> None:
    place = Place()
    with serving({"/health": lambda: health_page(place.health.report())}) as server:
        assert server.address.startswith("127.0.0.1:")
        status, body, headers = ask(server, "/health?verbose=1")
        assert (status, json.loads(body)["state"]) == (200, "starting")
        assert headers["Content-Type"] == "application/json"
        assert ask(server, "/health", method="HEAD")[:2] == (200, b"")
        assert ask(server, f"/{CANARY}")[:2] == (404, b"not found\n")
        assert ask(server, "/health", method="POST")[0] == 501
        place.clock.advance(1)
        place.fail()
        place.clock.advance(301)
        assert ask(server, "/health")[0] == 503


def test_a_silent_client_does_not_keep_others_from_their_answer(capfd: pytest.CaptureFixture[str]) -> None:
    with serving({"/health": lambda: Page(200, b"{}")}) as server:
        host, port = server.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as silent:
            assert ask(server, "/health")[0] == 200
            silent.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
            assert ask(server, "/health")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_page_that_breaks_ends_its_request_and_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> Page:
        raise KeyError(CANARY)

    with serving({"/broken": broken, "/health": lambda: Page(200, b"{}")}) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, "/broken")
        assert ask(server, "/health")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_an_address_that_is_taken_or_no_port_is_a_mistake_of_the_configuration() -> None:
    with serving({}) as server:
        with pytest.raises(ConfigError) as caught:
            HttpServer(server.address, {})
        assert caught.value.code == "listen_failed"
    with pytest.raises(ConfigError):
        HttpServer("127.0.0.1:70000", {})


def test_the_report_has_the_fields_that_are_documented_and_no_text_of_an_error() -> None:
    place = Place()
    place.fail()
    fields = {"breaker", "since", "for_seconds", "attempts", "code", "sqlstate"}
    assert {*msgspec.to_builtins(place.health.report().dependencies["queue"])} == fields
