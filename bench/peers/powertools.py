"""AWS Lambda Powertools: its batch processor over a function's event, and one COPY at the end of each invocation.

Lambda itself is played by boto3 threads, which receive, call the handler and delete what it does not name as failed; in
production that part costs money and not this process's CPU time. Batches of 1,000, as an event source may be set to.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

os.environ |= {"POWERTOOLS_TRACE_DISABLED": "true", "POWERTOOLS_DEV": "false"}

import boto3
import psycopg
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from boto3_copy import delete, receive
from botocore.config import Config
from work import BATCH, COLUMNS, DSN, ENDPOINT, MESSAGES, QUEUE, Told, row

THREADS = int(os.environ.get("BENCH_THREADS", "8"))
COPY = f"COPY user_logins ({', '.join(COLUMNS)}) FROM STDIN"
processor = BatchProcessor(event_type=EventType.SQS)
connection = psycopg.connect(DSN, autocommit=True)
rows: list[tuple[Any, ...]] = []


def handle_record(record: SQSRecord) -> None:
    """One record: masked, and put by for the insert."""
    rows.append(row(record.body, int(record.attributes.sent_timestamp)))


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """One invocation. If the insert fails, the whole batch comes again: Lambda is told so by the exception."""
    rows.clear()
    failures = process_partial_response(event, handle_record, processor, context)
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for one in rows:
            copy.write_row(one)
    return dict(failures)


def as_record(message: dict[str, Any]) -> dict[str, Any]:
    """A received message as Lambda hands it over."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:login-queue",
        "awsRegion": "us-east-1",
    }


def main() -> None:
    """Until every message is loaded."""
    sqs = boto3.client("sqs", endpoint_url=ENDPOINT, config=Config(max_pool_connections=2 * THREADS))
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    told, loaded, deletes = Told(), 0, []
    with ThreadPoolExecutor(THREADS) as receivers, ThreadPoolExecutor(THREADS) as deleters:
        while loaded < MESSAGES:
            wanted = -(-min(BATCH, MESSAGES - loaded) // 10)
            answers = [future.result() for future in [receivers.submit(receive, sqs, url) for _ in range(wanted)]]
            records = [as_record(message) for answer in answers for message in answer]
            if not records:
                continue
            failed = {one["itemIdentifier"] for one in handler({"Records": records}, None)["batchItemFailures"]}
            handles = [one["receiptHandle"] for one in records if one["messageId"] not in failed]
            loaded += len(handles)
            deletes += [
                deleters.submit(delete, sqs, url, handles[start : start + 10]) for start in range(0, len(handles), 10)
            ]
        for future in deletes:
            future.result()
        told.tell(loaded, "aws-lambda-powertools", "boto3", "psycopg")


if __name__ == "__main__":
    main()
