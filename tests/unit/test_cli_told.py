"""What a run, its live line and a check tell: calm, aligned, and nothing that is not known."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sofetch.calls import Calls
from sofetch.cli.findings import finding_lines
from sofetch.cli.frame import Frame
from sofetch.cli.progress import sending
from sofetch.cli.run_summary import show_summary
from sofetch.cli.text import fits_as_table, table
from sofetch.findings import Finding
from sofetch.settings import ColumnSettings, Settings, SinkSettings, SourceSettings
from sofetch.worker import Summary

SETTINGS = Settings(
    source=SourceSettings(queue="q", wait_seconds=1), sink=SinkSettings(table="t"), column=[ColumnSettings(name="c")]
)


def summary(**changes: object) -> Summary:
    counts: dict[str, object] = {
        "received": 1_250,
        "loaded": 1_200,
        "duplicates": 0,
        "quarantined": 50,
        "released": 0,
        "batches": 2,
        "seconds": 2.5,
        "stopped_by": "drained",
        "quarantined_by_reason": {"not_json": 10, "missing_field": 40},
    }
    return Summary(**(counts | changes))  # type: ignore[arg-type]


def test_the_summary_is_aligned_and_says_why_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(Frame(), summary(), SETTINGS)
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "received     1,250",
        "loaded       1,200  rows in the table",
        "duplicates       0",
        "quarantined     50  missing_field 40, not_json 10",
        "released         0",
        "the queue is empty after 2.5 s (500 messages/s)",
    ]
    assert "sofetch quarantine list" in told.err


@pytest.mark.parametrize(
    ("stopped_by", "words"), [("SIGTERM", "stopped by SIGTERM"), ("max_messages", "--max-messages is reached")]
)
def test_the_summary_of_nothing_has_no_rate(capsys: pytest.CaptureFixture[str], stopped_by: str, words: str) -> None:
    nothing = summary(received=0, loaded=0, quarantined=0, seconds=0.0, stopped_by=stopped_by, quarantined_by_reason={})
    show_summary(Frame(), nothing, SETTINGS)
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == f"{words} after 0.0 s"
    assert told.err == ""


def test_the_calls_are_priced_and_what_would_lower_them_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    calls = Calls(receives=200, empty_receives=75, deletes=125, visibility_changes=1, requests=326)
    show_summary(Frame(), summary(calls=calls), SETTINGS)
    told = capsys.readouterr()
    assert told.out.splitlines()[5:7] == [
        "calls        326 to the queue: 200 receives, 75 of them empty; 125 deletes; 1 change of visibility",
        "cost         $0.10 for a million messages: 0.26 requests a message, at $0.40 a million",
    ]
    assert "wait_seconds = 20" in told.err


def test_the_live_line_is_gone_when_it_ends() -> None:
    screen = io.StringIO()
    with sending(Console(file=screen, force_terminal=True, width=80)) as told:
        told(1_500)
    assert "1,500 messages sent" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")


def test_findings_are_wrapped_marked_and_say_what_to_do() -> None:
    long = "the column is varchar(10) and a token needs 46 characters, so that every row would be refused"
    error = Finding(severity="error", code="x", where="table t", what=long, hint="widen it: " + "ALTER TABLE t " * 6)
    fine = Finding(severity="ok", code="y", where="keys", what="there", hint="never shown")
    lines = finding_lines([error, fine], width=60)
    assert lines[0].startswith("\x1b[31m\x1b[1m✗\x1b[0m table t: the column")
    assert lines[-1].endswith("keys: there")
    assert any(line.startswith("  → widen it") for line in lines)
    assert all(len(line.replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "")) <= 60 for line in lines[:-1])


def test_long_names_over_short_values_are_broken_at_their_underscores_first() -> None:
    lines = table(["a_very_long_name", "token"], [["x", "t" * 30]], width=40)
    assert lines[-1] == "x       " + "t" * 30 or "…" not in lines[-1]
    assert lines[0].startswith("a_")


def test_a_table_of_too_many_columns_is_known_as_such() -> None:
    assert fits_as_table(10, 80)
    assert not fits_as_table(11, 80)


def test_a_huge_value_does_not_make_fitting_slow_or_wide() -> None:
    lines = table(["body", "n"], [["x" * 1_000_000, 1]], width=80)
    assert max(map(len, lines)) <= 80
