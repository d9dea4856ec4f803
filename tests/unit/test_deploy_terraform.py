"""The Terraform module, read as text: no provider was at hand to validate it, and its page says so."""

from __future__ import annotations

import re
from pathlib import Path

from sofetch.config import describe_settings
from sofetch.settings import SinkSettings, SourceSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/terraform"
MODULE = "\n".join(file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.tf")))


def _number(pattern: str) -> int:
    [found] = re.findall(pattern, MODULE)
    return int(found)


def test_its_page_says_that_it_is_not_validated() -> None:
    assert "**Not validated.**" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_dead_letters_are_kept_longer_than_the_queue_keeps_them() -> None:
    assert _number(r"dead_letter_retention_seconds = (\d+)") > _number(r"queue_retention_seconds <= (\d+)")


def test_a_task_is_given_the_time_it_needs_to_stop() -> None:
    needed = SinkSettings(table="t").statement_timeout_seconds + WorkerSettings().shutdown_grace_seconds
    assert needed < _number(r"stopTimeout\s+= (\d+)")


def test_all_workers_together_hold_less_than_the_alarm() -> None:
    above = _number(r'"ApproximateNumberOfMessagesNotVisible".*above = (\d+)')
    assert _number(r"var\.tasks\.max <= (\d+)") * SourceSettings(queue="q").max_in_flight <= above


def test_each_alarm_names_a_part_of_the_runbook_that_is_there() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"docs/runbook\.md#([\w-]+)", MODULE)
    assert len(named) == 4
    assert set(named) <= {heading.lower().replace(" ", "-") for heading in headings}


def test_the_variables_that_are_set_are_settings() -> None:
    known = {setting.env for setting in describe_settings()} | {"SOFETCH_CONFIG", "SOFETCH_SINK_DSN"}
    assert set(re.findall(r"^\s+(SOFETCH_\w+)\s+=", MODULE, re.MULTILINE)) <= known


def test_every_variable_is_used_and_every_used_one_is_there() -> None:
    assert set(re.findall(r'^variable "(\w+)"', MODULE, re.MULTILINE)) == set(re.findall(r"\bvar\.(\w+)", MODULE))
