"""Control of one queue: find or create it, count, send, peek, purge, try permissions. For commands, not pipelines.

Owns calls that are made one after the other by a person's command. Its errors name the queue, AWS's error code and a
message's number in the input, never a body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
from botocore.exceptions import ClientError

from sofetch.clock import SystemClock
from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import Message
from sofetch.settings import SourceSettings
from sofetch.source import sending
from sofetch.source.boto import find_queue, parse_messages
from sofetch.source.boto_client import Clients, is_aws
from sofetch.source.boto_errors import error_code, mapped, source_error
from sofetch.source.forms import queue_name
from sofetch.source.recipe import NoRecipe, recipe_of
from sofetch.source.sending import MessagesRefused
from sofetch.source.transport import MAX_BATCH_ENTRIES

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import MessageTypeDef

_PEEK_VISIBILITY_SECONDS = 30
_PEEK_EMPTY_ANSWERS = 2

Action = Literal["receive", "delete", "change_visibility"]


class RedrivePolicy(msgspec.Struct, frozen=True, rename="camel"):
    """Where a message goes that is received too often, and how often that is."""

    dead_letter_target_arn: str
    max_receive_count: int

    @property
    def dead_letter_queue(self) -> str:
        """The dead-letter queue's name."""
        return self.dead_letter_target_arn.rsplit(":", 1)[-1]


class QueueAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """What the queue says of itself. The counts are SQS's approximations and lag by up to a minute."""

    visibility_timeout_seconds: int
    retention_seconds: int
    max_message_bytes: int
    visible: int
    in_flight: int
    delayed: int
    fifo: bool
    content_dedupe: bool
    redrive: RedrivePolicy | None
    encryption: str | None


