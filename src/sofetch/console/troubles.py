"""The latest troubles of the workers, by code: what rose among the counters of what went wrong.

Owns which counters tell of trouble, and a bounded list of what they told. Codes and counts; no text of an error.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from sofetch.console.scraped import Samples

TROUBLES: Final = {
    "sofetch_outage_attempts_total": ("outage", "an attempt failed while the {label} was away"),
    "sofetch_quarantined_total": ("quarantined", "messages were quarantined: {label}"),
    "sofetch_damaged_messages_total": ("damaged", "bodies were not what was sent; they come again"),
    "sofetch_not_of_kind_total": ("not_of_kind", "values in {label} were not of their column's kind"),
    "sofetch_drifted_total": ("drifted", "messages were not as the configuration expects: {label}"),
    "sofetch_maintenance_failures_total": ("maintenance_failed", "partitions could not be kept"),
    "sofetch_unexpected_errors_total": ("unexpected", "a fault of the program; its log has the place"),
    "sofetch_process_restarts_total": ("process_restarted", "a worker ended and was started again"),
}
"""Counter to code and meaning."""

_KEPT = 200


class Trouble(Struct, frozen=True, kw_only=True):
    """One code of one worker, told within a minute or so: ``count`` times between ``first`` and ``last`` (seconds)."""

    worker: str
    code: str
    label: str
    what: str
    count: int
    first: int
    last: int


class Troubles:
    """The latest of them, newest first. ``note`` and ``latest`` may be called from different threads."""

    def __init__(self, *, together_seconds: int = 60) -> None:
        self._together_seconds = together_seconds
        self._kept: deque[Trouble] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def note(self, worker: str, before: Samples, now: Samples, *, second: int) -> None:
        """Take notice of what rose between two readings of one worker."""
        for (name, label), value in now.items():
            if name in TROUBLES and (rise := int(value - before.get((name, label), 0.0))) > 0:
                code, what = TROUBLES[name]
                self._add(worker, code, label, what.format(label=label), rise, second)

    def latest(self, most: int = 50) -> list[Trouble]:
        """The newest first."""
        with self._lock:
            return sorted(self._kept, key=lambda one: -one.last)[:most]

    def totals(self, since: int) -> Mapping[str, int]:
        """How often each code was told of since that second."""
        counted: dict[str, int] = {}
        with self._lock:
            for one in self._kept:
                if one.last >= since:
                    counted[one.code] = counted.get(one.code, 0) + one.count
        return counted

    def _add(self, worker: str, code: str, label: str, what: str, count: int, second: int) -> None:
        with self._lock:
            for at, one in enumerate(self._kept):
                same = (one.worker, one.code, one.label) == (worker, code, label)
                if same and second - one.first < self._together_seconds:
                    self._kept[at] = Trouble(
                        worker=worker,
                        code=code,
                        label=label,
                        what=what,
                        count=one.count + count,
                        first=one.first,
                        last=second,
                    )
                    return
            self._kept.append(
                Trouble(worker=worker, code=code, label=label, what=what, count=count, first=second, last=second)
            )
