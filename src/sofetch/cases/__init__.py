"""Tests of a user's configuration: a message in, the row or the rejection that is to come out of it.

Owns the cases: reading them, running them through the same decode and mask as a worker, and writing first ones from
real messages with every value replaced. Needs no queue, no database and no key of the user's.
"""

from __future__ import annotations

from sofetch.cases.case import Case
from sofetch.cases.read import read_cases
from sofetch.cases.record import Recorded, record_cases
from sofetch.cases.run import Bench, Difference, Verdict, uncovered
from sofetch.cases.write import write_cases

__all__ = [
    "Bench",
    "Case",
    "Difference",
    "Recorded",
    "Verdict",
    "read_cases",
    "record_cases",
    "uncovered",
    "write_cases",
]
