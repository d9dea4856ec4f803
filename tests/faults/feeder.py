"""Sends a campaign's messages, never more ahead of the workers than it is allowed, and tells the oracle of each."""

from __future__ import annotations

import threading

from faults.oracle import Sent
from faults.queues import Queue, QueueClient

_BATCH = 10
_BATCH_BYTES = 200_000
_WAIT_SECONDS = 0.5


class Feeder:
    """A thread that sends up to ``allow``'s number: long queues are slow and memory is not endless."""

    def __init__(self, sent: Sent, *, queue: Queue, endpoint: str, messages: int) -> None:
        self._sent, self._queue, self._messages = sent, queue, messages
        self.first = sent.count
        self._client = QueueClient(endpoint)
        self._allowed = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._thread.start()

    def allow(self, up_to: int) -> None:
        """Let it send until so many are sent."""
        with self._changed:
            self._allowed = min(up_to, self._messages)
            self._changed.notify_all()

    @property
    def done(self) -> bool:
        """Everything is sent. Raises what stopped it."""
        if self._error is not None:
            raise self._error
        return self._sent.count >= self._messages

    def close(self) -> None:
        """Stop sending."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        try:
            while self._may_send():
                bodies = self._next()
                self._sent.add(self._queue.send(self._client, bodies))
        except BaseException as error:  # noqa: BLE001 - raised again where it is asked for
            self._error = error

    def _may_send(self) -> bool:
        with self._changed:
            while not self._stopped and self._sent.count >= self._allowed and self._sent.count < self._messages:
                self._changed.wait(_WAIT_SECONDS)
            return not self._stopped and self._sent.count < self._messages

    def _next(self) -> list[str]:
        first, size = self._sent.count, 0
        bodies: list[str] = []
        for number in range(first, min(first + _BATCH, self._messages)):
            body = self._sent.corpus.message(number).body
            size += len(body)
            if bodies and size > _BATCH_BYTES:
                break
            bodies.append(body)
        return bodies
