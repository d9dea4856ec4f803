"""Sending many messages in few calls: batches of ten within SQS's limit of bytes, refused entries told by number.

Must not let a body into a report or an error.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.record import Private
from sofetch.source.boto_errors import mapped
from sofetch.source.transport import MAX_BATCH_ENTRIES, MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

_LEAST_BATCH_BYTES = 262_144
"""The limit of a batch on older servers; a queue may set its messages' limit lower than this, not its batches'."""

_ATTEMPTS = 5
_NAMED = 5


class RefusedMessage(msgspec.Struct, frozen=True):
    """A message that was not sent: its number in the input, from 1, and why (AWS's code or one of ours)."""

    number: int
    code: str


class SendReport(msgspec.Struct, frozen=True):
    """What became of the bodies."""

    sent: int
    refused: tuple[RefusedMessage, ...]


class MessagesRefused(SourceRefused):
    """Some messages were not sent; ``report`` names them by number, the others were sent."""

    code = "messages_refused"

    def __init__(self, report: SendReport) -> None:
        named = ", ".join(f"number {one.number} ({one.code})" for one in report.refused[:_NAMED])
        more = ", …" if len(report.refused) > _NAMED else ""
        super().__init__(
            f"{len(report.refused)} of {report.sent + len(report.refused)} messages were not sent: {named}{more}",
            hint="an SQS message is UTF-8 text of 1 byte to the queue's MaximumMessageSize; the others were sent",
        )
        self.report = report


class Fifo(msgspec.Struct, frozen=True):
    """What messages of a FIFO queue carry."""

    group_id: str
    content_dedupe: bool


class _Outgoing(Private, frozen=True):
    number: int
    text: str
    size: int
    dedupe_id: str


def send(
    client: SQSClient,
    url: str,
    bodies: Iterable[bytes],
    *,
    max_message_bytes: int,
    fifo: Fifo | None,
    on_sent: Callable[[int], None] | None,
) -> SendReport:
    """Send all bodies; see ``QueueControl.send``."""
    sent = 0
    refused: list[RefusedMessage] = []
    outgoing = _readable(bodies, max_message_bytes, refused)
    batch_bytes = min(MAX_MESSAGE_BYTES, max(_LEAST_BATCH_BYTES, max_message_bytes))
    for batch in _batches(outgoing, max_bytes=batch_bytes):
        failed = _send_batch(client, url, batch, fifo)
        refused += failed
        sent += len(batch) - len(failed)
        if on_sent is not None:
            on_sent(sent)
    return SendReport(sent, tuple(sorted(refused, key=lambda one: one.number)))


def _readable(bodies: Iterable[bytes], max_bytes: int, refused: list[RefusedMessage]) -> Iterator[_Outgoing]:
    """The bodies that SQS can carry; the others go to ``refused``."""
    for number, body in enumerate(bodies, start=1):
        if not body:
            refused.append(RefusedMessage(number, "empty"))
            continue
        if len(body) > max_bytes:
            refused.append(RefusedMessage(number, "too_large"))
            continue
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            refused.append(RefusedMessage(number, "not_utf8"))
            continue
        yield _Outgoing(number, text, len(body), uuid.uuid4().hex)


def _batches(outgoing: Iterable[_Outgoing], *, max_bytes: int) -> Iterator[list[_Outgoing]]:
    batch: list[_Outgoing] = []
    size = 0
    for one in outgoing:
        if batch and (len(batch) == MAX_BATCH_ENTRIES or size + one.size > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch


def _send_batch(client: SQSClient, url: str, batch: list[_Outgoing], fifo: Fifo | None) -> list[RefusedMessage]:
    """Send one batch, repeating entries that failed through no fault of ours; what was refused."""
    refused: list[RefusedMessage] = []
    for _ in range(_ATTEMPTS):
        with mapped("send messages"):
            entries: list[Any] = [_entry(str(at), one, fifo) for at, one in enumerate(batch)]
            failed = client.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])
        refused += [RefusedMessage(batch[int(f["Id"])].number, str(f["Code"])) for f in failed if f["SenderFault"]]
        batch = [batch[int(f["Id"])] for f in failed if not f["SenderFault"]]
        if not batch:
            return refused
    raise SourceUnavailable(
        f"the queue went on refusing {len(batch)} messages, from number {batch[0].number}",
        hint="send the rest again later",
    )


def _entry(entry_id: str, one: _Outgoing, fifo: Fifo | None) -> dict[str, str]:
    entry = {"Id": entry_id, "MessageBody": one.text}
    if fifo is not None:
        entry["MessageGroupId"] = fifo.group_id
        if not fifo.content_dedupe:
            entry["MessageDeduplicationId"] = one.dedupe_id
    return entry
