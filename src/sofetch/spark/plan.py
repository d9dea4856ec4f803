"""What a job tells its tasks, and what they answer. Both are in Spark's plans, event log and web pages for all to see.

Owns these two shapes. Must not hold a key, a password, or anything of a message: each task fetches its secrets itself,
from where it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from sofetch.errors import ExitCode, SofetchError
from sofetch.settings import Settings

Format = Literal["jsonl", "envelopes", "parquet"]
BODY: Final = "body"
ID: Final = "id"
SENT: Final = "sent_ms"


class Plan(Struct, frozen=True, kw_only=True):
    """The settings, as JSON, and what is asked of them. ``sent_ms`` is for bodies that do not say when they were sent;
    ``force`` loads what is older than the ledger remembers.
    """

    settings: bytes
    input: Format
    has_ids: bool
    sent_ms: int | None = None
    force: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether the input is bodies alone, without ids."""
        return self.input == "jsonl" or not self.has_ids

    def load_settings(self) -> Settings:
        """The settings again."""
        return msgspec.json.decode(self.settings, type=Settings)


class Failure(Struct, frozen=True, kw_only=True):
    """An error that no second try mends, as it is told to a person."""

    code: str
    what: str
    hint: str
    exit_code: int


class Result(Struct, frozen=True, kw_only=True):
    """What one task did, in counts. ``too_old`` were passed over since the ledger no longer knows them."""

    read: int = 0
    loaded: int = 0
    duplicates: int = 0
    quarantined: int = 0
    too_old: int = 0
    reasons: dict[str, int] = {}  # msgspec gives each its own
    not_of_kind: dict[str, int] = {}
    failure: Failure | None = None


def failed(error: SofetchError) -> Result:
    """The answer of a task that met such an error."""
    return Result(failure=Failure(code=error.code, what=error.what, hint=error.hint, exit_code=int(error.exit_code)))


def raised(failure: Failure) -> SofetchError:
    """The error again, to be raised where a person started the job."""
    error = SofetchError(failure.what, hint=failure.hint, code=failure.code)
    error.exit_code = ExitCode(failure.exit_code)
    return error


def total(results: Iterable[Result]) -> Result:
    """All tasks together. The first failure counts."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    not_of_kind: Counter[str] = Counter()
    failure = None
    for one in results:
        for name in ("read", "loaded", "duplicates", "quarantined", "too_old"):
            counts[name] += getattr(one, name)
        reasons.update(one.reasons)
        not_of_kind.update(one.not_of_kind)
        failure = failure or one.failure
    return Result(**counts, reasons=dict(reasons), not_of_kind=dict(not_of_kind), failure=failure)
