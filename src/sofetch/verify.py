"""Reconciling: what was sent, by the archive, against what is there, by the ledger; hour by hour of sending.

Owns what is missing, what is only not there yet, and what nobody can know any more. Must not load or change anything,
and shows nothing of a message but its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from sofetch.archive.distinct import Archived, DistinctKeys, lowest_key
from sofetch.archive.place import HOUR_MS, Place, hour_text
from sofetch.archive.reading import hours, read_file
from sofetch.errors import ConfigError
from sofetch.settings import Settings

MOST_LATE_DAYS: Final = 28
"""How long after its sending a message can still be archived: 14 days in the queue, 14 in the dead-letter queue."""

UNKNOWN_HOUR: Final = "unknown"
DAY_MS: Final = 86_400_000
_AT_ONCE: Final = 10_000


class Ledger(Protocol):
    """What is needed of ``sofetch.load.reconciling``."""

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bool]:
        """Those that are in the ledger, and whether each is in quarantine."""
        ...

    def held(self, first: bytes, end: bytes) -> Held:
        """What it has of a range of keys."""
        ...


class Held(Protocol):
    """A count of messages, and of those in quarantine."""

    @property
    def messages(self) -> int: ...  # noqa: D102
    @property
    def quarantined(self) -> int: ...  # noqa: D102


class VerifiedHour(Struct, frozen=True, kw_only=True):
    """One hour of sending. ``sent`` are distinct messages of the archive, None where there is none.

    ``loaded`` are messages that the ledger has and quarantine has not. ``only_in_ledger`` were never archived. Where
    not ``known`` the hour is older than the ledger keeps, and no count but ``sent`` means anything. ``rows`` are the
    table's, None where they were not counted. They decide nothing: a row may be gone by right.
    """

    hour: str
    known: bool
    sent: int | None
    loaded: int
    quarantined: int
    missing: int
    not_yet: int
    only_in_ledger: int
    rows: int | None = None


class Missing(Struct, frozen=True, kw_only=True):
    """What is missing, in all: some of the keys, and the hours of the archive that hold all of them."""

    messages: int
    keys: list[str]
    first_archived: str | None
    last_archived: str | None


class Range(Struct, frozen=True):
    """A time of sending, in ms: from ``first_ms`` to before ``end_ms``. ``timeless``: messages without a time too."""

    first_ms: int
    end_ms: int
    timeless: bool = False


class Gathered(Struct, frozen=True):
    """What was read of an archive. ``passed_over`` names files that were written under another ``dedupe``."""

    keys: DistinctKeys
    passed_over: list[str]


def require_comparable(settings: Settings) -> None:
    """ConfigError where the ledger's keys are not those of the archive, so that nothing can be held against it."""
    what = None
    if settings.sink.dedupe != "message":
        what = '[sink] dedupe is not "message": the ledger holds keys of the content, the archive those of messages'
    elif "s3_objects" in settings.unwrap.layers:
        what = "[unwrap] opens s3_objects: the ledger holds keys of their lines, the archive those of the messages"
    if what is not None:
        raise ConfigError(
            what,
            hint="`sofetch backfill` loads what is missing, and nothing twice; `sofetch show --counts` counts",
        )


def gather(place: Place, settings: Settings, wanted: Range) -> Gathered:
    """The distinct keys of all that may have been archived of that time. Its ``keys`` are the caller's to close.

    Raises ArchiveDamaged, and what the place raises.
    """
    keys, passed_over = DistinctKeys(), list[str]()
    first = hour_text(max(wanted.first_ms - HOUR_MS, 0))  # an hour earlier: clocks differ
    last = hour_text(wanted.end_ms + MOST_LATE_DAYS * DAY_MS)
    try:
        for one in hours(place, settings.pipeline_name, first=first, last=last):
            for file in one.files:
                for frame in read_file(place, file.name, dedupe="message", others=passed_over):
                    keys.add(frame.clear)
    except BaseException:
        keys.close()
        raise
    return Gathered(keys, passed_over)


class Verification:
    """Holds archived keys against the ledger. ``missing`` is whole once ``hours`` has come to its end."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        oldest_ms: int,
        settled_ms: int,
        most_keys: int,
        keys: DistinctKeys | None,
        rows: Mapping[int, int] | None = None,
    ) -> None:
        """``rows`` are those of the table by the first millisecond of their hour; None if they were not counted."""
        self._ledger = ledger
        self._rows = rows
        self._keys = keys
        self._oldest_ms = oldest_ms
        self._settled_ms = settled_ms
        self._most_keys = most_keys
        self._missing = 0
        self._named: list[str] = []
        self._archived_ms: tuple[int, int] | None = None

    def hours(self, wanted: Range) -> Iterator[VerifiedHour]:
        """Each hour in which something was sent or is there, in order; last, what has no sent time."""
        for first_ms in range(wanted.first_ms // HOUR_MS * HOUR_MS, wanted.end_ms, HOUR_MS):
            known = first_ms >= self._oldest_ms
            hour = self._hour(hour_text(first_ms), first_ms, first_ms + HOUR_MS, known=known)
            if hour.sent or hour.loaded or hour.quarantined or hour.rows:
                yield hour
        if wanted.timeless:
            hour = self._hour(UNKNOWN_HOUR, 0, 1, known=True, has_rows=False)
            if hour.sent or hour.loaded or hour.quarantined:
                yield hour

    @property
    def missing(self) -> Missing:
        """What is missing of the hours so far."""
        first, last = self._archived_ms or (None, None)
        return Missing(
            messages=self._missing,
            keys=list(self._named),
            first_archived=None if first is None else hour_text(first),
            last_archived=None if last is None else hour_text(last),
        )

    def _hour(self, hour: str, first_ms: int, end_ms: int, *, known: bool, has_rows: bool = True) -> VerifiedHour:
        sent = in_ledger = missing = not_yet = 0
        for page in self._keys.between(first_ms, end_ms, size=_AT_ONCE) if self._keys is not None else ():
            sent += len(page)
            if known:
                found = self._ledger.known([one.key for one in page])
                absent = [one for one in page if one.key not in found]
                late = [one for one in absent if one.last_ms > self._settled_ms]
                in_ledger += len(found)
                not_yet += len(late)
                missing += len(absent) - len(late)
                self._note(one for one in absent if one.last_ms <= self._settled_ms)
        held = self._ledger.held(lowest_key(first_ms), lowest_key(end_ms)) if known else None
        messages, quarantined = (held.messages, held.quarantined) if held is not None else (0, 0)
        return VerifiedHour(
            hour=hour,
            known=known,
            sent=None if self._keys is None else sent,
            loaded=max(messages - quarantined, 0),
            quarantined=quarantined,
            missing=missing,
            not_yet=not_yet,
            only_in_ledger=max(messages - in_ledger, 0) if self._keys is not None else 0,
            rows=self._rows.get(first_ms, 0) if self._rows is not None and known and has_rows else None,
        )

    def _note(self, absent: Iterable[Archived]) -> None:
        for one in absent:
            self._missing += 1
            if len(self._named) < self._most_keys:
                self._named.append(one.key.hex())
            first, last = self._archived_ms or (one.last_ms, one.last_ms)
            self._archived_ms = min(first, one.last_ms), max(last, one.last_ms)
