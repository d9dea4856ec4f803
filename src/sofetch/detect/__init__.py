"""Detectors: what a value, or a field of this name, likely holds of a person. Pure; no value is kept or shown.

Owns the forms, the checks behind them, and when a field as a whole counts as personal. A guess, not a promise: what no
detector knows may still be personal. How to mask what was found is ``sofetch.detect.personal``'s to say.
"""

from __future__ import annotations

from sofetch.detect.catalogue import DETECTORS, Detector, DetectorId
from sofetch.detect.fields import identify
from sofetch.detect.forms import form_of, holds_personal, is_token
from sofetch.detect.names import suggested
from sofetch.detect.plain import is_plain_name
from sofetch.detect.tally import Sign, Tally

__all__ = [
    "DETECTORS",
    "Detector",
    "DetectorId",
    "Sign",
    "Tally",
    "form_of",
    "holds_personal",
    "identify",
    "is_plain_name",
    "is_token",
    "suggested",
]
