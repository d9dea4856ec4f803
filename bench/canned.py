"""An SQS server that thinks of nothing: the same answer to each call, in a process of its own.

Usage: python bench/canned.py [--port 0]; prints its port and serves until its standard input ends. Loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import random
import re
import sys
import uuid

import uvloop

MESSAGES = 10
BODY_BYTES = 200
_HANDLE_BYTES = 309  # 412 characters, as AWS's are
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


def receipt_handle(chance: random.Random) -> str:
    """As long as AWS's."""
    return base64.b64encode(chance.randbytes(_HANDLE_BYTES)).decode()


def received() -> bytes:
    """Ten messages of 200 bytes, with what AWS says of them."""
    chance = random.Random(10)  # noqa: S311  # the same each time
    messages = []
    for number in range(MESSAGES):
        body = json.dumps({"user_id": f"user-{number}", "ip": "199.172.111.135", "filler": ""})
        body = f"{body[:-2]}{'x' * (BODY_BYTES - len(body))}{body[-2:]}"
        messages.append(
            {
                "MessageId": str(uuid.UUID(int=chance.getrandbits(128))),
                "ReceiptHandle": receipt_handle(chance),
                "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "Body": body,
                "Attributes": {"SentTimestamp": "1795737600000", "ApproximateReceiveCount": "1"},
            }
        )
    return _answer({"Messages": messages})


def deleted() -> bytes:
    """Ten deletes that succeeded."""
    return _answer({"Successful": [{"Id": str(number)} for number in range(MESSAGES)], "Failed": []})


def _answer(content: object) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = (
        "HTTP/1.1 200 OK\r\nx-amzn-RequestId: 5bf2c1a1-7a0b-5b0e-9d4b-9f6b5c1f0d11\r\n"
        "Date: Thu, 26 Nov 2026 00:00:00 GMT\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"connection: keep-alive\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Canned(asyncio.Protocol):
    def __init__(self, answers: tuple[bytes, bytes]) -> None:
        self._received, self._deleted = answers
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # of TCP

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(_END)) >= 0:
            head = self._data[:end]
            found = _LENGTH.search(head)
            whole = end + len(_END) + int(found[1] if found else 0)
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._transport.write(self._received if b"ReceiveMessage" in head else self._deleted)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    answers = received(), deleted()
    server = await loop.create_server(lambda: _Canned(answers), "127.0.0.1", port)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(_serve(parser.parse_args().port))
