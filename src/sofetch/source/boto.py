"""The wire by boto3: fills ``Transport`` with botocore clients.

Owns the shapes of SQS's requests and answers. Must not retry, remember messages or let a body into an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sofetch.errors import SofetchError, SourceRefused
from sofetch.record import TRACE_HEADER
from sofetch.source.boto_client import Clients
from sofetch.source.boto_errors import UNREADABLE, code_of, mapped
from sofetch.source.forms import (
    ANYTHING,
    HANDLE,
    ID,
    NUMBER,
    SEQUENCE_NUMBER,
    BadAnswer,
    is_whole,
    optional,
    queue_name,
    said,
)
from sofetch.source.interrupt import LongPolls
from sofetch.source.recipe import Recipe, recipe_of
from sofetch.source.transport import (
    MAX_BATCH_ENTRIES,
    MAX_VISIBILITY_SECONDS,
    EntryFailure,
    RawMessage,
    VisibilityChange,
)

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.literals import QueueAttributeFilterType as SystemAttribute

SYSTEM_ATTRIBUTES: Final = ("SentTimestamp", "ApproximateReceiveCount", "MessageGroupId", "SequenceNumber")
"""What a receive asks for of a message besides its body and its own attributes."""

_URL: Final = re.compile(r"https?://[!-~]{1,2000}")


def find_queue(client: SQSClient, queue: str) -> str:
    """The URL of a queue given by name or URL. A URL is believed: its first use says whether it is right."""
    if "://" in queue:
        return queue
    try:
        with mapped(f"find queue {queue!r}"):
            return said(client.get_queue_url(QueueName=queue)["QueueUrl"], _URL)
    except SourceRefused as error:
        if error.code != "queue_missing":
            raise
        hint = _similar_queues(client, queue) or error.hint
        raise SourceRefused(error.what, hint=hint, code=error.code) from None


class BotoTransport:
    """Fills ``Transport``. The two clients are botocore's, which are safe to share between threads."""

    def __init__(self, clients: Clients, *, queue_url: str, traced: bool = False) -> None:
        self.asked: Sequence[SystemAttribute] = (*SYSTEM_ATTRIBUTES, TRACE_HEADER) if traced else SYSTEM_ATTRIBUTES
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
            return min(int(said(answer["Attributes"]["VisibilityTimeout"], NUMBER)), MAX_VISIBILITY_SECONDS)

    def receive(self, *, max_messages: int, wait_seconds: int, visibility_timeout_seconds: int) -> list[RawMessage]:
        """One ReceiveMessage call."""
        with mapped(f"receive from queue {self._name!r}"):
            # AttributeNames, the older of two names for the same: every server and both protocols know it.
            answer = self._receiving.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_seconds,
                AttributeNames=self.asked,
                MessageAttributeNames=["All"],
                VisibilityTimeout=visibility_timeout_seconds,
            )
            self._require_sqs(answer)
            return parse_deliveries(one_answer(answer.get("Messages") or ()))

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

    def _require_sqs(self, answer: Mapping[str, Any]) -> None:
        """A proxy's page that says 200 is no empty queue; botocore, which finds no messages in it, says it is."""
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if self._clients.protocol == "json" and "json" not in str(headers.get("content-type", "")):
            raise BadAnswer

    def interrupt(self) -> None:
        """End the long polls under way."""
        self._long_polls.interrupt()

    def close(self) -> None:
        """Give back the connections."""
        self._receiving.close()
        self._clients.close()


def one_answer(answered: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The messages of one answer. Raises BadAnswer for more than SQS gives: room was made for no more."""
    if len(answered) > MAX_BATCH_ENTRIES:
        raise BadAnswer
    return answered


def parse_deliveries(answered: Sequence[Mapping[str, Any]]) -> list[RawMessage]:
    """Messages of a ReceiveMessage answer. One whose body is not what its MD5 says is not ``whole``, and has none.

    Raises BadAnswer for what SQS would never say: nothing of it is to reach the fleets, the ledger or the database.
    """
    try:
        return [_parse_message(message) for message in answered]
    except UNREADABLE:
        raise BadAnswer from None


def parse_messages(answered: Sequence[Mapping[str, Any]]) -> list[RawMessage]:
    """As ``parse_deliveries``, without those that are not whole: they come again."""
    return [message for message in parse_deliveries(answered) if message.whole]


def parse_failures(answer: Mapping[str, Any], *, entries: int) -> list[EntryFailure]:
    """The failed entries of a batch call's answer; an entry that the answer does not mention counts as failed.

    What it says of entries that the call did not have is ignored. Raises BadAnswer.
    """
    positions = {str(at): at for at in range(entries)}
    try:
        succeeded = {positions.get(entry["Id"]) for entry in answer.get("Successful") or ()}
        failed = [entry for entry in answer.get("Failed") or () if entry["Id"] in positions]
        failures = {
            positions[entry["Id"]]: EntryFailure(
                positions[entry["Id"]], code_of(entry.get("Code")), bool(entry.get("SenderFault", False))
            )
            for entry in failed
        }
    except UNREADABLE:
        raise BadAnswer from None
    unanswered = [at for at in range(entries) if at not in succeeded and at not in failures]
    return [*failures.values(), *(EntryFailure(at, "unanswered", False) for at in unanswered)]


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
    system: Mapping[str, Any] = message.get("Attributes") or {}
    sent_ms, sequence_number = system.get("SentTimestamp"), system.get("SequenceNumber")
    return RawMessage(
        id=said(message["MessageId"], ID),
        receipt_handle=said(message["ReceiptHandle"], HANDLE),
        body=body if whole else b"",
        sent_ms=None if sent_ms is None else int(said(sent_ms, NUMBER)),
        receive_count=int(said(system.get("ApproximateReceiveCount", "1"), NUMBER)),
        group_id=optional(system.get("MessageGroupId"), ID),
        sequence_number=optional(sequence_number, SEQUENCE_NUMBER),
        attributes={
            name: said(attribute["StringValue"], ANYTHING)
            for name, attribute in (message.get("MessageAttributes") or {}).items()
            if attribute.get("StringValue") is not None
        }
        | ({TRACE_HEADER: said(system[TRACE_HEADER], ANYTHING)} if TRACE_HEADER in system else {}),
        whole=whole,
    )
