"""What each fault of the queue does to a call: SQS's bad days, one function each.

Owns the answers that a fault gives instead of, or made out of, the server's own. All of them speak the JSON protocol.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any

from faults.http_wire import Answer, Request

Ask = Callable[[Request], Awaitable[Answer]]
Fault = Callable[[Request, Ask], Awaitable[Answer | None]]
"""What to answer; None closes the connection without a word."""

WITHHELD_SECONDS = 3.0
DELAY_SECONDS = 0.7
_JSON = "application/x-amz-json-1.0"
_CANARY = b"kanarie-answer@example.org"
"""In the texts of errors: nothing of an answer may be repeated in a log."""

BATCHES = ("DeleteMessageBatch", "ChangeMessageVisibilityBatch")


def _instead(status: int, content_type: str, body: bytes) -> Fault:
    async def fault(request: Request, ask: Ask) -> Answer:
        return Answer(status, content_type, body)

    return fault


def _error(status: int, code: str) -> Fault:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": _CANARY.decode()})
    return _instead(status, _JSON, body.encode())


async def _reset(request: Request, ask: Ask) -> None:
    """The request never arrives."""


async def _lost_answer(request: Request, ask: Ask) -> None:
    """The server did it, and nobody is told."""
    await ask(request)


async def _withheld(request: Request, ask: Ask) -> None:
    """The server did it, and the answer does not come for a long time, and then not at all."""
    await ask(request)
    await asyncio.sleep(WITHHELD_SECONDS)


async def _skewed_clock(request: Request, ask: Ask) -> Answer:
    """The server's clock is two days ahead of ours, and so it takes the signature for a wrong one."""
    body = json.dumps({"__type": "com.amazon.coral.service#SignatureDoesNotMatch", "message": _CANARY.decode()})
    return Answer(403, _JSON, body.encode(), date=formatdate(time.time() + 2 * 86_400))


async def _delayed(request: Request, ask: Ask) -> Answer:
    answer = await ask(request)
    await asyncio.sleep(DELAY_SECONDS)
    return answer


async def _truncated(request: Request, ask: Ask) -> Answer:
    answer = await ask(request)
    half = answer.body[: len(answer.body) // 2]
    return Answer(answer.status, answer.content_type, half, announced=len(answer.body))


async def _corrupted(request: Request, ask: Ask) -> Answer:
    """Bodies that are not what their MD5 says: one character of each is another."""
    answer = await ask(request)

    def spoil(message: dict[str, Any]) -> dict[str, Any]:
        body = message["Body"]
        return message | {"Body": body[:-1] + ("~" if body[-1:] != "~" else "!")}

    return _with_messages(answer, lambda messages: [spoil(message) for message in messages])


async def _repeated(request: Request, ask: Ask) -> Answer:
    """Messages twice in one answer, which has ten at most as every answer of SQS; the rest of it is lost."""
    return _with_messages(await ask(request), lambda messages: messages[:5] + messages[:5])


async def _redelivered(request: Request, ask: Ask) -> Answer:
    """What is being delivered becomes visible again at once, behind the back of whoever gets it."""
    answer = await ask(request)
    messages = _read(answer.body).get("Messages") or []
    if messages:
        entries = [
            {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for at, message in enumerate(messages)
        ]
        body = json.dumps({"QueueUrl": _read(request.body).get("QueueUrl"), "Entries": entries}).encode()
        await ask(_as(request, "ChangeMessageVisibilityBatch", body))
    return answer


async def _failed(request: Request, ask: Ask) -> Answer:
    """HTTP 200, and every entry failed; nothing is done."""
    return _failures(request, _entries(request), code="InternalError", sender=False)


async def _half_failed(request: Request, ask: Ask) -> Answer:
    """HTTP 200: the first half is done, the second is not."""
    entries = _entries(request)
    done, left = entries[: len(entries) // 2], entries[len(entries) // 2 :]
    answered: dict[str, Any] = {}
    if done:
        answered = _read((await ask(_with_entries(request, done))).body)
    failed = _read(_failures(request, left, code="InternalError", sender=False).body)["Failed"]
    answered["Failed"] = [*answered.get("Failed", ()), *failed]
    return Answer(200, _JSON, json.dumps(answered).encode())


async def _done_but_failed(request: Request, ask: Ask) -> Answer:
    """HTTP 200: everything is done and reported as failed."""
    await ask(request)
    return _failures(request, _entries(request), code="InternalError", sender=False)


async def _refused(request: Request, ask: Ask) -> Answer:
    """HTTP 200: nothing is done, and the sender is to blame, as for a delivery that is no longer in flight."""
    return _failures(request, _entries(request), code="MessageNotInflight", sender=True)


FAULTS: Mapping[str, Fault] = {
    "500": _instead(500, "text/plain", _CANARY),
    "503": _instead(503, "text/plain", _CANARY),
    "throttled": _error(400, "RequestThrottled"),
    "skewed clock": _skewed_clock,
    "wrong type": _instead(200, "text/html", b"<html>" + _CANARY),
    "empty": _instead(200, _JSON, b"{}"),
    "garbage": _instead(200, _JSON, b'{"Messages": [{' + _CANARY),
    "reset": _reset,
    "lost answer": _lost_answer,
    "withheld": _withheld,
    "delayed": _delayed,
    "truncated": _truncated,
    "corrupted": _corrupted,
    "repeated": _repeated,
    "redelivered": _redelivered,
    "failed": _failed,
    "half failed": _half_failed,
    "done but failed": _done_but_failed,
    "refused": _refused,
}

RECEIVE_ONLY = ("corrupted", "repeated", "redelivered")
BATCH_ONLY = ("failed", "half failed", "done but failed", "refused")


def _read(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _entries(request: Request) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _read(request.body).get("Entries", [])
    return entries


def _with_entries(request: Request, entries: list[dict[str, Any]]) -> Request:
    return _as(request, request.operation, json.dumps(_read(request.body) | {"Entries": entries}).encode())


def _with_messages(answer: Answer, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Answer:
    read = _read(answer.body)
    if not read.get("Messages"):
        return answer
    return Answer(
        answer.status, answer.content_type, json.dumps(read | {"Messages": change(read["Messages"])}).encode()
    )


def _failures(request: Request, entries: list[dict[str, Any]], *, code: str, sender: bool) -> Answer:
    failed = [
        {"Id": entry["Id"], "Code": code, "SenderFault": sender, "Message": _CANARY.decode()} for entry in entries
    ]
    return Answer(200, _JSON, json.dumps({"Successful": [], "Failed": failed}).encode())


def _as(request: Request, operation: str, body: bytes) -> Request:
    """Another call in the name of the same caller. The servers of the tests do not check signatures."""
    kept = [
        line
        for line in request.head.split(b"\r\n")
        if line and not line.lower().startswith((b"content-length:", b"x-amz-target:"))
    ]
    more = [f"content-length: {len(body)}".encode(), f"x-amz-target: AmazonSQS.{operation}".encode()]
    return Request(b"\r\n".join([*kept, *more, b"", b""]), body)
