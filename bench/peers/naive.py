"""The exercise as it is mostly solved: one loop, an unkeyed SHA-256, a row and a commit and a delete for each message.

Kinder than many: it receives ten messages a call and keeps its connection.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import boto3
import psycopg
from work import DSN, ENDPOINT, MESSAGES, QUEUE, Told

INSERT = "INSERT INTO user_logins VALUES (%s, %s, %s, %s, %s, %s, %s)"


def masked(value: str) -> str:
    """What the exercise asks for. One core finds any address behind it in minutes."""
    return hashlib.sha256(value.encode()).hexdigest()


def main() -> None:
    """Until every message is loaded."""
    sqs = boto3.client("sqs", endpoint_url=ENDPOINT)
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    connection = psycopg.connect(DSN)
    told, loaded = Told(), 0
    while loaded < MESSAGES:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"]
        )
        for message in answer.get("Messages", []):
            login = json.loads(message["Body"])
            sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC).date()
            connection.execute(
                INSERT,
                (
                    login["user_id"],
                    login["device_type"],
                    masked(login["ip"]),
                    masked(login["device_id"]),
                    login["locale"],
                    login["app_version"],
                    sent,
                ),
            )
            connection.commit()
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            loaded += 1
    told.tell(loaded, "boto3", "psycopg")


if __name__ == "__main__":
    main()
