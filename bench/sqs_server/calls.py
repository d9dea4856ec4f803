"""The calls of SQS's JSON protocol: a request's body in, an answer's body out.

Owns the shapes of requests and answers and what SQS checks of them. It knows nothing of HTTP or connections; a long
poll gives a future.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sofetch.testing.queue_model import Entry
from sqs_server.content import Attribute, Content, asked_for, make_content
from sqs_server.queues import ACCOUNT, Account, Queue, Waiter
from sqs_server.refusals import Refusal, invalid_value

T = TypeVar("T")

Answer = bytes | asyncio.Future[bytes]

_MAX_BATCH_BYTES: Final = 1_048_576
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NO_MESSAGES: Final = b"{}"
_encode = msgspec.json.encode


class Request(msgspec.Struct, rename="pascal"):
    """What every call on a queue names."""

    queue_url: str


class Create(msgspec.Struct, rename="pascal"):
    """CreateQueue, GetQueueUrl."""

    queue_name: str
    attributes: dict[str, str] = {}


class ListThem(msgspec.Struct, rename="pascal"):
    """ListQueues."""

    queue_name_prefix: str = ""


class AttributesOf(Request):
    """GetQueueAttributes."""

    attribute_names: list[str] = []


class SetThem(Request):
    """SetQueueAttributes."""

    attributes: dict[str, str]


class Send(msgspec.Struct, rename="pascal"):
    """SendMessage, or an entry of SendMessageBatch."""

    message_body: str = ""
    id: str = ""
    delay_seconds: int | None = None
    message_attributes: dict[str, Attribute] = {}
    message_deduplication_id: str | None = None
    message_group_id: str | None = None


class Handle(msgspec.Struct, rename="pascal"):
    """DeleteMessage, ChangeMessageVisibility, or an entry of their batches."""

    receipt_handle: str
    id: str = ""
    visibility_timeout: int = 0


class SendBatch(Request):
    """SendMessageBatch."""

    entries: list[Send] = []


class HandleBatch(Request):
    """DeleteMessageBatch, ChangeMessageVisibilityBatch."""

    entries: list[Handle] = []


class Receive(Request):
    """ReceiveMessage."""

    max_number_of_messages: int = 1
    wait_time_seconds: int | None = None
    visibility_timeout: int | None = None
    attribute_names: list[str] = []
    message_system_attribute_names: list[str] = []
    message_attribute_names: list[str] = []


class Calls:
    """Answers calls by their names. ``counts`` is how many of each there were."""

    def __init__(self, account: Account, *, base_url: str = "http://127.0.0.1") -> None:
        self._account = account
        self.base_url = base_url
        self.counts: Counter[str] = Counter()
        self._answers: dict[str, Callable[[bytes], Answer]] = {
            "CreateQueue": self._create_queue,
            "DeleteQueue": self._delete_queue,
            "GetQueueUrl": self._get_queue_url,
            "GetQueueAttributes": self._get_queue_attributes,
            "SetQueueAttributes": self._set_queue_attributes,
            "ListQueues": self._list_queues,
            "ListDeadLetterSourceQueues": self._list_sources,
            "PurgeQueue": self._purge_queue,
            "SendMessage": self._send_message,
            "SendMessageBatch": self._send_message_batch,
            "ReceiveMessage": self._receive_message,
            "DeleteMessage": self._delete_message,
            "DeleteMessageBatch": self._delete_message_batch,
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._change_visibility_batch,
        }

    def answer(self, operation: str, body: bytes) -> Answer:
        """Carry out a call. Raises Refusal."""
        answer = self._answers.get(operation)
        if answer is None:
            raise Refusal("UnknownOperationException")
        self.counts[operation] += 1
        return answer(body)

    def waiting(self) -> int:
        """How many long polls are under way."""
        return sum(queue.waiting() for queue in self._account.queues.values())

    # Queues

    def _create_queue(self, body: bytes) -> bytes:
        request = _read(body, Create)
        return self._url(self._account.create(request.queue_name, request.attributes))

    def _delete_queue(self, body: bytes) -> bytes:
        del self._account.queues[self._account.named(_read(body, Request).queue_url).name]
        return b"{}"

    def _get_queue_url(self, body: bytes) -> bytes:
        return self._url(self._account.named(_read(body, Create).queue_name))

    def _get_queue_attributes(self, body: bytes) -> bytes:
        request = _read(body, AttributesOf)
        found = self._account.named(request.queue_url).described()
        if "All" not in request.attribute_names:
            found = {name: value for name, value in found.items() if name in request.attribute_names}
        return _encode({"Attributes": found} if found else {})

    def _set_queue_attributes(self, body: bytes) -> bytes:
        request = _read(body, SetThem)
        self._account.named(request.queue_url).set_attributes(request.attributes)
        return b"{}"

    def _list_queues(self, body: bytes) -> bytes:
        prefix = _read(body or b"{}", ListThem).queue_name_prefix
        urls = [self._url_of(name) for name in self._account.queues if name.startswith(prefix)]
        return _encode({"QueueUrls": urls} if urls else {})

    def _list_sources(self, body: bytes) -> bytes:
        arn = self._account.named(_read(body, Request).queue_url).arn
        sources = [it for it in self._account.queues.values() if f'"{arn}"' in it.attributes.get("RedrivePolicy", "")]
        return _encode({"queueUrls": [self._url_of(queue.name) for queue in sources]})

    def _purge_queue(self, body: bytes) -> bytes:
        self._account.named(_read(body, Request).queue_url).model.purge()
        return b"{}"

    def _url(self, queue: Queue) -> bytes:
        return _encode({"QueueUrl": self._url_of(queue.name)})

    def _url_of(self, name: str) -> str:
        return f"{self.base_url}/{ACCOUNT}/{name}"

    # Sending

    def _send_message(self, body: bytes) -> bytes:
        queue = self._account.named(_read(body, Request).queue_url)
        answer = self._sent(queue, _read(body, Send))
        queue.wake()
        return answer + b"}"

    def _send_message_batch(self, body: bytes) -> bytes:
        request = _read(body, SendBatch)
        queue = self._account.named(request.queue_url)
        _check_entries(request.entries)
        if sum(len(entry.message_body) for entry in request.entries) > _MAX_BATCH_BYTES:
            raise Refusal("BatchRequestTooLong")
        good: list[bytes] = []
        failed: list[dict[str, object]] = []
        for entry in request.entries:
            try:
                good.append(self._sent(queue, entry) + b',"Id":%b}' % _encode(entry.id))
            except Refusal as refusal:
                failed.append(_failure(entry.id, refusal))
        queue.wake()
        return b'{"Successful":[%b]%b}' % (b",".join(good), b',"Failed":%b' % _encode(failed) if failed else b"")

    def _sent(self, queue: Queue, message: Send) -> bytes:
        """Put a message on the queue; the answer but for its closing brace."""
        content = make_content(
            message.message_body,
            message.message_attributes,
            max_bytes=int(queue.attributes["MaximumMessageSize"]),
            deduplication_id=_deduplication_id(queue, message),
        )
        sent = queue.model.send(
            content,
            message_id=self._account.new_id(),
            group_id=message.message_group_id,
            deduplication_id=content.deduplication_id,
            delay_seconds=message.delay_seconds,
        )
        answer = f'{{"MessageId":"{sent.message_id}","MD5OfMessageBody":"{content.body_md5}"'
        if content.attributes_md5:
            answer += f',"MD5OfMessageAttributes":"{content.attributes_md5}"'
        if sent.sequence_number is not None:
            answer += f',"SequenceNumber":"{sent.sequence_number}"'
        return answer.encode()

    # Receiving

    def _receive_message(self, body: bytes) -> Answer:
        request = _read(body, Receive)
        queue = self._account.named(request.queue_url)
        wait_seconds = request.wait_time_seconds
        if wait_seconds is None:
            wait_seconds = int(queue.attributes["ReceiveMessageWaitTimeSeconds"])
        _check_range("MaxNumberOfMessages", request.max_number_of_messages, 1, 10)
        _check_range("WaitTimeSeconds", wait_seconds, 0, 20)
        if request.visibility_timeout is not None:
            _check_range("VisibilityTimeout", request.visibility_timeout, 0, 43_200)
        if not wait_seconds and not queue.fifo and queue.model.is_full():
            raise Refusal("OverLimit")
        found = self._received(queue, request)
        if found is not _NO_MESSAGES or not wait_seconds:
            return found
        return self._long_poll(queue, request, wait_seconds)

    def _long_poll(self, queue: Queue, request: Receive, wait_seconds: int) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        waiter = Waiter(answered, lambda: self._received(queue, request))

        def end() -> None:
            if not answered.done():
                answered.set_result(_NO_MESSAGES)

        alarm = loop.call_later(wait_seconds, end)
        answered.add_done_callback(lambda _: alarm.cancel())
        queue.wait(waiter)
        return answered

    def _received(self, queue: Queue, request: Receive) -> bytes:
        seconds = request.visibility_timeout
        if seconds is None:
            seconds = queue.model.rules.visibility_timeout_seconds
        received = queue.model.receive(request.max_number_of_messages, visibility_seconds=seconds)
        if not received:
            return _NO_MESSAGES
        system = frozenset(request.attribute_names + request.message_system_attribute_names)
        names = request.message_attribute_names
        share = self._account.faults.duplicates
        if share:
            for entry, _ in received:
                if self._account.chance.random() < share:
                    queue.model.duplicate(entry.message_id)
        return b'{"Messages":[%b]}' % b",".join(_message(entry, handle, system, names) for entry, handle in received)

    # Settling

    def _delete_message(self, body: bytes) -> bytes:
        queue = self._account.named(_read(body, Request).queue_url)
        _raise_for(queue.model.delete(_read(body, Handle).receipt_handle))
        queue.wake()
        return b"{}"

    def _delete_message_batch(self, body: bytes) -> bytes:
        request = _read(body, HandleBatch)
        queue = self._account.named(request.queue_url)
        lost = self._account.faults.lost_deletes

        def delete(entry: Handle) -> str | None:
            return None if lost and self._account.chance.random() < lost else queue.model.delete(entry.receipt_handle)

        return self._settled(queue, request.entries, delete)

    def _change_visibility(self, body: bytes) -> bytes:
        queue = self._account.named(_read(body, Request).queue_url)
        _raise_for(_change(queue, _read(body, Handle)))
        queue.wake()
        return b"{}"

    def _change_visibility_batch(self, body: bytes) -> bytes:
        request = _read(body, HandleBatch)
        queue = self._account.named(request.queue_url)
        return self._settled(queue, request.entries, lambda entry: _change(queue, entry))

    def _settled(self, queue: Queue, entries: Sequence[Handle], settle: Callable[[Handle], str | None]) -> bytes:
        _check_entries(entries)
        fails = self._account.faults.failed_entries
        good: list[bytes] = []
        failed: list[dict[str, object]] = []
        for entry in entries:
            fails_now = fails and self._account.chance.random() < fails
            code = "InternalError" if fails_now else settle(entry)
            if code is None:
                good.append(b'{"Id":%b}' % _encode(entry.id))
            else:
                failed.append(_failure(entry.id, Refusal(code)))
        queue.wake()
        return b'{"Successful":[%b]%b}' % (b",".join(good), b',"Failed":%b' % _encode(failed) if failed else b"")


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        pass
    try:  # as lenient as Python: a lone surrogate is for the check of the message to refuse, not the whole call
        return msgspec.convert(json.loads(body), type=kind)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise Refusal("SerializationException") from None


def _check_entries(entries: Sequence[Any]) -> None:
    if not entries:
        raise Refusal("EmptyBatchRequest")
    if len(entries) > 10:
        raise Refusal("TooManyEntriesInBatchRequest")
    if len({entry.id for entry in entries}) < len(entries):
        raise Refusal("BatchEntryIdsNotDistinct")
    if not all(_ENTRY_ID.fullmatch(entry.id) for entry in entries):
        raise Refusal("InvalidBatchEntryId")


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise invalid_value(name, f"must be between {least} and {most}")


def _deduplication_id(queue: Queue, message: Send) -> str | None:
    if not queue.fifo:
        return None
    if message.message_group_id is None:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageGroupId.")
    if message.delay_seconds:
        raise invalid_value("DelaySeconds", "the request includes a parameter that is not valid for this queue type")
    if message.message_deduplication_id is not None:
        return message.message_deduplication_id
    if queue.attributes.get("ContentBasedDeduplication") == "true":
        return hashlib.sha256(message.message_body.encode("utf-8", "surrogatepass")).hexdigest()
    raise invalid_value("MessageDeduplicationId", "the queue has no ContentBasedDeduplication and the message no id")


def _change(queue: Queue, entry: Handle) -> str | None:
    if not 0 <= entry.visibility_timeout <= 43_200:
        return "InvalidParameterValue"
    return queue.model.change_visibility(entry.receipt_handle, entry.visibility_timeout)


def _raise_for(code: str | None) -> None:
    if code is not None:
        raise Refusal(code)


def _failure(entry_id: str, refusal: Refusal) -> dict[str, object]:
    return {
        "Id": entry_id,
        "SenderFault": refusal.code != "InternalError",
        "Code": refusal.code,
        "Message": refusal.message,
    }


def _message(entry: Entry[Content], handle: str, system: frozenset[str], names: Sequence[str]) -> bytes:
    content = entry.payload
    head = f'{{"MessageId":"{entry.message_id}","ReceiptHandle":"{handle}"'
    if system:
        head += f',"Attributes":{{{_system_attributes(entry, system)}}}'
    return head.encode() + content.body + asked_for(content, names) + b"}"


def _system_attributes(entry: Entry[Content], names: frozenset[str]) -> str:
    every = "All" in names
    parts: list[str] = []
    if every or "SentTimestamp" in names:
        parts.append(f'"SentTimestamp":"{entry.sent_ms}"')
    if every or "ApproximateReceiveCount" in names:
        parts.append(f'"ApproximateReceiveCount":"{entry.receive_count}"')
    if every or "ApproximateFirstReceiveTimestamp" in names:
        parts.append(f'"ApproximateFirstReceiveTimestamp":"{entry.first_received_ms}"')
    if every or "SenderId" in names:
        parts.append('"SenderId":"AIDAEXAMPLE"')
    if entry.group_id is not None and (every or "MessageGroupId" in names):
        parts.append(f'"MessageGroupId":{json.dumps(entry.group_id)}')
    if entry.sequence_number is not None and (every or "SequenceNumber" in names):
        parts.append(f'"SequenceNumber":"{entry.sequence_number}"')
    deduplication_id = entry.payload.deduplication_id
    if deduplication_id is not None and (every or "MessageDeduplicationId" in names):
        parts.append(f'"MessageDeduplicationId":{json.dumps(deduplication_id)}')
    return ",".join(parts)
