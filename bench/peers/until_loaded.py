"""Runs a program that never ends by itself until every message is loaded and deleted, then stops it.

Usage: until_loaded.py PROGRAM CONFIG, with the benchmark's environment. Its own CPU time counts as the program's: it
looks five times a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import boto3
import psycopg

ENDPOINT, QUEUE, DSN = (os.environ[f"BENCH_{name}"] for name in ("ENDPOINT", "QUEUE", "DSN"))
MESSAGES = int(os.environ["BENCH_MESSAGES"])
COMMANDS = {
    "vector": ["--quiet", "--config"],
    "rpk": ["connect", "run"],
    "redpanda-connect": ["run"],
}
_LOOK_SECONDS = 0.2


def main() -> None:
    """Start it, wait, stop it, tell."""
    program, config = sys.argv[1:]
    client = boto3.client("sqs", endpoint_url=ENDPOINT)
    url = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    started, start_cpu = time.monotonic(), time.process_time()
    environ = os.environ | {"BENCH_QUEUE_URL": url}
    process = subprocess.Popen([program, *COMMANDS[Path(program).name], config], env=environ, stdout=subprocess.DEVNULL)
    try:
        with psycopg.connect(DSN, autocommit=True) as connection:
            while _rows(connection) < MESSAGES or _left(client, url):
                if process.poll() is not None:
                    raise SystemExit(f"it ended with {process.returncode}")
                time.sleep(_LOOK_SECONDS)
        seconds = time.monotonic() - started
    finally:
        process.terminate()
        process.wait()
    told = {"loaded": MESSAGES, "seconds": seconds, "start_cpu_seconds": start_cpu, "versions": {}}
    sys.stdout.write(json.dumps(told) + "\n")


def _rows(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("SELECT count(*) FROM user_logins").fetchone()
    return row[0] if row else 0


def _left(client: object, url: str) -> int:
    answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]  # type: ignore[attr-defined]
    return int(answer["ApproximateNumberOfMessages"]) + int(answer["ApproximateNumberOfMessagesNotVisible"])


if __name__ == "__main__":
    main()
