"""The benchmarks run and say what they ran on. What they measure is not asserted: tests know no times."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from sofetch.settings import MaskName

BENCH = Path(__file__).parents[2] / "bench"
MACHINE = {"processor", "cores", "system", "python"}


def run(script: str, *arguments: str, fails_for: str = "") -> dict[str, Any]:
    done = subprocess.run([sys.executable, BENCH / script, "--json", *arguments], capture_output=True, check=False)
    assert bool(done.returncode) == bool(fails_for), done.stderr
    assert fails_for in done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_every_mask_is_measured() -> None:
    document = run("masks.py", "--values", "100", "--runs", "1")
    assert {it["mask"] for it in document["results"]} == set(get_args(MaskName))
    assert set(document["machine"]) >= MACHINE


@pytest.mark.slow
def test_every_share_of_bad_rows_is_measured_for_every_constraint() -> None:
    results = run("poison.py", "--rows", "20", "--runs", "1")["results"]
    assert [it["bad"] for it in results if it["constraint"] == "trigger"] == [0, 1, 5, 200, 1000]
    assert {it["constraint"] for it in results} == {"CHECK", "unique", "foreign key", "trigger"}


@pytest.mark.slow
def test_an_invocation_of_the_function_is_measured_for_each_size_of_event_and_a_slow_import_fails_it() -> None:
    options = ("--records", "10", "20", "--runs", "1", "--most-import-ms", "1")
    document = run("lambda_function.py", *options, fails_for="1 ms are allowed")
    assert [it["records"] for it in document["results"]["warm"]] == [10, 20]
    assert set(document["machine"]) >= MACHINE


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="no C compiler here")
def test_the_search_finds_an_unkeyed_address_in_its_sample_and_says_that_the_rest_is_extrapolated() -> None:
    document = run("unkeyed_ipv4.py", "--sample", str(2**21 + 5))
    assert document["result"]["extrapolated"]
    assert document["result"]["tried"] == 2**21 + 5


@pytest.mark.slow
def test_every_way_to_call_the_queue_is_measured_in_one_thread_and_in_many() -> None:
    document = run("transport.py", "--calls", "40", "--runs", "1")
    cases = {(it["way"], it["call"], it["threads"]) for it in document["results"]}
    ways = {way for way, _, _ in cases}
    assert {"boto3", "sofetch: socket, own parsing", "pycurl", "http.client"} <= ways
    assert cases == {(way, call, threads) for way in ways for call in ("receive", "delete") for threads in (1, 4, 8)}
    assert set(document["machine"]) >= MACHINE


@pytest.mark.parametrize("path", sorted((BENCH / "results").glob("*.json")), ids=lambda path: path.name)
def test_committed_results_name_their_machine_and_no_path(path: Path) -> None:
    text = path.read_text()
    assert set(json.loads(text)["machine"]) >= MACHINE
    assert not any(place in text for place in ("/home", "/root", "/Users", "/tmp", str(BENCH.parent)))
    assert path.with_suffix(".md").exists()


def test_each_slice_of_a_growing_table_is_held_against_the_median_of_all_but_the_first() -> None:
    """The first warms up. One in the middle counts as the last does, and one that is quicker as one that is slower."""
    code = (
        f"import sys; sys.path.insert(0, {str(BENCH)!r}); from scale import Slice, off_the_median;"
        "print([off_the_median([Slice(n, speed) for n, speed in enumerate(speeds)])"
        " for speeds in ([1, 100, 75, 100, 125], [9])])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[0, -0.25, 0, 0.25], []]


def test_the_table_that_was_measured_stayed_as_fast() -> None:
    slices = json.loads((BENCH / "results/scale.json").read_text())["slices"]
    assert slices[-1]["rows"] == 10_000_000
    speeds = [one["per_second"] for one in slices[1:]]
    assert all(abs(speed / statistics.median(speeds) - 1) <= 0.20 for speed in speeds)
