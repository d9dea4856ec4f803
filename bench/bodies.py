"""The messages of every benchmark: made-up logins of 200 bytes, those that the queue server begins with.

All are distinct, so that no batch holds a value twice and the masks' memo saves nothing: the worst case.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from sofetch.record import Message
from sqs_server.logins import login

BODY_BYTES = 200


def login_bodies(count: int) -> Iterator[bytes]:
    """``count`` logins."""
    for number in range(count):
        yield login(number, body_bytes=BODY_BYTES).encode()


def login_messages(count: int) -> list[Message]:
    """The same as messages that were received just now, ten of them sent in each millisecond before."""
    now_ms = time.time_ns() // 1_000_000
    return [
        Message(
            id=str(uuid.uuid4()),
            body=body,
            queue="bench",
            sent_ms=now_ms - (count - number) // 10,
            received_ms=now_ms,
        )
        for number, body in enumerate(login_bodies(count))
    ]
