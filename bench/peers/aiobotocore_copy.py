"""aiobotocore and psycopg, the same work in one event loop: receivers, a loader with COPY, deleters.

What it does with bad messages, refused rows and redeliveries is what ``boto3_copy.py`` does.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import psycopg
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from work import BATCH, COLUMNS, DSN, ENDPOINT, MESSAGES, QUEUE, Told, row

TASKS = int(os.environ.get("BENCH_THREADS", "8"))
COPY = f"COPY user_logins ({', '.join(COLUMNS)}) FROM STDIN"


async def receive(sqs: Any, url: str, into: asyncio.Queue[dict[str, Any]]) -> None:
    """Receive until cancelled."""
    while True:
        answer = await sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageSystemAttributeNames=["SentTimestamp"]
        )
        for message in answer.get("Messages", []):
            await into.put(message)


async def delete(sqs: Any, url: str, loaded: asyncio.Queue[list[str]]) -> None:
    """Delete until cancelled."""
    while True:
        handles = await loaded.get()
        entries = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
        answer = await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError("a delete failed")
        loaded.task_done()


async def load(connection: psycopg.AsyncConnection[Any], messages: list[dict[str, Any]]) -> list[str]:
    """One batch into the table, in one transaction; the receipt handles of what is durable."""
    rows, handles = [], []
    for message in messages:
        try:
            rows.append(row(message["Body"], int(message["Attributes"]["SentTimestamp"])))
        except (ValueError, KeyError):
            continue
        handles.append(message["ReceiptHandle"])
    async with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for one in rows:
            await copy.write_row(one)
    return handles


async def gather(buffer: asyncio.Queue[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """A batch: full, or what came within a quarter of a second."""
    messages: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(0.25):
            while len(messages) < most:
                messages.append(await buffer.get())
    except TimeoutError:
        pass
    return messages


async def main() -> None:
    """Until every message is loaded."""
    config = AioConfig(max_pool_connections=2 * TASKS)
    async with get_session().create_client("sqs", endpoint_url=ENDPOINT, config=config) as sqs:
        url = (await sqs.get_queue_url(QueueName=QUEUE))["QueueUrl"]
        connection = await psycopg.AsyncConnection.connect(DSN, autocommit=True)
        told, loaded = Told(), 0
        buffer: asyncio.Queue[dict[str, Any]] = asyncio.Queue(2 * BATCH)
        durable: asyncio.Queue[list[str]] = asyncio.Queue()
        tasks = [asyncio.create_task(receive(sqs, url, buffer)) for _ in range(TASKS)]
        tasks += [asyncio.create_task(delete(sqs, url, durable)) for _ in range(TASKS)]
        while loaded < MESSAGES:
            handles = await load(connection, await gather(buffer, BATCH))
            loaded += len(handles)
            for start in range(0, len(handles), 10):
                durable.put_nowait(handles[start : start + 10])
        await durable.join()
        told.tell(loaded, "aiobotocore", "psycopg")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
