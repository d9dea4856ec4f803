"""The queues of the server: their attributes, their models, and who waits at them.

Owns what CreateQueue, SetQueueAttributes and GetQueueAttributes mean. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from sofetch.clock import SystemClock
from sofetch.testing.queue import seeded_ids
from sofetch.testing.queue_model import Entry, QueueModel
from sofetch.testing.queue_rules import OldHandles, QueueRules
from sqs_server.content import Content
from sqs_server.refusals import Refusal, invalid_value

ACCOUNT = "000000000000"
REGION = "us-east-1"
# Real receipt handles have some 340 to 420 characters.
_HANDLE_FILLER = "".join(random.Random("handle").choices("ABCDEFGHabcdefgh0123456789+/", k=340))  # noqa: S311

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_RANGES = {
    "VisibilityTimeout": (0, 43_200),
    "MessageRetentionPeriod": (60, 1_209_600),
    "DelaySeconds": (0, 900),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "MaximumMessageSize": (1_024, 1_048_576),
}
_OTHERS = frozenset({"RedrivePolicy", "FifoQueue", "ContentBasedDeduplication", "Policy", "RedriveAllowPolicy"})
_OF_FIFO = ("FifoQueue", "ContentBasedDeduplication")
_KEPT = ("Kms", "Sqs", "Dedup", "FifoThroughput")  # told again when asked for, and otherwise of no effect
_DEFAULTS = {
    "VisibilityTimeout": "30",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
    "ReceiveMessageWaitTimeSeconds": "0",
    "MaximumMessageSize": "1048576",
    "SqsManagedSseEnabled": "true",
}


class Redrive(msgspec.Struct):
    """A queue's redrive policy; SQS takes the count as a number and as text."""

    dead_letter_target_arn: str = msgspec.field(name="deadLetterTargetArn")
    max_receive_count: int | str = msgspec.field(name="maxReceiveCount")


@dataclass(frozen=True, slots=True)
class Faults:
    """How often the server does what SQS does now and then: a share of the messages, or of the entries."""

    duplicates: float = 0.0
    lost_deletes: float = 0.0
    failed_entries: float = 0.0


@dataclass(slots=True, eq=False)
class Waiter:
    """A long poll: ``receive`` is called once there is something."""

    answered: asyncio.Future[bytes]
    receive: Callable[[], bytes]

    @property
    def gone(self) -> bool:
        """Answered, or cancelled since its connection is lost: it must get no message.

        The future is asked, not a note made by its callback: a callback runs a turn of the loop after the cancellation,
        and a message may come between the two.
        """
        return self.answered.done()

    def serve(self) -> None:
        """Give it what there is."""
        self.answered.set_result(self.receive())


