"""Plain answers over sockets that are kept, and everything that is not plain."""

from __future__ import annotations

import pytest

from scripted import Answer, plain, scripted
from sofetch.source.http1 import Connections, NotPlain, Server

REQUEST = b"POST / HTTP/1.1\r\nx-amz-target: a\r\ncontent-length: 0\r\n\r\n"
BODY = b'{"whole":1}   '
KIND = "Content-Type: application/x-amz-json-1.0\r\n"


def connections(port: int) -> Connections:
    there = Server(host="127.0.0.1", port=port, tls=None, connect_seconds=5, content_type=b"application/x-amz-json-1.0")
    return Connections(there, answer_seconds=10)


def answer(head: str, body: bytes = BODY, *, status: str = "HTTP/1.1 200 OK", then: str = "keep") -> Answer:
    return Answer(f"{status}\r\n{head}\r\n".encode() + body, then)


LENGTH = f"Content-Length: {len(BODY)}\r\n"
PLAIN = {
    "plain": (answer(KIND + LENGTH), True),
    "in single bytes": (Answer(answer(KIND + LENGTH).sent, split=1), True),
    "names in capitals": (answer((KIND + LENGTH).upper().replace("APPLICATION", "Application")), True),
    "no reason": (answer(KIND + LENGTH, status="HTTP/1.1 200"), True),
    "kept": (answer(f"{KIND}{LENGTH}Connection: keep-alive\r\n"), True),
    "closed": (answer(f"{KIND}{LENGTH}Connection: close\r\n", then="close"), False),
    "old": (answer(KIND + LENGTH, status="HTTP/1.0 200 OK", then="close"), False),
    "more than asked for": (answer(KIND + LENGTH, BODY + b"HTTP/1.1 200 OK\r\n"), False),
}
UNPLAIN = {
    "cut within the space at its end": (answer(KIND + LENGTH, BODY[:-1], then="close"), "cut"),
    "an encoding": (answer(f"{KIND}{LENGTH}Content-Encoding: gzip\r\n"), "framing"),
    "chunks and a length": (answer(f"{KIND}{LENGTH}Transfer-Encoding: chunked\r\n"), "framing"),
    "two lengths": (answer(KIND + LENGTH + LENGTH), "framing"),
    "a header that is none": (answer(f"{KIND}{LENGTH}nonsense\r\n"), "framing"),
    "no length": (answer(KIND, then="close"), "length"),
    "a negative length": (answer(f"{KIND}Content-Length: -1\r\n"), "length"),
    "a length beyond all bounds": (answer(f"{KIND}Content-Length: 99999999999999999999\r\n"), "length"),
    "another type": (answer(f"Content-Type: text/html\r\n{LENGTH}"), "content type"),
    "no type": (answer(LENGTH), "content type"),
    "another status": (plain(BODY, status="500 Oops"), "status"),
    "nearly the status": (answer(KIND + LENGTH, status="HTTP/1.1 2000 OK"), "status"),
    "another protocol": (Answer(b"220 smtp.example ESMTP\r\n\r\n", "close"), "status"),
    "an endless head": (Answer(b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000, "close"), "head"),
    "nothing": (Answer(b"", "close"), "head"),
    "a reset": (Answer(b"", "reset"), "connection"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_answer_is_read_and_its_connection_kept_where_it_lasts(name: str) -> None:
    sent, lasts = PLAIN[name]
    with scripted(lambda _: sent) as server:
        ours = connections(server.port)
        assert ours.post(REQUEST, epoch=0) == BODY
        assert bool(ours._idle) == lasts
        assert ours.post(REQUEST, epoch=0) == BODY
        assert server.connected == (1 if lasts else 2)
        assert not ours._busy
        ours.close()


@pytest.mark.parametrize("name", UNPLAIN)
def test_an_answer_that_is_not_plain_is_refused_and_ends_its_connection(name: str) -> None:
    sent, kind = UNPLAIN[name]
    with scripted(lambda _: sent) as server:
        ours = connections(server.port)
        with pytest.raises(NotPlain) as caught:
            ours.post(REQUEST, epoch=0)
        assert caught.value.kind == kind
        assert not ours._idle
        assert not ours._busy
        assert server.seen.total() == 1, "nothing is repeated"


def test_where_nobody_listens_that_is_said() -> None:
    with scripted(lambda _: plain(BODY)) as server:
        port = server.port
    with pytest.raises(NotPlain) as caught:
        connections(port).post(REQUEST, epoch=0)
    assert caught.value.kind == "connect"


def test_a_call_that_was_decided_on_before_an_interruption_is_not_made() -> None:
    with scripted(lambda _: plain(BODY)) as server:
        ours = connections(server.port)
        epoch = ours.epoch
        ours.interrupt()
        with pytest.raises(NotPlain):
            ours.post(REQUEST, epoch=epoch)
        assert server.seen.total() == 0
        assert ours.post(REQUEST, epoch=ours.epoch) == BODY
        ours.close()


def test_a_request_that_the_socket_does_not_take_at_once_is_sent_in_pieces() -> None:
    large = b"x" * (1 << 24)
    with scripted(lambda _: plain(BODY)) as server:
        ours = connections(server.port)
        for _ in range(2):  # over a new connection, and over the same again
            request = REQUEST.replace(b"length: 0", b"length: %d" % len(large)) + large
            assert ours.post(request, epoch=0) == BODY
        assert server.connected == 1
        ours.close()
