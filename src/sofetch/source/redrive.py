"""Messages of a dead-letter queue back onto their queue: sent again first, deleted only once that is confirmed.

Owns the calls of a redrive. What a message's first ledger key is, the caller says; it travels as a message attribute,
so that the ledger knows the message again although its new delivery has another id. Must not let a body into an error.

Guaranteed: a message is on one of the two queues at any time, or on both with one first key. A kill between sending and
deleting leaves it on both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from sofetch.clock import SystemClock
from sofetch.errors import ConfigError, SourceRefused, SourceUnavailable
from sofetch.faults import crash_point
from sofetch.record import Message, Private
from sofetch.settings import SourceSettings
from sofetch.source.boto import find_queue, parse_failures, parse_messages
from sofetch.source.boto_client import Clients
from sofetch.source.boto_errors import mapped
from sofetch.source.forms import queue_name
from sofetch.source.queue import QueueControl
from sofetch.source.transport import MAX_BATCH_ENTRIES, MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

MAX_ATTRIBUTES: Final = 10
"""Message attributes that SQS takes with one message."""

HELD_SECONDS: Final = 120
"""How long a message of the dead-letter queue is kept from others, unless [source] visibility_timeout_seconds says
otherwise: a batch is sent and deleted well within it."""

_EMPTY_ANSWERS: Final = 2
_FIRST_KEY_BYTES: Final = 128
_ATTEMPTS: Final = 5

FirstKey = Callable[[Message], bytes]
"""The ledger key of a message's first delivery, 16 bytes."""


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages that were looked at.

    ``sent`` are on their queue again (in a dry run: would be); ``undeleted`` of them are still in the dead-letter queue
    too, and load once all the same. ``unmatched`` were not asked for; ``returned`` came back while this ran.
    ``crowded`` have ten attributes of their own and no room for the first key; ``refused`` the queue did not take. All
    of these stay in the dead-letter queue.
    """

    sent: int = 0
    undeleted: int = 0
    unmatched: int = 0
    returned: int = 0
    crowded: int = 0
    refused: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages: of these first keys, sent at or after this time; at most so many, so many a second."""

    keys: frozenset[bytes] | None = None
    since_ms: int | None = None
    limit: int | None = None
    per_second: float | None = None

    def matches(self, message: Message, key: bytes) -> bool:
        """Whether the message is one of them. One without a sent time is not, where a time is asked for."""
        in_time = self.since_ms is None or (message.sent_ms is not None and message.sent_ms >= self.since_ms)
        return in_time and (self.keys is None or key in self.keys)


def dead_letters_of(queue: QueueControl, settings: SourceSettings, *, name: str | None = None) -> SourceSettings:
    """The settings of the queue's dead-letter queue: the one named, or the one that its RedrivePolicy names.

    Raises ConfigError if it has none.
    """
    if name is None:
        redrive = queue.attributes().redrive
        if redrive is None:
            raise ConfigError(
                f"queue {queue.name} has no RedrivePolicy, so it has no dead-letter queue",
                hint="name one with --dlq, or set a RedrivePolicy on the queue",
            )
        name = redrive.dead_letter_queue
        if "://" in settings.queue:  # the same account and region, which a name alone would not say
            name = f"{settings.queue.rstrip('/').rpartition('/')[0]}/{name}"
    return msgspec.structs.replace(settings, queue=name)


class _Letter(Private, frozen=True, kw_only=True):
    """A message of the dead-letter queue, as it came and as it is understood."""

    message: Message
    key: bytes
    receipt_handle: str
    attributes: Mapping[str, Mapping[str, Any]]

    @property
    def size(self) -> int:
        """Its bytes in a batch, by SQS's count, the first key included; binary values are counted as they are."""
        return len(self.message.body) + _FIRST_KEY_BYTES + sum(map(_bytes_of, self.attributes.items()))