class QueueControl:
    """One queue. Close it when done, or use it in a ``with`` statement."""

    def __init__(self, clients: Clients, *, url: str) -> None:
        self._clients = clients
        self.url = url
        self.name = queue_name(url)

    @classmethod
    def open(cls, settings: SourceSettings, *, create: bool = False) -> Self:
        """Find the configured queue; with ``create``, make it if it is missing.

        Raises SourceUnavailable, or SourceRefused (with the nearest names, if the queue is missing).
        """
        if not create:
            return cls._with(settings, lambda client: find_queue(client, settings.queue))
        try:
            return cls.open(settings)
        except SourceRefused as error:
            if error.code != "queue_missing":
                raise
        return cls.create(settings)

    @classmethod
    def create(cls, settings: SourceSettings, *, attributes: Mapping[str, str] | None = None) -> Self:
        """Create the configured queue, or find it if it exists with the same attributes (SQS's own names and texts)."""
        name = queue_name(settings.queue)
        own: dict[Any, str] = {"FifoQueue": "true"} if name.endswith(".fifo") else {}

        def create(client: SQSClient) -> str:
            with mapped(f"create queue {name!r}"):
                return client.create_queue(QueueName=name, Attributes=own | dict(attributes or {}))["QueueUrl"]

        return cls._with(settings, create)

    @property
    def protocol(self) -> str:
        """The wire protocol in use: json or query."""
        return self._clients.protocol

    @property
    def is_aws(self) -> bool:
        """Whether this is AWS itself rather than another server."""
        return is_aws(self._calls)

    def fast_path_obstacle(self) -> str | None:
        """Why the fast path cannot be taken to this queue; None if it can. Nothing is asked of the queue."""
        try:
            recipe_of(self._clients, self._calls, queue_url=self.url)
        except NoRecipe as obstacle:
            return obstacle.why
        return None

    def attributes(self) -> QueueAttributes:
        """What the queue says of itself."""
        with mapped(f"read the attributes of queue {self.name!r}"):
            answer = self._calls.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
            return _attributes(answer.get("Attributes", {}))

    def dead_letter_retention_seconds(self, redrive: RedrivePolicy) -> int | None:
        """How long the dead-letter queue keeps a message; None if it may not be asked."""
        try:
            url = find_queue(self._calls, redrive.dead_letter_queue)
            with mapped(f"read the attributes of queue {redrive.dead_letter_queue!r}"):
                answer = self._calls.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        except SourceRefused:
            return None
        return _attributes(answer.get("Attributes", {})).retention_seconds

    def send(
        self,
        bodies: Iterable[bytes],
        *,
        on_sent: Callable[[int], None] | None = None,
        group_id: str = "sofetch",
    ) -> int:
        """Send bodies in as few calls as SQS allows, and return how many; ``on_sent`` is told the total at each.

        A message that cannot be sent spares its neighbours: MessagesRefused is raised after the others are sent, and
        has the numbers. Raises SourceUnavailable if trying again does not help; what was sent until then stays sent.
        """
        attributes = self.attributes()
        fifo = sending.Fifo(group_id=group_id, content_dedupe=attributes.content_dedupe) if attributes.fifo else None
        report = sending.send(
            self._calls, self.url, bodies, max_message_bytes=attributes.max_message_bytes, fifo=fifo, on_sent=on_sent
        )
        if report.refused:
            raise MessagesRefused(report)
        return report.sent

    def peek(self, count: int, *, wait_seconds: int = 1) -> list[Message]:
        """Up to ``count`` waiting messages, made visible again before this returns.

        SQS has no look without a receive: each peek raises the receive count of what it shows by one, which can send a
        message on its last receive to the dead-letter queue; and others do not see the messages meanwhile.
        """
        found: dict[str, MessageTypeDef] = {}
        empties = 0
        try:
            while len(found) < count and empties < _PEEK_EMPTY_ANSWERS:
                answered = self._receive(min(MAX_BATCH_ENTRIES, count - len(found)), wait_seconds=wait_seconds)
                fresh = {message["MessageId"]: message for message in answered}
                empties = 0 if fresh.keys() - found.keys() else empties + 1
                found |= fresh
        finally:
            self._make_visible([message["ReceiptHandle"] for message in found.values()])
        return self._messages(list(found.values()))

    def purge(self) -> None:
        """Delete every message of the queue. SQS takes up to a minute and allows it once a minute."""
        with mapped(f"purge queue {self.name!r}"):
            self._calls.purge_queue(QueueUrl=self.url)

    def refusal(self, action: Action) -> SourceRefused | SourceUnavailable | None:
        """Why an action is not allowed, or None if it is.

        Deleting and changing visibility are tried with a receipt handle that is none: who may not is told so, who may
        is told that the handle is invalid. Receiving is tried with visibility 0, which shows a message and leaves it.
        """
        try:
            self._probe(action)
        except ClientError as error:
            if _blames_the_handle(error_code(error)):
                return None
            return source_error(error, doing=f"{action.replace('_', ' ')} in queue {self.name!r}")
        except Exception as error:  # noqa: BLE001  # mapped, not swallowed
            return source_error(error, doing=f"{action.replace('_', ' ')} in queue {self.name!r}")
        return None

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

    @classmethod
    def _with(cls, settings: SourceSettings, find: Callable[[SQSClient], str]) -> Self:
        clients = Clients(settings)
        try:
            return cls(clients, url=find(clients.calls))
        except BaseException:
            clients.close()
            raise

    def _receive(self, count: int, *, wait_seconds: int) -> list[MessageTypeDef]:
        with mapped(f"receive from queue {self.name!r}"):
            return self._calls.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=_PEEK_VISIBILITY_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])

    def _messages(self, answered: list[MessageTypeDef]) -> list[Message]:
        received_ms = SystemClock().now_ms()
        with mapped(f"receive from queue {self.name!r}"):
            raws = parse_messages(answered)
        return [
            Message(
                id=raw.id,
                body=raw.body,
                queue=self.name,
                sent_ms=raw.sent_ms,
                received_ms=received_ms,
                receive_count=raw.receive_count,
                group_id=raw.group_id,
                sequence_number=raw.sequence_number,
                attributes=raw.attributes,
            )
            for raw in raws
        ]

    def _make_visible(self, handles: list[str]) -> None:
        for first in range(0, len(handles), MAX_BATCH_ENTRIES):
            entries = [
                {"Id": str(at), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for at, handle in enumerate(handles[first : first + MAX_BATCH_ENTRIES])
            ]
            with mapped(f"make messages of queue {self.name!r} visible again"):
                self._calls.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]

    def _probe(self, action: Action) -> None:
        match action:
            case "receive":
                self._calls.receive_message(
                    QueueUrl=self.url, MaxNumberOfMessages=1, VisibilityTimeout=0, WaitTimeSeconds=0
                )
            case "delete":
                self._calls.delete_message(QueueUrl=self.url, ReceiptHandle="none")
            case "change_visibility":
                self._calls.change_message_visibility(QueueUrl=self.url, ReceiptHandle="none", VisibilityTimeout=0)


def _blames_the_handle(code: str) -> bool:
    return code in ("ReceiptHandleIsInvalid", "InvalidParameterValue", "InvalidIdFormat", "MessageNotInflight")


def _attributes(said: Mapping[Any, str]) -> QueueAttributes:
    """The attributes that a server gives; old ones give fewer, and those have AWS's defaults."""
    redrive = said.get("RedrivePolicy")
    return QueueAttributes(
        visibility_timeout_seconds=int(said.get("VisibilityTimeout", 30)),
        retention_seconds=int(said.get("MessageRetentionPeriod", 345_600)),
        max_message_bytes=int(said.get("MaximumMessageSize", 262_144)),
        visible=int(said.get("ApproximateNumberOfMessages", 0)),
        in_flight=int(said.get("ApproximateNumberOfMessagesNotVisible", 0)),
        delayed=int(said.get("ApproximateNumberOfMessagesDelayed", 0)),
        fifo=said.get("FifoQueue") == "true",
        content_dedupe=said.get("ContentBasedDeduplication") == "true",
        redrive=msgspec.json.decode(redrive, type=RedrivePolicy, strict=False) if redrive else None,
        encryption=_encryption(said),
    )


def _encryption(said: Mapping[Any, str]) -> str | None:
    if said.get("KmsMasterKeyId"):
        return "SSE-KMS"
    return "SSE-SQS" if said.get("SqsManagedSseEnabled") == "true" else None
