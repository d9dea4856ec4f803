"""The taxonomy of errors: each has a bounded code, says whether trying again can help, and what to do.

An error's text holds names, ids and counts, never a value of a message, a key or a password. Adapters map a vendor's
exceptions to these once, at their edge, with ``from None`` where the cause could carry data.
"""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path
from types import TracebackType


class ExitCode(IntEnum):
    """Exit codes of the command line; scripts may rely on them."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    UNAVAILABLE = 3
    KEYS = 4
    FINDINGS = 5
    INTERRUPTED = 130


class SofetchError(Exception):
    """Base of every error a user can meet. ``what`` says what is wrong and where; ``hint`` says what to do."""

    code = "error"
    retryable = False
    exit_code = ExitCode.UNEXPECTED

    def __init__(self, what: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.what}\n  → {self.hint}" if self.hint else self.what


class ConfigError(SofetchError):
    """The configuration, or what the command was given, cannot be used as it stands."""

    code = "config"
    exit_code = ExitCode.USAGE


class KeyringError(SofetchError):
    """Keys are missing, unreadable, malformed, or not the ones the tokens were made with. Fail closed."""

    code = "keyring"
    exit_code = ExitCode.KEYS


class EventError(SofetchError):
    """What a function was invoked with is no batch of this queue's messages. Nothing of it was loaded."""

    code = "event"


class SourceUnavailable(SofetchError):
    """The queue does not answer, throttles, or answers with an error that may pass."""

    code = "source_unavailable"
    retryable = True
    exit_code = ExitCode.UNAVAILABLE


class SourceRefused(SofetchError):
    """The queue does not exist or denies the call: a person must act."""

    code = "source_refused"
    exit_code = ExitCode.UNAVAILABLE


class SinkUnavailable(SofetchError):
    """The database is away, full, read-only, too busy, or gave an error that no row is to blame for: hold and retry.

    ``sqlstate`` is None where the connection was lost without one.
    """

    code = "sink_unavailable"
    retryable = True
    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, what: str, *, hint: str = "", sqlstate: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.sqlstate = sqlstate


class SinkRefused(SofetchError):
    """Table, column, type or privilege is missing or wrong: a person must act. Nothing is lost meanwhile."""

    code = "sink_refused"
    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, what: str, *, hint: str = "", sqlstate: str | None = None) -> None:
        super().__init__(what, hint=hint)
        self.sqlstate = sqlstate


class ArchiveUnavailable(SofetchError):
    """The archive does not answer, is full, or cannot be written now: hold and retry."""

    code = "archive_unavailable"
    retryable = True
    exit_code = ExitCode.UNAVAILABLE


class ArchiveRefused(SofetchError):
    """The archive is missing or denies what is asked of it: a person must act. Nothing is lost meanwhile."""

    code = "archive_refused"
    exit_code = ExitCode.UNAVAILABLE


class ArchiveDamaged(SofetchError):
    """A file of the archive is not as it was written, or does not open with this key."""

    code = "archive_damaged"
    exit_code = ExitCode.FINDINGS


class AuditUnavailable(SofetchError):
    """The audit row could not be written. Fail closed: what it would have told of was not done, nothing was shown."""

    code = "audit_unavailable"
    exit_code = ExitCode.UNAVAILABLE


class NotApproved(SofetchError):
    """A recovery lacks an approval, or its request has run out, was altered, or was used before."""

    code = "not_approved"
    exit_code = ExitCode.USAGE


class EmbeddedError(SofetchError):
    """The embedded queue or Postgres could not be started."""

    code = "embedded"
    exit_code = ExitCode.UNAVAILABLE


def told_path(path: str | Path) -> str:
    """The name of a file as an error may tell it. Where a keyring, a PEM or a connection string was given for the name
    of the file that holds it, it is not told.
    """
    text = str(path)
    return NOT_TOLD if _SECRET.search(text) else text


NOT_TOLD = "(not shown: it looks like a secret, not like the name of a file)"
_SECRET = re.compile(r'["{}\n]|-----BEGIN|^[a-z0-9+]+:/.*@|password\s*=|^[A-Za-z0-9+/]{43}=$', re.IGNORECASE)


def place_of(trace: TracebackType | None) -> str:
    """``file.py:line in function`` of the innermost frame, for telling where without telling what."""
    if trace is None:
        return "unknown"
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name}"