class Redrive:
    """One redrive from ``dlq`` to ``queue``. Close it when done, or use it in a ``with`` statement."""

    def __init__(
        self,
        clients: Clients,
        *,
        urls: tuple[str, str],
        first_key: FirstKey,
        attribute: str,
        held_seconds: int = HELD_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clients = clients
        self._dlq, self._queue = urls
        self._first_key = first_key
        self._attribute = attribute
        self._held_seconds = held_seconds
        self._sleep = sleep
        self._fifo = queue_name(self._queue).endswith(".fifo")
        self._held: dict[str, str] = {}
        self._seen: set[str] = set()
        self._sent_keys: set[bytes] = set()
        self._total = Redriven()

    @classmethod
    def open(cls, settings: SourceSettings, *, dlq: SourceSettings, first_key: FirstKey, attribute: str) -> Self:
        """Find both queues. ``attribute`` names the message attribute of the first key.

        Raises SourceRefused or SourceUnavailable.
        """
        clients = Clients(settings)
        try:
            urls = (find_queue(clients.calls, dlq.queue), find_queue(clients.calls, settings.queue))
            if urls[0] == urls[1]:
                raise ConfigError("the dead-letter queue and the queue are the same", hint="name another with --dlq")
            held_seconds = settings.visibility_timeout_seconds or HELD_SECONDS
            return cls(clients, urls=urls, first_key=first_key, attribute=attribute, held_seconds=held_seconds)
        except BaseException:
            clients.close()
            raise

    def run(self, wanted: Wanted, *, dry_run: bool = False, told: Callable[[Redriven], None] | None = None) -> Redriven:
        """Move what is wanted; ``told`` is given the sums after each receive. What stays becomes visible again.

        Ends when the dead-letter queue gives nothing new. A message that fails again while this runs and comes back is
        left there. Raises SourceUnavailable or SourceRefused; what was sent until then stays sent, and running it again
        is safe.
        """
        try:
            for letters in self._received(wanted):
                before = self._total.sent
                self._take(letters, wanted, dry_run=dry_run)
                if told is not None:
                    told(self._total)
                more = _at_once(wanted, done=self._total.sent) > 0  # nobody waits after the last one
                if wanted.per_second is not None and more and not dry_run:
                    self._sleep((self._total.sent - before) / wanted.per_second)
        finally:
            self._release()
        return self._total

    def close(self) -> None:
        """Give back the connections. Idempotent."""
        self._clients.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _calls(self) -> SQSClient:
        return self._clients.calls

    def _received(self, wanted: Wanted) -> Iterator[list[_Letter]]:
        """Letters not seen before, a receive at a time, until nothing new comes or the limit is reached."""
        empty = 0
        while empty < _EMPTY_ANSWERS:
            most = _at_once(wanted, done=self._total.sent)
            if most <= 0:
                return
            fresh = [letter for letter in self._receive(most) if letter.message.id not in self._seen]
            self._seen.update(letter.message.id for letter in fresh)
            empty = 0 if fresh else empty + 1
            if fresh:
                yield fresh

    def _receive(self, count: int) -> list[_Letter]:
        with mapped(f"receive from queue {queue_name(self._dlq)!r}"):
            answered = self._calls.receive_message(
                QueueUrl=self._dlq,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=1,
                VisibilityTimeout=self._held_seconds,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            raws = parse_messages(answered)
            self._held |= {message["MessageId"]: message["ReceiptHandle"] for message in answered}
            named = {message["MessageId"]: message.get("MessageAttributes", {}) for message in answered}
        received_ms = SystemClock().now_ms()
        letters = []
        for raw in raws:
            message = raw.message(queue=queue_name(self._queue), received_ms=received_ms)
            letters.append(
                _Letter(
                    message=message,
                    key=self._first_key(message),
                    receipt_handle=raw.receipt_handle,
                    attributes=_plain(named[raw.id]),
                )
            )
        return letters

    def _take(self, letters: Sequence[_Letter], wanted: Wanted, *, dry_run: bool) -> None:
        meant = [one for one in letters if wanted.matches(one.message, one.key)]
        new = [one for one in meant if one.key not in self._sent_keys]
        roomy = [one for one in new if self._attribute in one.attributes or len(one.attributes) < MAX_ATTRIBUTES]
        self._add(unmatched=len(letters) - len(meant), returned=len(meant) - len(new), crowded=len(new) - len(roomy))
        for batch in _batches(roomy):
            self._move(batch, dry_run=dry_run)

    def _move(self, batch: Sequence[_Letter], *, dry_run: bool) -> None:
        sent = list(batch) if dry_run else self._send(batch)
        crash_point("mid_delete")
        self._sent_keys.update(one.key for one in sent)
        self._add(sent=len(sent), refused=len(batch) - len(sent))
        if not dry_run:
            self._add(undeleted=self._delete(sent))

    def _add(self, **counts: int) -> None:
        changed = {name: getattr(self._total, name) + number for name, number in counts.items()}
        self._total = msgspec.structs.replace(self._total, **changed)

    def _send(self, batch: Sequence[_Letter]) -> list[_Letter]:
        waiting, sent = list(batch), []
        for _ in range(_ATTEMPTS):
            entries: list[Any] = [self._entry(str(at), one) for at, one in enumerate(waiting)]
            with mapped(f"send messages to queue {queue_name(self._queue)!r}"):
                answer = self._calls.send_message_batch(QueueUrl=self._queue, Entries=entries)
                failed = {failure.position: failure for failure in parse_failures(answer, entries=len(waiting))}
            sent += [one for at, one in enumerate(waiting) if at not in failed]
            waiting = [waiting[at] for at, failure in failed.items() if not failure.sender_fault]
            if not waiting:
                break
        return sent

    def _entry(self, entry_id: str, letter: _Letter) -> dict[str, Any]:
        first = {"DataType": "String", "StringValue": letter.key.hex()}
        entry: dict[str, Any] = {
            "Id": entry_id,
            "MessageBody": letter.message.body.decode("utf-8", "surrogatepass"),
            "MessageAttributes": {**letter.attributes, self._attribute: first},
        }
        if self._fifo:
            entry["MessageGroupId"] = letter.message.group_id or "sofetch"
            # One for each stay in the dead-letter queue: the same after a kill, another if it comes back once more,
            # or SQS would take that for a repetition and drop it.
            entry["MessageDeduplicationId"] = letter.message.id
        return entry

    def _delete(self, letters: Sequence[_Letter]) -> int:
        """Delete what is confirmed to be sent; how many could not be deleted."""
        left = list(letters)
        for _ in range(_ATTEMPTS):
            if not left:
                break
            entries: list[Any] = [{"Id": str(at), "ReceiptHandle": one.receipt_handle} for at, one in enumerate(left)]
            with mapped(f"delete messages of queue {queue_name(self._dlq)!r}"):
                answer = self._calls.delete_message_batch(QueueUrl=self._dlq, Entries=entries)
                left = [left[failure.position] for failure in parse_failures(answer, entries=len(left))]
        for one in letters:
            if one not in left:
                self._held.pop(one.message.id, None)
        return len(left)

    def _release(self) -> None:
        """Make visible again what stays. Best effort: what is not, is by itself in two minutes."""
        handles = list(self._held.values())
        self._held.clear()
        for first in range(0, len(handles), MAX_BATCH_ENTRIES):
            entries: list[Any] = [
                {"Id": str(at), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for at, handle in enumerate(handles[first : first + MAX_BATCH_ENTRIES])
            ]
            with suppress(SourceRefused, SourceUnavailable), mapped("make messages visible again"):
                self._calls.change_message_visibility_batch(QueueUrl=self._dlq, Entries=entries)


def _at_once(wanted: Wanted, *, done: int) -> int:
    """How many to receive: no more than are allowed, nor than go out in about a second."""
    most = MAX_BATCH_ENTRIES if wanted.limit is None else min(MAX_BATCH_ENTRIES, wanted.limit - done)
    return most if wanted.per_second is None else min(most, max(1, int(wanted.per_second)))


def _plain(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Message attributes as they can be sent: type and the one value. Servers add empty lists, which SQS refuses."""
    return {
        name: {part: value[part] for part in ("DataType", "StringValue", "BinaryValue") if value.get(part)}
        for name, value in attributes.items()
    }


def _batches(letters: Sequence[_Letter]) -> Iterator[list[_Letter]]:
    """In order, within SQS's limit of bytes."""
    batch: list[_Letter] = []
    size = 0
    for one in letters:
        if batch and size + one.size > MAX_MESSAGE_BYTES // 4:  # also the whole of what older servers take
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def _bytes_of(attribute: tuple[str, Mapping[str, Any]]) -> int:
    """What SQS counts of an attribute: name, type and value."""
    name, value = attribute
    return len(name.encode()) + sum(len(part.encode() if isinstance(part, str) else part) for part in value.values())
