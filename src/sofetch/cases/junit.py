"""Verdicts as JUnit XML, which the CI systems show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from sofetch.cases.run import Difference, Verdict

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verdicts: Sequence[Verdict]) -> bytes:
    """One test suite, in UTF-8."""
    failed = sum(bool(verdict.differences) for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0"}
    suite = ET.Element("testsuite", {"name": "sofetch test", **counts})
    for verdict in verdicts:
        file = verdict.case.where.rpartition(":")[0]
        case = ET.SubElement(suite, "testcase", {"name": _fit(verdict.case.name), "classname": _fit(file)})
        if verdict.differences:
            failure = ET.SubElement(case, "failure", {"message": _fit(f"{verdict.case.where} does not hold")})
            failure.text = _fit("\n".join(map(_line, verdict.differences)))
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _line(one: Difference) -> str:
    about = f"{one.column}: " if one.column is not None else ""
    return f"{about}expected {one.expected}, got {one.got}"


def _fit(text: str) -> str:
    """The text without the characters that XML cannot hold, each replaced so that it shows."""
    return _NO_XML.sub("\ufffd", text)