class Queue:
    """One queue."""

    def __init__(self, name: str, account: Account) -> None:
        self.name = name
        self.fifo = name.endswith(".fifo")
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.attributes = dict(_DEFAULTS) | ({"FifoQueue": "true"} if self.fifo else {})
        self.created = self.modified = int(time.time())
        self._account = account
        self._waiters: deque[Waiter] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._dead: Queue | None = None
        prefix = f"AQEB{account.new_id()[:8]}{_HANDLE_FILLER}{name}"
        self.model: QueueModel[Content] = QueueModel(clock=account.clock, name=prefix, bury=self._bury)
        self.set_attributes({})

    def set_attributes(self, given: Mapping[str, str]) -> None:
        """Check and take attributes. Raises Refusal."""
        for name, value in given.items():
            _check(name, value, fifo=self.fifo)
        self.attributes |= {name: value for name, value in given.items() if value != ""}
        for name in [name for name, value in given.items() if value == ""]:
            self.attributes.pop(name, None)
        self.modified = int(time.time())
        redrive = _redrive(self.attributes.get("RedrivePolicy"))
        self._dead = None if redrive is None else self._account.by_arn(redrive.dead_letter_target_arn)
        self.model.rules = QueueRules(
            visibility_timeout_seconds=int(self.attributes["VisibilityTimeout"]),
            delay_seconds=int(self.attributes["DelaySeconds"]),
            max_receive_count=None if redrive is None else int(redrive.max_receive_count),
            old_handles=self._account.old_handles,
            fifo=self.fifo,
        )

    def described(self) -> dict[str, str]:
        """Every attribute, counts included."""
        visible, in_flight, delayed = self.model.counts()
        return self.attributes | {
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": str(in_flight),
            "ApproximateNumberOfMessagesDelayed": str(delayed),
            "CreatedTimestamp": str(self.created),
            "LastModifiedTimestamp": str(self.modified),
            "QueueArn": self.arn,
        }

    def waiting(self) -> int:
        """How many long polls wait here."""
        return sum(not waiter.gone for waiter in self._waiters)

    def wait(self, waiter: Waiter) -> None:
        """Let a long poll wait for a message."""
        self._waiters.append(waiter)
        self._set_alarm()

    def wake(self) -> None:
        """Messages may be visible: serve those who wait, first come first."""
        waiters = self._waiters
        while waiters and (waiters[0].gone or self.model.anything_to_receive()):
            waiter = waiters.popleft()
            if not waiter.gone:
                waiter.serve()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Look again when the next message becomes visible by itself."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self.model.next_change_at() - self._account.clock.monotonic()
        if self._waiters and due < 43_200:
            self._alarm = asyncio.get_running_loop().call_later(max(due, 0.001), self.wake)

    def _bury(self, entry: Entry[Content]) -> None:
        if self._dead is not None:
            self._dead.model.send(
                entry.payload, message_id=entry.message_id, sent_ms=entry.sent_ms, group_id=entry.group_id
            )
            self._dead.wake()


@dataclass(slots=True)
class Account:
    """All queues, and what they share."""

    old_handles: OldHandles = OldHandles.IGNORED
    faults: Faults = field(default_factory=Faults)
    seed: int | None = None
    clock: SystemClock = field(default_factory=SystemClock)
    queues: dict[str, Queue] = field(default_factory=dict)
    new_id: Callable[[], str] = field(init=False)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # ids and faults, not secrets
        self.new_id = seeded_ids(self.chance.getrandbits(64))

    def create(self, name: str, attributes: Mapping[str, str]) -> Queue:
        """Make a queue, or find the one that has this name and these attributes. Raises Refusal."""
        if not _NAME.fullmatch(name):
            raise invalid_value("QueueName", "1 to 80 alphanumeric characters, hyphens, underscores")
        queue = self.queues.get(name)
        if queue is None:
            queue = Queue(name, self)
            queue.set_attributes(attributes)
            self.queues[name] = queue
        elif any(queue.attributes.get(key) != value for key, value in attributes.items()):
            raise Refusal("QueueNameExists", "A queue already exists with the same name and a different attribute.")
        return queue

    def named(self, name_or_url: str) -> Queue:
        """A queue by its name or URL. Raises Refusal."""
        queue = self.queues.get(name_or_url.rpartition("/")[2])
        if queue is None:
            raise Refusal("QueueDoesNotExist")
        return queue

    def by_arn(self, arn: str) -> Queue:
        """A queue by its ARN. Raises Refusal."""
        queue = self.queues.get(arn.rpartition(":")[2])
        if queue is None:
            raise invalid_value("RedrivePolicy", "Dead letter target does not exist")
        return queue


def _check(name: str, value: str, *, fifo: bool) -> None:
    if name in _RANGES and value != "":
        least, most = _RANGES[name]
        if not (value.isdecimal() and least <= int(value) <= most):
            raise Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    elif (name in _OF_FIFO and not fifo) or not (name in _RANGES or name in _OTHERS or name.startswith(_KEPT)):
        raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")


def _redrive(policy: str | None) -> Redrive | None:
    if not policy:
        return None
    try:
        redrive = msgspec.json.decode(policy, type=Redrive)
        count = int(redrive.max_receive_count)
    except (msgspec.MsgspecError, ValueError):
        raise invalid_value("RedrivePolicy", "it cannot be read") from None
    if not 1 <= count <= 1_000:
        raise invalid_value("RedrivePolicy", "maxReceiveCount is 1 to 1000")
    return redrive
