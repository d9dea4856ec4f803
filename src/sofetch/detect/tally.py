"""What many values of one field show together: which share is what, and whether the field counts as personal.

Owns the counts; a value is looked at once and not kept.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from msgspec import Struct

from sofetch.detect.catalogue import DETECTORS, DetectorId
from sofetch.detect.fields import identify
from sofetch.detect.forms import is_token
from sofetch.detect.names import suggested


class Sign(Struct, frozen=True, kw_only=True):
    """One detector's findings in one field. ``share`` is of the values looked at; ``by_name`` that the name says so.

    ``counts`` is True where that is enough to treat the field as holding it.
    """

    detector: DetectorId
    matches: int
    share: float
    by_name: bool
    counts: bool

    @property
    def personal(self) -> bool:
        """Whether the field holds personal data by this sign."""
        return self.counts and DETECTORS[self.detector].personal


@dataclass(slots=True)
class Tally:
    """Counts of one field. ``name`` is its name or path."""

    name: str
    values: int = 0
    tokens: int = 0
    matches: Counter[DetectorId] = field(default_factory=Counter)

    def look(self, text: str) -> None:
        """Count one value."""
        if not text.strip():
            return
        self.values += 1
        if is_token(text):
            self.tokens += 1
        elif (found := identify(text, name=self.name)) is not None:
            self.matches[found] += 1

    def signs(self) -> list[Sign]:
        """The strongest first: what counts, then by share. A name alone counts, unless all it holds are tokens."""
        named = suggested(self.name) if self.tokens < self.values or not self.values else None
        found = {detector: self._sign(detector, named) for detector in self.matches}
        if named is not None and named not in found:
            found[named] = self._sign(named, named)
        return sorted(found.values(), key=lambda sign: (not sign.personal, not sign.counts, -sign.share, sign.detector))

    def _sign(self, detector: DetectorId, named: DetectorId | None) -> Sign:
        matches = self.matches[detector]
        share = matches / self.values if self.values else 0.0
        counts = detector == named or (matches > 0 and share >= DETECTORS[detector].least_share)
        return Sign(detector=detector, matches=matches, share=share, by_name=detector == named, counts=counts)
