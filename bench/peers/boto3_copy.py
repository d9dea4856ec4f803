"""boto3 and psycopg as a competent engineer writes it in an afternoon: threads, batches, COPY, deletes in tens.

A message that does not parse is left in the queue, for the dead-letter queue. A row that the database refuses fails its
batch; a redelivered message becomes a second row.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import psycopg
from botocore.config import Config
from work import BATCH, COLUMNS, DSN, ENDPOINT, MESSAGES, QUEUE, Told, row

# As many threads as calls are far: eight do where a call takes a millisecond.
THREADS = int(os.environ.get("BENCH_THREADS", "8"))
COPY = f"COPY user_logins ({', '.join(COLUMNS)}) FROM STDIN"


def receive(sqs: Any, url: str) -> list[dict[str, Any]]:
    """One receive call."""
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"]
    )
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def delete(sqs: Any, url: str, handles: list[str]) -> None:
    """One delete call."""
    entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    if answer.get("Failed"):
        raise RuntimeError("a delete failed")


def load(connection: psycopg.Connection[Any], messages: list[dict[str, Any]]) -> list[str]:
    """One batch into the table, in one transaction; the receipt handles of what is durable."""
    rows, handles = [], []
    for message in messages:
        try:
            rows.append(row(message["Body"], int(message["Attributes"]["SentTimestamp"])))
        except (ValueError, KeyError):
            continue
        handles.append(message["ReceiptHandle"])
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for one in rows:
            copy.write_row(one)
    return handles


def main() -> None:
    """Until every message is loaded."""
    sqs = boto3.client("sqs", endpoint_url=ENDPOINT, config=Config(max_pool_connections=2 * THREADS))
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    connection = psycopg.connect(DSN, autocommit=True)
    with ThreadPoolExecutor(THREADS) as receivers, ThreadPoolExecutor(THREADS) as deleters:
        told, loaded, deletes = Told(), 0, []
        while loaded < MESSAGES:
            wanted = -(-min(BATCH, MESSAGES - loaded) // 10)
            answers = [future.result() for future in [receivers.submit(receive, sqs, url) for _ in range(wanted)]]
            handles = load(connection, [message for answer in answers for message in answer])
            loaded += len(handles)
            deletes += [
                deleters.submit(delete, sqs, url, handles[start : start + 10]) for start in range(0, len(handles), 10)
            ]
        for future in deletes:
            future.result()
        told.tell(loaded, "boto3", "psycopg")


if __name__ == "__main__":
    main()
