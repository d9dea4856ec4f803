"""Steady load: made-up logins, each sent once, at a given rate. Owns the connection to the queue and its counts."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from sqs_server.logins import login

_CREDENTIAL = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


class QueueClient:
    """One connection to the queue server, of one thread."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """One call; its answer."""
        headers = {"x-amz-target": f"AmazonSQS.{operation}", "authorization": _CREDENTIAL}
        self._connection.request("POST", "/", json.dumps(parameters), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{operation}: HTTP {answer.status}")
        read: dict[str, Any] = json.loads(body)
        return read

    def left(self, queue: str) -> int:
        """Messages that are not deleted: visible, in flight or delayed."""
        attributes = self.call("GetQueueAttributes", QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        names = ("", "NotVisible", "Delayed")
        return sum(int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()


class Load:
    """Sends logins 0, 1, 2, … from a thread of its own until it is stopped."""

    def __init__(self, endpoint: str, *, queue: str, rate: float, body_bytes: int) -> None:
        self._client = QueueClient(endpoint)
        self._queue, self._rate, self._body_bytes = queue, rate, body_bytes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self.sent = 0
        self.error: Exception | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> int:
        """Send no more; how many were sent. Raises what went wrong."""
        self._ended.set()
        self._thread.join()
        self._client.close()
        if self.error is not None:
            raise self.error
        return self.sent

    def _run(self) -> None:
        try:
            began = time.monotonic()
            while not self._ended.wait(max(0.0, began + self.sent / self._rate - time.monotonic())):
                self._send_ten()
        except Exception as error:  # noqa: BLE001  # told by ``stop``
            self.error = error

    def _send_ten(self) -> None:
        numbers = range(self.sent, self.sent + 10)
        entries = [{"Id": str(it), "MessageBody": login(it, body_bytes=self._body_bytes)} for it in numbers]
        answer = self._client.call("SendMessageBatch", QueueUrl=self._queue, Entries=entries)
        if len(answer["Successful"]) != len(entries):
            raise RuntimeError("the queue server refused a message")
        self.sent += len(entries)
