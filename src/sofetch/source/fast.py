"""The fast path: fills ``Transport`` with calls of our own over persistent connections, and with boto3 for the rest.

Owns the decision between the two. It never repeats a call by itself: whatever is not a plain 200 goes to boto3, which
knows retries and errors. A receive that was answered and lost on the way costs its messages a visibility timeout; they
come again. Must not let a body into an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sofetch.errors import SourceUnavailable
from sofetch.ports import Clock
from sofetch.source.answers import delete_body, failures_of, messages_of, receive_body, visibility_body
from sofetch.source.boto import BotoTransport
from sofetch.source.boto_client import ANSWER_TIMEOUT_SECONDS
from sofetch.source.detour import Detour
from sofetch.source.http1 import Connections, NotPlain
from sofetch.source.recipe import Recipe
from sofetch.source.transport import EntryFailure, RawMessage, VisibilityChange

_T = TypeVar("_T")


class FastTransport:
    """Fills ``Transport``. Takes over ``boto``, which it closes."""

    def __init__(self, boto: BotoTransport, *, recipe: Recipe, longest_wait_seconds: int, clock: Clock) -> None:
        self._boto = boto
        self._recipe = recipe
        self._clock = clock
        self._detour = Detour()
        self._polls = Connections(recipe.server, answer_seconds=longest_wait_seconds + ANSWER_TIMEOUT_SECONDS)
        self._calls = Connections(recipe.server, answer_seconds=ANSWER_TIMEOUT_SECONDS)

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._boto.queue_name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout, by boto3."""
        return self._boto.visibility_timeout_seconds()

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """One ReceiveMessage call."""
        body = receive_body(
            self._boto.queue_url,
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        epoch = self._polls.epoch
        messages = self._plainly("ReceiveMessage", body, messages_of, self._polls, epoch=epoch)
        if messages is not None:
            return messages
        if self._polls.epoch != epoch:  # or boto3 would begin the long poll that was just ended
            raise SourceUnavailable(f"cannot receive from queue {self.queue_name!r}: interrupted")
        return self._boto.receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """One DeleteMessageBatch call."""
        failures = self._plainly(
            "DeleteMessageBatch",
            delete_body(self._boto.queue_url, receipt_handles),
            lambda answer: failures_of(answer, entries=len(receipt_handles)),
            self._calls,
            epoch=self._calls.epoch,
        )
        return self._boto.delete_batch(receipt_handles) if failures is None else failures

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """One ChangeMessageVisibilityBatch call."""
        failures = self._plainly(
            "ChangeMessageVisibilityBatch",
            visibility_body(self._boto.queue_url, changes),
            lambda answer: failures_of(answer, entries=len(changes)),
            self._calls,
            epoch=self._calls.epoch,
        )
        return self._boto.change_visibility_batch(changes) if failures is None else failures

    def interrupt(self) -> None:
        """End the long polls under way."""
        self._polls.interrupt()
        self._boto.interrupt()

    def close(self) -> None:
        """Give back the connections."""
        self._polls.close()
        self._calls.close()
        self._boto.close()

    def _plainly(
        self, operation: str, body: bytes, read: Callable[[bytes], _T | None], connections: Connections, *, epoch: int
    ) -> _T | None:
        """What a call of our own brings; None if boto3 must make it."""
        started = self._clock.monotonic()
        if not self._detour.clear(now=started):
            return None
        request = self._signed(operation, body)
        found = None
        if request is not None:
            try:
                found = read(connections.post(request, epoch=epoch))
            except NotPlain:
                if connections.epoch != epoch:
                    return None
        if found is None:
            self._detour.failed(started=started, now=self._clock.monotonic())
        else:
            self._detour.worked(started=started)
        return found

    def _signed(self, operation: str, body: bytes) -> bytes | None:
        """None where there are no usable credentials: boto3 meets the same and says what to do."""
        try:
            credentials = self._recipe.credentials()
            return self._recipe.signer.request(
                operation, body, second=self._clock.now_ms() // 1000, credentials=credentials
            )
        except Exception:  # noqa: BLE001  # whoever grants credentials may raise anything
            return None
