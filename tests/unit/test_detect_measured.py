"""How well the detectors tell values apart, measured on the labelled set, never below the minimums committed here.

``python tests/unit/test_detect_measured.py`` writes the table of docs/how-to/privacy-report.md anew.
"""

from __future__ import annotations

import json
import re
import runpy
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from sofetch.detect import DETECTORS, DetectorId, identify

TESTS = Path(__file__).parents[1]
LABELLED = TESTS / "fixtures" / "detect" / "labelled.jsonl"
PAGE = TESTS.parent / "docs" / "how-to" / "privacy-report.md"
TABLE = re.compile(r"(?<=<!-- detectors -->\n).*(?=<!-- /detectors -->)", re.DOTALL)

MINIMUMS: dict[DetectorId, tuple[float, float]] = {
    "email": (0.995, 0.995),
    "ip": (0.995, 0.99),
    "phone": (0.99, 0.99),
    "card": (0.99, 0.995),
    "ssn": (0.995, 0.995),
    "iban": (0.995, 0.995),
    "mac": (0.995, 0.995),
    "uuid": (0.995, 0.995),
    "coordinates": (0.995, 0.99),
    "birth_date": (0.995, 0.99),
    "person_name": (0.99, 0.99),
    "free_text": (0.99, 0.99),
}
"""Least precision and recall."""

BY_NAME_ALONE: set[DetectorId] = {"identity", "device", "postcode", "address", "secret", "special", "income"}
"""Detectors that take any likely value of a field named for them: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Measured:
    samples: int
    precision: float
    recall: float


@cache
def measured() -> dict[str, Measured]:
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        guess, truth = identify(sample["value"], name=sample["name"]), sample["is"]
        found[str(guess)] += 1
        labelled[str(truth)] += 1
        right[str(guess)] += guess == truth
    return {
        name: Measured(labelled[name], right[name] / max(found[name], 1), right[name] / labelled[name])
        for name in MINIMUMS
    }


def table() -> str:
    lines = ["| detector | finds | asks | samples | precision | recall |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for detector in DETECTORS.values():
        one = measured().get(detector.id)
        numbers = f"{one.samples} | {one.precision:.3f} | {one.recall:.3f}" if one else "– | – | –"
        lines.append(f"| `{detector.id}` | {detector.finds} | {detector.asks} | {numbers} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("detector", MINIMUMS)
def test_precision_and_recall_stay_above_their_minimums(detector: DetectorId) -> None:
    least_precision, least_recall = MINIMUMS[detector]
    one = measured()[detector]
    assert one.samples >= 100
    assert one.precision >= least_precision
    assert one.recall >= least_recall


def test_every_detector_is_measured_or_goes_by_the_name_alone() -> None:
    assert set(MINIMUMS) | BY_NAME_ALONE == set(DETECTORS)


def test_the_labelled_set_is_what_its_script_makes() -> None:
    samples = runpy.run_path(str(LABELLED.with_name("make.py")))["samples"]()
    made = [{"name": name, "value": value, "is": detector} for name, value, detector in samples]
    assert made == [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]


def test_the_documented_table_is_what_was_measured() -> None:
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found
    assert found.group() == table()


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _old: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
