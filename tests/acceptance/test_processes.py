"""`sofetch run --processes`: several workers as one command."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from typing import IO

import pytest

from world import BRIEFLY, World, assert_each_exactly_once, end, made_up


def lines_until(stream: IO[str], event: str, *, count: int = 1) -> list[dict[str, object]]:
    """Log lines up to the ``count``-th of an event."""
    lines = []
    for line in stream:
        lines.append(json.loads(line))
        if sum(line["event"] == event for line in lines) == count:
            return lines
    raise AssertionError(f"{event} was never told: {lines}")


def page(address: object, path: str) -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def test_two_processes_load_each_message_once_and_give_one_summary(world: World) -> None:
    world.send([made_up(number) for number in range(300)] + [b"not json"])
    done = world.sofetch("run", "--drain", "--json", "--processes", "2")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["loaded"], summary["quarantined"]) == (300, 1)
    assert summary["quarantined_by_reason"] == {"not_json": 1}
    assert_each_exactly_once(world, range(300))


def test_a_worker_that_is_killed_is_replaced_and_a_signal_drains_all(world: World) -> None:
    running = world.start("run", "--processes", "2", "--json", environ=BRIEFLY)
    assert running.stderr is not None
    told = lines_until(running.stderr, "worker_started", count=2)
    victim = next(line["pid"] for line in told if line["event"] == "process_started")
    assert isinstance(victim, int)
    os.kill(victim, signal.SIGKILL)
    again = lines_until(running.stderr, "worker_started")
    ended = next(line for line in again if line["event"] == "process_ended")
    assert (ended["exit_code"], ended["level"]) == (-signal.SIGKILL, "warning")
    world.send([made_up(number) for number in range(50)])
    out, _ = end(running, signal.SIGTERM)
    assert running.returncode == 0
    assert json.loads(out)["stopped_by"] == "SIGTERM"
    world.drain_until_empty()
    assert_each_exactly_once(world, range(50))


def test_one_page_tells_the_health_of_all_and_another_their_numbers(world: World) -> None:
    environ = {"SOFETCH_HTTP_LISTEN": "127.0.0.1:0", "SOFETCH_LOG_LEVEL": "debug"}
    running = world.start("run", "--processes", "2", environ=environ)
    assert running.stderr is not None
    told = lines_until(running.stderr, "worker_started", count=2)
    (address,) = [line["address"] for line in told if line["event"] == "listening"]
    with urllib.request.urlopen(f"http://{address}/health", timeout=10) as answer:
        report = json.loads(answer.read())
    assert report["healthy"]
    assert [one["process"] for one in report["processes"]] == [1, 2]
    assert {one["health"]["state"] for one in report["processes"]} == {"running"}
    assert {one["pid"] for one in report["processes"]} == {
        line["pid"] for line in told if line["event"] == "process_started"
    }
    world.send([made_up(number) for number in range(30)] + [b"not json"])
    done = 0
    while done < 31:
        done += lines_until(running.stderr, "batch_done")[-1]["messages"]  # type: ignore[operator]
    text = page(address, "/metrics")
    assert "\nsofetch_workers 2\n" in text
    assert "\nsofetch_messages_received_total 31\n" in text
    assert "\nsofetch_rows_loaded_total 30\n" in text
    assert '\nsofetch_quarantined_total{reason="not_json"} 1\n' in text
    assert page(address, "/livez") == page(address, "/readyz") == "ok\n"
    end(running, signal.SIGTERM)


def test_what_no_worker_can_mend_ends_all_with_its_exit_code(world: World) -> None:
    done = world.sofetch("run", "--processes", "2", environ={"SOFETCH_KEYRING": ""})
    assert done.returncode == 4
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["code"] for event in events if event["event"] == "failed"] == ["keyring"]
    assert world.left_in_queue() == 0


@pytest.mark.parametrize(
    "given", [["--processes", "0"], ["--processes", "x"], ["--processes", "2", "--max-messages", "5"]]
)
def test_what_makes_no_sense_is_a_usage_error(world: World, given: list[str]) -> None:
    done = world.sofetch("run", *given)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
