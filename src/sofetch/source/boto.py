"""The wire by boto3: fills ``Transport`` with botocore clients.

Owns the shapes of SQS's requests and answers. Must not retry, remember messages or let a body into an error.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sofetch.errors import SofetchError, SourceRefused
from sofetch.source.boto_client import Clients
from sofetch.source.boto_errors import mapped
from sofetch.source.interrupt import LongPolls
from sofetch.source.recipe import Recipe, recipe_of
from sofetch.source.transport import EntryFailure, RawMessage, VisibilityChange

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

SYSTEM_ATTRIBUTES: Final = ("SentTimestamp", "ApproximateReceiveCount", "MessageGroupId", "SequenceNumber")
"""What a receive asks for of a message besides its body and its own attributes."""


def find_queue(client: SQSClient, queue: str) -> str:
    """The URL of a queue given by name or URL. A URL is believed: its first use says whether it is right."""
    if "://" in queue:
        return queue
    try:
        with mapped(f"find queue {queue!r}"):
            return client.get_queue_url(QueueName=queue)["QueueUrl"]
    except SourceRefused as error:
        if error.code != "queue_missing":
            raise
        hint = _similar_queues(client, queue) or error.hint
        raise SourceRefused(error.what, hint=hint, code=error.code) from None


def queue_name(queue: str) -> str:
    """The name of a queue given by name or URL."""
    return queue.rstrip("/").rsplit("/", 1)[-1]


class BotoTransport:
    """Fills ``Transport``. The two clients are botocore's, which are safe to share between threads."""

    def __init__(self, clients: Clients, *, queue_url: str) -> None:
        self._clients = clients
        self._receiving = clients.receiving()
        self._long_polls = LongPolls(self._receiving)
        self._url = queue_url
        self._name = queue_name(queue_url)

    def recipe(self) -> Recipe:
        """How these calls are made, for a faster way to make them. Raises NoRecipe."""
        return recipe_of(self._clients, self._receiving, queue_url=self._url)

    @property
    def queue_url(self) -> str:
        """The queue's URL, as calls name it."""
        return self._url

    @property
    def queue_name(self) -> str:
        """The queue's name."""
        return self._name

    def visibility_timeout_seconds(self) -> int:
        """The queue's own visibility timeout."""
        with mapped(f"read the attributes of queue {self._name!r}"):
            answer = self._clients.calls.get_queue_attributes(QueueUrl=self._url, AttributeNames=["VisibilityTimeout"])
            return int(answer["Attributes"]["VisibilityTimeout"])

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """One ReceiveMessage call."""
        with mapped(f"receive from queue {self._name!r}"):
            # AttributeNames, the older of two names for the same: every server and both protocols know it.
            answer = self._receiving.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_seconds,
                AttributeNames=SYSTEM_ATTRIBUTES,
                MessageAttributeNames=["All"],
                VisibilityTimeout=visibility_timeout_seconds,
            )
            return parse_deliveries(answer.get("Messages", ()))

    def delete_batch(self, receipt_handles: Sequence[str]) -> list[EntryFailure]:
        """One DeleteMessageBatch call."""
        with mapped(f"delete messages of queue {self._name!r}"):
            answer = self._clients.calls.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(at), "ReceiptHandle": handle} for at, handle in enumerate(receipt_handles)],
            )
            return parse_failures(answer, entries=len(receipt_handles))

    def change_visibility_batch(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        """One ChangeMessageVisibilityBatch call."""
        with mapped(f"change visibility in queue {self._name!r}"):
            answer = self._clients.calls.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(at), "ReceiptHandle": change.receipt_handle, "VisibilityTimeout": change.seconds}
                    for at, change in enumerate(changes)
                ],
            )
            return parse_failures(answer, entries=len(changes))

    def interrupt(self) -> None:
        """End the long polls under way."""
        self._long_polls.interrupt()

    def close(self) -> None:
        """Give back the connections."""
        self._receiving.close()
        self._clients.close()


def parse_deliveries(answered: Sequence[Mapping[str, Any]]) -> list[RawMessage]:
    """Messages of a ReceiveMessage answer. One whose body is not what its MD5 says is not ``whole``, and has none."""
    return [_parse_message(message) for message in answered]


def parse_messages(answered: Sequence[Mapping[str, Any]]) -> list[RawMessage]:
    """As ``parse_deliveries``, without those that are not whole: they come again."""
    return [message for message in parse_deliveries(answered) if message.whole]


def parse_failures(answer: Mapping[str, Any], *, entries: int) -> list[EntryFailure]:
    """The failed entries of a batch call's answer; an entry that the answer does not mention counts as failed."""
    succeeded = {int(entry["Id"]) for entry in answer.get("Successful", ())}
    failures = [
        EntryFailure(int(entry["Id"]), str(entry.get("Code", "unknown")), bool(entry.get("SenderFault", False)))
        for entry in answer.get("Failed", ())
    ]
    mentioned = succeeded | {failure.position for failure in failures}
    return failures + [EntryFailure(at, "unanswered", False) for at in range(entries) if at not in mentioned]


def is_whole(body: bytes, md5: str | None) -> bool:
    """Whether the body is what was sent; botocore does not check. A microsecond for most, 1.5 ms for a whole MiB."""
    return md5 is None or hashlib.md5(body, usedforsecurity=False).hexdigest() == md5


def _similar_queues(client: SQSClient, name: str) -> str:
    """A question, if there is a queue of a similar name and we may know of it."""
    try:
        with mapped("list queues"):
            names = [queue_name(url) for url in client.list_queues().get("QueueUrls", ())]
    except SofetchError:
        return ""
    similar = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(repr(found) for found in similar)}?" if similar else ""


def _parse_message(message: Mapping[str, Any]) -> RawMessage:
    # surrogatepass: a lone surrogate reaches decode as bytes that are not UTF-8, and is rejected there, not here.
    body = message["Body"].encode("utf-8", "surrogatepass")
    whole = is_whole(body, message.get("MD5OfBody"))
    system: Mapping[str, str] = message.get("Attributes", {})
    return RawMessage(
        id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=body if whole else b"",
        sent_ms=int(system["SentTimestamp"]) if "SentTimestamp" in system else None,
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        group_id=system.get("MessageGroupId"),
        sequence_number=system.get("SequenceNumber"),
        attributes={
            name: attribute["StringValue"]
            for name, attribute in message.get("MessageAttributes", {}).items()
            if "StringValue" in attribute
        },
        whole=whole,
    )
