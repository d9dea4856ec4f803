"""The whole benchmark works at tiny sizes, tells its figures truly, and its guard can fail. No times are asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
RESULT = BENCH / "results" / "pipeline.json"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / script), "--json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ask_page(expression: str, *, stdin: str = "") -> str:
    """The bench's modules find each other where they lie, and not from here."""
    code = f"import sys, json; sys.path.insert(0, {str(BENCH)!r}); import page, targets; sys.stdout.write({expression})"
    return subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_parts_are_measured_and_shown() -> None:
    """The other sections, the peers among them, take minutes: `make bench ARGS=--quick` tries them all."""
    done = run("pipeline.py", "--quick", "--only", "parts", "source")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    parts = {it["part"] for it in document["parts"]}
    assert {"decode", "sink", "plain COPY", "source, fast", "source, boto3"} <= parts
    page = ask_page("page.as_markdown(json.load(sys.stdin))", stdin=done.stdout)
    assert "decode" in page


def test_a_quick_run_is_never_written_over_the_committed_result() -> None:
    before = RESULT.read_bytes() if RESULT.exists() else None
    done = run("pipeline.py", "--quick", "--write")
    assert done.returncode == 2
    assert (RESULT.read_bytes() if RESULT.exists() else None) == before


@pytest.mark.slow
def test_the_guard_passes_what_is_as_quick_as_before_and_fails_what_is_not(tmp_path: Path) -> None:
    baselines = tmp_path / "baselines.json"
    few = ("--rounds", "3")  # of a single one either measurement may be off by a factor of three
    ratios = {it["step"]: it["ratio"] for it in json.loads(run("check.py", *few).stdout)["results"]}
    baselines.write_text(json.dumps({"ratios": dict.fromkeys(ratios, 100.0)}))
    assert run("check.py", *few, "--baselines", str(baselines)).returncode == 0
    baselines.write_text(json.dumps({"ratios": {**dict.fromkeys(ratios, 100.0), "decode": ratios["decode"] / 5}}))
    failed = run("check.py", *few, "--baselines", str(baselines))
    assert failed.returncode == 1
    assert failed.stderr.rstrip().endswith(": decode")


@pytest.mark.slow
def test_the_guard_fails_for_a_step_that_has_no_baseline(tmp_path: Path) -> None:
    baselines = tmp_path / "baselines.json"
    baselines.write_text(json.dumps({"ratios": {}}))
    assert run("check.py", "--rounds", "1", "--baselines", str(baselines)).returncode == 1


def test_every_target_without_a_figure_is_told_as_not_measured() -> None:
    nothing: dict[str, Any] = {kind: [] for kind in ("whole", "parts", "latency", "starting", "memory")}
    figures = ask_page(
        "json.dumps([(it.figure, it.met) for it in targets.verdicts(json.load(sys.stdin))])", stdin=json.dumps(nothing)
    )
    assert set(map(tuple, json.loads(figures))) == {("not measured", None)}


@pytest.mark.skipif(not RESULT.exists(), reason="no result of the whole benchmark is committed")
def test_the_table_of_targets_and_the_page_are_those_of_the_committed_result() -> None:
    document = RESULT.read_text()
    readme = ask_page("page.with_targets(page.README.read_text(), json.load(sys.stdin))", stdin=document)
    assert readme == (BENCH / "README.md").read_text()
    page = ask_page("page.as_markdown(json.load(sys.stdin))", stdin=document)
    assert page == RESULT.with_suffix(".md").read_text()
