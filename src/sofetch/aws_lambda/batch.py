"""One invocation: its messages in batches as the worker's, for as long as there is time, and what is to come again.

Owns how much is loaded at once, when there is no time left for more, and what a failure in the middle means. What is
deleted is ``ack.decide``'s to say, and SQS's event source mapping carries it out. Nothing is kept after it returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from sofetch import events as told
from sofetch.account import account_of, events_of
from sofetch.ack import decide
from sofetch.aws_lambda.event import failures_of, messages_of, sort
from sofetch.errors import SinkUnavailable, SofetchError, SourceUnavailable, place_of
from sofetch.events import Event, Events, outage
from sofetch.faults import crash_point
from sofetch.pipeline import Processed, Steps, process
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.settings import BatchSettings

MARGIN_MS: Final = 1_000
"""What must be left after a batch: for the answer, the metrics, and a commit that is slower than those before."""

ATTEMPTS: Final = 2
"""How often a batch is tried in one invocation. The second goes over a connection of its own: the first may have died
without a word. An outage is not waited out: it would be paid for by the millisecond, and the messages come again."""


class Invocation:
    """The work on one event. ``counts`` fills as it goes on, and holds what is true even if it ends with an error."""

    def __init__(
        self,
        *,
        steps: Steps,
        queue: str,
        batch: BatchSettings,
        clock: Clock,
        events: Events,
        remaining_ms: Callable[[], int],
    ) -> None:
        self._steps = steps
        self._queue = queue
        self._batch = batch
        self._clock = clock
        self._events = events
        self._remaining_ms = remaining_ms
        self._slowest_ms = 0.0
        self._durable: set[str] = set()
        self.counts: Counter[str] = Counter()

    def run(self, event: object) -> list[str]:
        """The ids of the messages that are to come again; all others are durable.

        Raises if nothing could be made durable: EventError, what ``pipeline.process`` raises, or SofetchError
        (``no_time``). Then all come again.
        """
        raws = messages_of(event, queue=self._queue)
        self.counts["received"] = self.counts["failures"] = len(raws)
        batch = sort(raws, queue=self._queue, received_ms=self._clock.now_ms())
        if batch.damaged:
            self._events.emit(told.MessagesDamaged(count=batch.damaged))
        crash_point("after_receive")
        self._load(batch.loadable)
        failures = failures_of(batch.all, frozenset(self._durable))
        self.counts["failures"] = len(failures)
        return failures

    def _load(self, messages: Sequence[Message]) -> None:
        held_up: set[str | None] = set()
        left = len(messages)
        for part in parts(messages, self._batch):
            if not self._has_time():
                self._out_of_time(left)
                return
            left -= len(part)
            # What comes after a message of its FIFO group that goes back would overtake it.
            taken = [message for message in part if message.fifo_group not in held_up]
            if not self._take(taken):
                return
            held_up |= {message.fifo_group for message in taken if message.id not in self._durable} - {None}

    def _take(self, messages: Sequence[Message]) -> bool:
        """Load a batch; False if nothing more is to be tried. An error is raised only while nothing is durable: what is
        must not come again, or it wears out its receives and is buried although it is in the table.
        """
        try:
            self._process(messages)
        except Exception as error:
            if not self._durable:
                raise
            self._events.emit(failure(error))
            return False
        return True

    def _process(self, messages: Sequence[Message]) -> None:
        started = self._clock.monotonic()
        done = self._attempted(messages, started=started)
        seconds = self._took(since=started)
        self._durable.update(decide(done.outcomes).delete)
        account = account_of(done.outcomes)
        for name in ("loaded", "duplicates", "quarantined"):
            self.counts[name] += getattr(account, name)
        for event in events_of(messages, done, account, seconds=seconds, now_ms=self._clock.now_ms()):
            self._events.emit(event)

    def _attempted(self, messages: Sequence[Message], *, started: float) -> Processed:
        for attempt in range(1, ATTEMPTS):
            try:
                return process(messages, self._steps)
            except SinkUnavailable as error:
                # What failed by a limit on waiting fails so again, and as late.
                self._took(since=started)
                if not self._has_time():
                    raise
                self._events.emit(outage("database", error, attempt=attempt, retry_in_seconds=0))
        return process(messages, self._steps)

    def _took(self, *, since: float) -> float:
        """Seconds that something took, which the next may take too."""
        seconds = self._clock.monotonic() - since
        self._slowest_ms = max(self._slowest_ms, seconds * 1_000)
        return seconds

    def _has_time(self) -> bool:
        return self._remaining_ms() >= MARGIN_MS + self._slowest_ms

    def _out_of_time(self, left: int) -> None:
        if not self._durable:
            raise SofetchError(
                "there is no time left to load anything",
                hint="raise the function's timeout, and the queue's visibility timeout with it",
                code="no_time",
            )
        self._events.emit(told.LeftForTime(count=left))


def parts(messages: Sequence[Message], batch: BatchSettings) -> Iterator[list[Message]]:
    """The messages in order, as many at a time as one transaction may hold; one that is larger has its own."""
    part: list[Message] = []
    size = 0
    for message in messages:
        if part and (len(part) >= batch.max_messages or size + len(message.body) > batch.max_batch_bytes):
            yield part
            part, size = [], 0
        part.append(message)
        size += len(message.body)
    if part:
        yield part


def failure(error: Exception) -> Event:
    """The event for what ended an invocation, or a part of it. Of what is not ours it has no text."""
    match error:
        case SinkUnavailable():
            return outage("database", error, attempt=ATTEMPTS, retry_in_seconds=0)
        case SourceUnavailable():  # of S3, where bodies are to be fetched
            return outage("queue", error, attempt=1, retry_in_seconds=0)
        case SofetchError():
            return told.Failed(code=error.code, what=error.what, hint=error.hint)
        case _:
            return told.Unexpected(error=type(error).__name__, place=place_of(error.__traceback__))
