"""The queue of a campaign, seen from outside: made, filled and looked at past the proxy.

Owns a plain client of the JSON protocol, cheap enough to send a million messages. The servers of the tests do not check
signatures, so it does not sign.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_CREDENTIAL = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


class QueueClient:
    """One connection to an SQS server. Of one thread."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """One call; its answer."""
        headers = {
            "x-amz-target": f"AmazonSQS.{operation}",
            "content-type": "application/x-amz-json-1.0",
            "authorization": _CREDENTIAL,
        }
        try:
            self._connection.request("POST", "/", json.dumps(parameters), headers)
            answer = self._connection.getresponse()
        except (http.client.HTTPException, ConnectionError):  # a kept connection that the server had given up
            self._connection.close()
            self._connection.request("POST", "/", json.dumps(parameters), headers)
            answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{operation}: HTTP {answer.status}")
        read: dict[str, Any] = json.loads(body) if body else {}
        return read

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and its dead-letter queue."""

    name: str
    url: str
    dead_url: str

    @classmethod
    def make(cls, client: QueueClient, *, name: str, visibility_seconds: int, most_receives: int) -> Queue:
        """Create both."""
        dead_url = client.call("CreateQueue", QueueName=f"{name}-dead")["QueueUrl"]
        asked = client.call("GetQueueAttributes", QueueUrl=dead_url, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"], "maxReceiveCount": most_receives}
        attributes = {"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": json.dumps(redrive)}
        url = client.call("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        return cls(name, url, dead_url)

    def send(self, client: QueueClient, bodies: Sequence[str]) -> list[str]:
        """Send at most ten bodies; their message ids in order."""
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
        answer = client.call("SendMessageBatch", QueueUrl=self.url, Entries=entries)
        ids = {int(entry["Id"]): str(entry["MessageId"]) for entry in answer["Successful"]}
        assert len(ids) == len(bodies), "the queue server refused a message"
        return [ids[at] for at in range(len(bodies))]

    def left(self, client: QueueClient) -> int:
        """Messages that are not deleted: visible, held by somebody, or delayed."""
        return _count(client, self.url)

    def dead(self, client: QueueClient) -> int:
        """Messages in the dead-letter queue."""
        return _count(client, self.dead_url)


_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def _count(client: QueueClient, url: str) -> int:
    attributes = client.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return sum(int(attributes.get(name, 0)) for name in _COUNTS)
