"""The forms of what SQS says of a message, whichever way it comes: by a receive, or in an event.

Owns what is believed. Nothing of another form is to reach the fleets, the ledger or the database. It must import
nothing of AWS: whoever is handed messages needs no client.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

ID: Final = re.compile(r"[!-~]{1,128}")
HANDLE: Final = re.compile(r"[ -~]{1,8192}")
NUMBER: Final = re.compile(r"[0-9]{1,15}")
SEQUENCE_NUMBER: Final = re.compile(r"[0-9]{1,39}")
ANYTHING: Final = re.compile(r".*", re.DOTALL)


class BadAnswer(ValueError):
    """A server said what SQS never says. Holds nothing of it."""


def said(text: object, form: re.Pattern[str]) -> str:
    """The text, if it is one and of the form that SQS gives it. Raises BadAnswer."""
    if not isinstance(text, str) or form.fullmatch(text) is None:
        raise BadAnswer
    return text


def optional(text: object, form: re.Pattern[str]) -> str | None:
    """The same for a text that may be missing."""
    return None if text is None else said(text, form)


def is_whole(body: bytes, md5: str | None) -> bool:
    """Whether the body is what was sent; botocore does not check. A microsecond for most, 1.5 ms for a whole MiB."""
    return md5 is None or hashlib.md5(body, usedforsecurity=False).hexdigest() == md5


def queue_name(queue: str) -> str:
    """The name of a queue given by name, URL or ARN."""
    return queue.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
