"""How long one kind of call has been failing, and when that is worth saying.

Kept apart for each kind of call: a role that may receive and not delete would else look healthy with every receive.
Pure state, no threads, no clock.
"""

from __future__ import annotations

from sofetch.errors import SourceRefused, SourceUnavailable

_REFUSALS_ARE_FINAL = 3
"""Refusals in a row before it is believed: a fresh grant or a rotated credential takes a moment to spread."""

_FAILURES_ARE_TOLD = 3
"""Failures in a row before an empty-handed consumer is told."""


class Trouble:
    """Failures in a row of one kind of call."""

    def __init__(self) -> None:
        self.failures = 0
        self._refusals = 0
        self._last: SourceUnavailable | SourceRefused | None = None

    def failed(self, error: SourceUnavailable | SourceRefused) -> None:
        """A call failed as a whole."""
        self.failures += 1
        self._refusals = self._refusals + 1 if isinstance(error, SourceRefused) else 0
        self._last = error

    def over(self) -> None:
        """A call succeeded."""
        self.failures, self._refusals, self._last = 0, 0, None

    @property
    def final(self) -> SourceRefused | None:
        """The refusal, once it is believed."""
        return self._last if isinstance(self._last, SourceRefused) and self._refusals >= _REFUSALS_ARE_FINAL else None

    @property
    def worth_telling(self) -> SourceUnavailable | None:
        """The failure, once it has lasted."""
        told = isinstance(self._last, SourceUnavailable) and self.failures >= _FAILURES_ARE_TOLD
        return self._last if told else None  # type: ignore[return-value]  # told says what it is
