"""dlt: a resource that yields what boto3 receives, masked; dlt appends it, and what was loaded is deleted.

A chunk is what one load takes; larger ones spread dlt's cost for a load over more messages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from tempfile import mkdtemp
from typing import Any

FOLDER = mkdtemp(dir=os.getcwd())  # noqa: PTH109  the run's own folder, removed with it
os.environ |= {
    "DLT_DATA_DIR": FOLDER,
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "NORMALIZE__LOADER_FILE_FORMAT": "csv",  # COPY; its own default are INSERT statements
}

import boto3  # noqa: E402
import dlt  # noqa: E402
from boto3_copy import delete, receive  # noqa: E402
from botocore.config import Config  # noqa: E402
from psycopg.conninfo import conninfo_to_dict  # noqa: E402
from work import COLUMNS, DSN, ENDPOINT, MESSAGES, QUEUE, Told, row  # noqa: E402

CHUNK = 10_000
THREADS = int(os.environ.get("BENCH_THREADS", "8"))


def chunk(sqs: Any, url: str, most: int, handles: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The rows of one load; what was received is noted in ``handles``."""
    calls = -(-most // 10)
    with ThreadPoolExecutor(THREADS) as receivers:
        for future in [receivers.submit(receive, sqs, url) for _ in range(calls)]:
            messages = future.result()
            handles += [message["ReceiptHandle"] for message in messages]
            sent = [int(message["Attributes"]["SentTimestamp"]) for message in messages]
            rows = [row(message["Body"], ms) for message, ms in zip(messages, sent, strict=True)]
            yield [dict(zip(COLUMNS, one, strict=True)) for one in rows]


def destination() -> Any:
    """Postgres as dlt knows it, over the same socket as everyone."""
    there = conninfo_to_dict(DSN)
    url = f"postgresql://{there['user']}:none@localhost/{there['dbname']}?host={there['host']}"
    return dlt.destinations.postgres(url)


def main() -> None:
    """Until every message is loaded."""
    sqs = boto3.client("sqs", endpoint_url=ENDPOINT, config=Config(max_pool_connections=2 * THREADS))
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    pipeline = dlt.pipeline("bench", destination=destination(), dataset_name="public")
    told, loaded = Told(), 0
    with ThreadPoolExecutor(THREADS) as deleters:
        while loaded < MESSAGES:
            handles: list[str] = []
            logins = dlt.resource(
                chunk(sqs, url, min(CHUNK, MESSAGES - loaded), handles),
                name="user_logins",
                write_disposition="append",
                columns={name: {"data_type": "text", "nullable": True} for name in COLUMNS[:-1]},
            )
            pipeline.run(logins).raise_on_failed_jobs()
            loaded += len(handles)
            parts = [handles[start : start + 10] for start in range(0, len(handles), 10)]
            list(deleters.map(lambda part: delete(sqs, url, part), parts))
    told.tell(loaded, "dlt", "boto3", "psycopg2-binary")


if __name__ == "__main__":
    main()
