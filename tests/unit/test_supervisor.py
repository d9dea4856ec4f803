"""Several workers, each a process: small programs that behave as a worker might, at its best and at its worst."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sofetch.clock import SystemClock
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import BatchDone, Event, Events, Failed, ProcessEnded, ProcessStarted, Stopped
from sofetch.relay import Received, relay_to
from sofetch.stopping import Stop
from sofetch.supervisor import FUTILE_STARTS, End, Supervisor, meaning_of, usable_cores
from sofetch.worker import Summary

# `tell` relays an event as a worker does; `once` is true for the first process that asks for the name.
PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from sofetch.events import BatchDone, Failed, Stopped
from sofetch.relay import relay_to
from sofetch.stopping import Stop, stop_on_signals
from sofetch.supervisor import stop_when_alone
tell = relay_to(int(sys.argv[sys.argv.index("--relay-to") + 1]))
batch = BatchDone(messages=10, loaded=7, duplicates=1, quarantined=2, retried=0, body_bytes=1, milliseconds=1,
                  oldest_age_ms=None)
def once(name):
    try:
        Path(name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
"""


def supervise(program: str, *, processes: int, listen: Callable[[Event], None], stop: Stop | None = None) -> Summary:
    command = [sys.executable, "-c", PRELUDE + program]
    clock, events = SystemClock(), Events(listen)
    return Supervisor(command, processes=processes, clock=clock, events=events, stop=stop or Stop()).run()


def ends(told: list[Event]) -> list[ProcessEnded]:
    return [event for event in told if isinstance(event, ProcessEnded)]


@pytest.mark.parametrize(
    ("returncode", "stopping", "meaning"),
    [
        (0, False, End.DONE),
        (-signal.SIGKILL, False, End.AGAIN),
        (-signal.SIGSEGV, False, End.AGAIN),
        (ExitCode.UNEXPECTED, False, End.AGAIN),
        (-signal.SIGTERM, True, End.DONE),
        (ExitCode.UNAVAILABLE, False, End.ALL),
        (ExitCode.KEYS, False, End.ALL),
        (ExitCode.USAGE, False, End.ALL),
        (ExitCode.KEYS, True, End.ALL),
    ],
)
def test_what_an_exit_code_means(returncode: int, stopping: bool, meaning: End) -> None:
    assert meaning_of(returncode, stopping=stopping, in_good_order=True) is meaning


def test_a_dependency_that_was_away_when_all_were_stopped_is_no_fault_of_the_worker() -> None:
    assert meaning_of(ExitCode.UNAVAILABLE, stopping=True, in_good_order=True) is End.DONE
    assert meaning_of(ExitCode.UNAVAILABLE, stopping=True, in_good_order=False) is End.ALL


def test_an_event_comes_out_of_the_pipe_as_it_went_in() -> None:
    reading, writing = os.pipe()
    sent = [
        Stopped(received=3, loaded=2, duplicates=0, quarantined=1, released=0, away=None, seconds=1.5),
        Failed(code="keyring", what="Schlüssel fehlt", hint="\n"),
    ]
    tell = relay_to(writing)
    for event in sent:
        tell(event)
    os.close(writing)
    data = os.read(reading, 100_000)
    os.close(reading)
    received = Received()
    assert [event for at in range(len(data)) for event in received.feed(data[at : at + 1])] == sent


def test_an_event_that_nobody_reads_is_dropped() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    relay_to(writing)(Failed(code="c", what="w", hint="h"))
    os.close(writing)


@pytest.mark.slow
def test_what_all_workers_did_is_summed_up(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[Event] = []
    summary = supervise("tell(batch); tell(batch)", processes=3, listen=told.append)
    assert (summary.received, summary.loaded, summary.duplicates, summary.quarantined) == (60, 42, 6, 12)
    assert (summary.batches, summary.stopped_by) == (6, "drained")
    assert {event.process for event in told if isinstance(event, ProcessStarted)} == {1, 2, 3}
    assert [event.exit_code for event in ends(told)] == [0, 0, 0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again_and_what_it_did_counts(
    tmp_path: Path,
) -> None:
    told: list[Event] = []
    mark = tmp_path / "mark"
    summary = supervise(
        f"tell(batch)\nif once({str(mark)!r}): os.kill(os.getpid(), signal.SIGKILL)", processes=1, listen=told.append
    )
    assert summary.loaded == 14
    killed, done = ends(told)
    assert (killed.exit_code, done.exit_code) == (-signal.SIGKILL, 0)
    assert killed.restart_in_seconds is not None
    assert done.restart_in_seconds is None


@pytest.mark.slow
def test_workers_that_only_ever_die_are_given_up() -> None:
    told: list[Event] = []
    with pytest.raises(SofetchError) as caught:
        supervise("os._exit(1)", processes=1, listen=told.append)
    assert caught.value.code == "workers_end"
    assert caught.value.exit_code == ExitCode.UNEXPECTED
    assert len(ends(told)) == FUTILE_STARTS


@pytest.mark.slow
def test_what_a_person_must_see_to_ends_all_and_is_told_once(tmp_path: Path) -> None:
    told: list[Event] = []
    mark = tmp_path / "mark"
    program = f"""
if once({str(mark)!r}):
    tell(Failed(code="keyring", what="the key is wrong", hint="mend it"))
    sys.exit(4)
stop = Stop()
with stop_on_signals(stop):
    tell(batch)
    stop.wait(60)
"""
    with pytest.raises(SofetchError, match="the key is wrong") as caught:
        supervise(program, processes=2, listen=told.append)
    assert (caught.value.code, caught.value.hint, caught.value.exit_code) == ("keyring", "mend it", ExitCode.KEYS)
    assert not [event for event in told if isinstance(event, Failed)]


@pytest.mark.slow
def test_each_worker_is_asked_to_stop_once() -> None:
    stop = Stop()
    program = """
stop = Stop()
with stop_on_signals(stop):  # a second signal would end it with 130
    tell(batch)
    stop.wait(60)
time.sleep(0.1)
tell(Stopped(received=15, loaded=7, duplicates=1, quarantined=2, released=5, away='queue', seconds=1))
sys.exit(3)
"""
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        if sum(isinstance(event, BatchDone) for event in told) == 2:
            stop.ask("SIGTERM")

    summary = supervise(program, processes=2, listen=listen, stop=stop)
    assert [event.exit_code for event in ends(told)] == [ExitCode.UNAVAILABLE] * 2
    assert (summary.received, summary.released, summary.stopped_by) == (30, 10, "SIGTERM")
    assert summary.away == ["queue"]


@pytest.mark.slow
def test_a_worker_whose_supervisor_is_killed_ends_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    worker = PRELUDE + f"stop = Stop()\nstop_when_alone(stop, descriptor=0)\nstop.wait(60)\nonce({str(mark)!r})"
    supervisor = f"""
import os, signal, sys
from sofetch.clock import SystemClock
from sofetch.events import Events, ProcessStarted
from sofetch.stopping import Stop
from sofetch.supervisor import Supervisor
def listen(event):
    if isinstance(event, ProcessStarted):
        print(event.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
worker = [sys.executable, "-c", {worker!r}]
Supervisor(worker, processes=1, clock=SystemClock(), events=Events(listen), stop=Stop()).run()
"""
    ended = subprocess.run([sys.executable, "-c", supervisor], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    for _ in range(1_000):
        if mark.exists():
            break
        signal.sigtimedwait([], 0.02)
    assert mark.exists()


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1
