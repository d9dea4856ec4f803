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
from sofetch.source.flight import Flight
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
        epoch = self._polls.epoch
        messages = self._plainly(
            "ReceiveMessage",
            self._receive_body(max_messages, wait_seconds, visibility_timeout_seconds),
            messages_of,
            self._polls,
            epoch=epoch,
        )
        if messages is not None:
            return messages
        return self._receive_by_boto(max_messages, wait_seconds, visibility_timeout_seconds, epoch=epoch)

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """One DeleteMessageBatch call."""
        body, read = delete_body(self._boto.queue_url, receipt_handles), _failures_among(receipt_handles)
        failures = self._plainly("DeleteMessageBatch", body, read, self._calls, epoch=self._calls.epoch)
        return self._boto.delete_batch(receipt_handles) if failures is None else failures

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """One ChangeMessageVisibilityBatch call."""
        body, read = visibility_body(self._boto.queue_url, changes), _failures_among(changes)
        failures = self._plainly("ChangeMessageVisibilityBatch", body, read, self._calls, epoch=self._calls.epoch)
        return self._boto.change_visibility_batch(changes) if failures is None else failures

    def begin_receive(
        self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int
    ) -> Flight[list[RawMessage]] | None:
        """One ReceiveMessage call; see ``LoopTransport``."""
        epoch = self._polls.epoch
        return self._begin(
            "ReceiveMessage",
            self._receive_body(max_messages, wait_seconds, visibility_timeout_seconds),
            messages_of,
            self._polls,
            epoch=epoch,
            instead=lambda: self._receive_by_boto(max_messages, wait_seconds, visibility_timeout_seconds, epoch=epoch),
        )

    def begin_delete(self, receipt_handles: Sequence[str]) -> Flight[list[EntryFailure]] | None:
        """One DeleteMessageBatch call; see ``LoopTransport``."""
        return self._begin(
            "DeleteMessageBatch",
            delete_body(self._boto.queue_url, receipt_handles),
            _failures_among(receipt_handles),
            self._calls,
            epoch=self._calls.epoch,
            instead=lambda: self._boto.delete_batch(receipt_handles),
        )

    def begin_change(self, changes: Sequence[VisibilityChange]) -> Flight[list[EntryFailure]] | None:
        """One ChangeMessageVisibilityBatch call; see ``LoopTransport``."""
        return self._begin(
            "ChangeMessageVisibilityBatch",
            visibility_body(self._boto.queue_url, changes),
            _failures_among(changes),
            self._calls,
            epoch=self._calls.epoch,
            instead=lambda: self._boto.change_visibility_batch(changes),
        )

    def interrupt(self) -> None:
        """End the long polls under way."""
        self._polls.interrupt()
        self._boto.interrupt()

    def close(self) -> None:
        """Give back the connections."""
        self._polls.close()
        self._calls.close()
        self._boto.close()

    def _receive_body(self, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> bytes:
        return receive_body(
            self._boto.queue_url,
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
            asked=self._boto.asked,
        )

    def _receive_by_boto(
        self, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int, *, epoch: int
    ) -> list[RawMessage]:
        if self._polls.epoch != epoch:  # or boto3 would begin the long poll that was just ended
            raise SourceUnavailable(f"cannot receive from queue {self.queue_name!r}: interrupted")
        return self._boto.receive(
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )

    def _plainly(
        self, operation: str, body: bytes, read: Callable[[bytes], _T | None], connections: Connections, *, epoch: int
    ) -> _T | None:
        """What a call of our own brings, waited for; None if boto3 must make it."""
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
        self._ended(found is not None, started=started)
        return found

    def _begin(
        self,
        operation: str,
        body: bytes,
        read: Callable[[bytes], _T | None],
        connections: Connections,
        *,
        epoch: int,
        instead: Callable[[], _T],
    ) -> Flight[_T] | None:
        """A call of our own that is not waited for; None if there is something to wait for before it can begin."""
        started = self._clock.monotonic()
        if not self._detour.clear(now=started):
            return None
        request = self._signed(operation, body)
        exchange = connections.begin(request, epoch=epoch) if request is not None else None
        if exchange is None:
            return None

        def ended(well: bool) -> None:
            if well or connections.epoch == epoch:
                self._ended(well, started=started)

        return Flight(exchange, read=read, ended=ended, instead=instead)

    def _ended(self, well: bool, *, started: float) -> None:
        if well:
            self._detour.worked(started=started)
        else:
            self._detour.failed(started=started, now=self._clock.monotonic())

    def _signed(self, operation: str, body: bytes) -> bytes | None:
        """None where there are no usable credentials: boto3 meets the same and says what to do."""
        try:
            credentials = self._recipe.credentials()
            return self._recipe.signer.request(
                operation, body, second=self._clock.now_ms() // 1000, credentials=credentials
            )
        except Exception:  # noqa: BLE001  # whoever grants credentials may raise anything
            return None


def _failures_among(entries: Sequence[object]) -> Callable[[bytes], list[EntryFailure] | None]:
    return lambda answer: failures_of(answer, entries=len(entries))
