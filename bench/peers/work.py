"""What every Python peer does to one message and tells at its end, so that they differ in how they move messages.

Owns the masking (HMAC-SHA-256 of two fields, cut to twenty bytes), the statements for the table, and the last line of
output. What it does is what a person who knows the trade writes in an afternoon: no canonical forms, no key rotation.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

ENDPOINT = os.environ["BENCH_ENDPOINT"]
QUEUE = os.environ["BENCH_QUEUE"]
DSN = os.environ["BENCH_DSN"]
MESSAGES = int(os.environ["BENCH_MESSAGES"])
BATCH = 1_000
COLUMNS = ("user_id", "device_type", "masked_ip", "masked_device_id", "locale", "app_version", "create_date")
_KEY = hmac.new(b"0123456789abcdef0123456789abcdef", None, hashlib.sha256)


def token(value: str) -> str:
    """A keyed hash of one value, the key's state copied and not made anew."""
    state = _KEY.copy()
    state.update(value.encode())
    return state.digest()[:20].hex()


def row(body: str, sent_ms: int) -> tuple[Any, ...]:
    """The table's row for one message. Raises ValueError or KeyError for one that does not fit."""
    login = json.loads(body)
    return (
        login["user_id"],
        login["device_type"],
        token(login["ip"]),
        token(login["device_id"]),
        login["locale"],
        login["app_version"],
        datetime.fromtimestamp(sent_ms / 1000, UTC).date(),
    )


class Told:
    """Takes the time from the first receive to the last delete, and the CPU time spent before."""

    def __init__(self) -> None:
        self._start_cpu = time.process_time()
        self._started = time.monotonic()

    def tell(self, loaded: int, *packages: str) -> None:
        """The last line of output, for the benchmark."""
        told = {
            "loaded": loaded,
            "seconds": time.monotonic() - self._started,
            "start_cpu_seconds": self._start_cpu,
            "versions": {package: version(package) for package in packages},
        }
        sys.stdout.write(json.dumps(told) + "\n")
