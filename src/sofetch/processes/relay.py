"""Events from a worker's process to the one that supervises it: a JSON line each, over a pipe.

Owns the form of a line and both of its ends. The vocabulary is ``sofetch.events``', so no line can hold a value of a
message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Union

import msgspec

from sofetch.events import Event, event_types

_LINES = msgspec.json.Encoder()


def relay_to(descriptor: int) -> Callable[[Event], None]:
    """A listener for ``Events`` that writes each event to the pipe.

    A line that cannot be written is dropped: nobody reads it any more, and a worker whose supervisor is gone ends in
    good order, by ``stop_when_alone``. May be called from any thread: no line ends up within another.
    """
    # A long line takes several writes. Reentrant: an event may be told of what ends while one is written.
    lock = threading.RLock()

    def write(event: Event) -> None:
        line = memoryview(_LINES.encode(event) + b"\n")
        with lock:
            try:
                while line:
                    line = line[os.write(descriptor, line) :]
            except OSError:
                pass

    return write


class Received:
    """The other end: bytes as they come, events as they are whole."""

    def __init__(self) -> None:
        self._rest = b""
        # The union can only be named once every event is defined, and mypy need not know its members.
        kinds: Any = Union[tuple(event_types())]  # noqa: UP007
        self._decode = msgspec.json.Decoder(kinds).decode

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole now. A line cut off by a kill is never finished, and never told."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._decode(line) for line in lines]
