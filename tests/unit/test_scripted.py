"""The scripted server of the tests: whatever a client does, no thread of it stays behind to keep the process alive."""

from __future__ import annotations

import socket
import threading

from scripted import Answer, scripted


def test_a_request_that_breaks_off_within_its_body_ends_its_connection_and_the_thread_of_it() -> None:
    before = set(threading.enumerate())
    with scripted(lambda _: Answer(b"", "close")) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(
                b"POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ReceiveMessage\r\ncontent-length: 9\r\n\r\nhalf"
            )
            client.shutdown(socket.SHUT_WR)
            client.settimeout(60)
            assert client.recv(1) == b""
        assert not server.seen
    assert not set(threading.enumerate()) - before
