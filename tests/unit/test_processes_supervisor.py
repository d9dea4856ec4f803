"""Several workers, each a process: small programs that behave as a worker might, at its best and at its worst."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sofetch.clock import SystemClock
from sofetch.errors import ExitCode, SofetchError
from sofetch.events import (
    BatchDone,
    Event,
    Events,
    Failed,
    PipelineStarted,
    ProcessEnded,
    ProcessStarted,
    Reloaded,
    Stopped,
)
from sofetch.observe.procfs import usable_cores
from sofetch.processes.account import ALONE
from sofetch.processes.relay import Received, relay_to
from sofetch.processes.supervisor import FUTILE_STARTS, End, Supervisor, meaning_of
from sofetch.stopping import Stop
from sofetch.worker import Summary

# `tell` relays an event as a worker does; `once` is true for the first process that asks for the name.
PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from sofetch.events import BatchDone, Failed, Stopped
from sofetch.processes.relay import relay_to
from sofetch.stopping import Stop, stop_on_signals
from sofetch.processes.worker import stop_when_alone
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
    return (
        Supervisor(command, processes=processes, clock=clock, events=events, stop=stop or Stop()).run().summaries[ALONE]
    )


SEVERAL = """
from sofetch.events import PipelineEnded, PipelineStarted, Reloaded
stop = Stop()
def nth(folder):
    return next(number for number in range(9) if once(f"{folder}/{number}"))
def work():
    reload = lambda: tell(Reloaded(started=0, ended=0, unchanged=1))
    with stop_on_signals(stop, reload=reload):
        tell(PipelineStarted(pipeline="a"))
        stop.wait(60)
"""


class Several:
    """A supervisor of workers that run several pipelines, or with ``several`` off one, and what it told."""

    def __init__(self, program: str, *, processes: int, several: bool = True) -> None:
        self.told: list[Event] = []
        self.stop = Stop()
        self.supervisor = Supervisor(
            [sys.executable, "-c", PRELUDE + SEVERAL + program],
            processes=processes,
            clock=SystemClock(),
            events=Events(self._hear),
            stop=self.stop,
            several=several,
            may_reload=self.may_reload,
        )

    def may_reload(self) -> bool:
        """For a test to say no."""
        return True

    def _hear(self, event: Event) -> None:
        self.told.append(event)
        self.heard(event)

    def heard(self, event: Event) -> None:
        """For a test to say what it does at an event."""

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.told)


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
from sofetch.processes.supervisor import Supervisor
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


@pytest.mark.slow
def test_one_that_cannot_start_again_waits_for_a_reload_and_the_others_go_on(tmp_path: Path) -> None:
    class Mended(Several):
        def heard(self, event: Event) -> None:
            match event:
                case PipelineStarted() if self.count(PipelineStarted) == 2:
                    first = next(one for one in self.told if isinstance(one, ProcessStarted))
                    os.kill(first.pid, signal.SIGKILL)
                case ProcessEnded(exit_code=ExitCode.KEYS):
                    self.supervisor.reload()
                case PipelineStarted() if self.count(PipelineStarted) == 3:
                    self.stop.ask("SIGTERM")
                case _:
                    pass

    wrong = 'tell(Failed(code="keyring", what="the key is wrong", hint="mend it")); sys.exit(4)'
    several = Mended(f"if nth({str(tmp_path)!r}) == 2:\n    {wrong}\nwork()", processes=2)
    several.supervisor.run()
    assert [(one.code, one.process) for one in several.told if isinstance(one, Failed)] == [("keyring", 1)]
    assert [(one.process, one.exit_code) for one in ends(several.told)[:2]] == [(1, -signal.SIGKILL), (1, 4)]
    assert [one.exit_code for one in ends(several.told)[2:]] == [0, 0]
    assert [one.process for one in several.told if isinstance(one, Reloaded)] == [2]


@pytest.mark.slow
def test_what_none_can_start_with_ends_all_at_once() -> None:
    several = Several('tell(Failed(code="keyring", what="the key is wrong", hint="")); sys.exit(4)', processes=2)
    with pytest.raises(SofetchError, match="the key is wrong"):
        several.supervisor.run()
    assert several.count(Failed) == 0


@pytest.mark.slow
def test_a_reload_reaches_a_worker_that_is_only_starting_once_it_minds_signals(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    class Early(Several):
        def may_reload(self) -> bool:
            mark.touch()
            return True

        def heard(self, event: Event) -> None:
            match event:
                case ProcessStarted():
                    self.supervisor.reload()
                case Reloaded():
                    self.stop.ask("SIGTERM")
                case _:
                    pass

    starting = f"while not Path({str(mark)!r}).exists(): time.sleep(0.01)\ntime.sleep(0.2)  # SIGHUP would end it here"
    several = Early(f"{starting}\nwork()", processes=1)
    several.supervisor.run()
    assert (several.count(Reloaded), several.count(ProcessStarted)) == (1, 1)
    assert [one.exit_code for one in ends(several.told)] == [0]


@pytest.mark.slow
def test_workers_of_one_pipeline_give_way_at_a_reload_each_asked_once() -> None:
    class Exchanged(Several):
        passed_on = 0

        def may_reload(self) -> bool:
            self.passed_on += 1
            if self.passed_on == 1:
                self.supervisor.reload()  # they are at their end then: a second signal would cut them off
            return True

        def heard(self, event: Event) -> None:
            match event:
                case BatchDone() if self.count(BatchDone) == 2:
                    self.supervisor.reload()
                case BatchDone() if self.count(BatchDone) == 4:
                    self.stop.ask("SIGTERM")
                case _:
                    pass

    program = """
with stop_on_signals(stop):
    tell(batch)
    stop.wait(60)
    time.sleep(0.5)
sys.exit(3)  # a dependency was away
"""
    one = Exchanged(program, processes=2, several=False)
    summary = one.supervisor.run().summaries[ALONE]
    assert (one.passed_on, one.count(ProcessStarted)) == (2, 4)
    assert [end.exit_code for end in ends(one.told)] == [ExitCode.UNAVAILABLE] * 4
    assert [(end.restart_in_seconds, end.reload) for end in ends(one.told)] == [(0.0, True)] * 2 + [(None, False)] * 2
    assert {end.level for end in ends(one.told) if end.reload} == {"info"}
    assert [measure for end in ends(one.told) for measure in end.measures()] == []
    assert (summary.loaded, summary.stopped_by) == (28, "SIGTERM")


@pytest.mark.slow
def test_a_worker_whose_pipelines_ended_by_errors_leaves_the_others_and_one_with_a_fault_starts_again(
    tmp_path: Path,
) -> None:
    program = f"""
tell(PipelineStarted(pipeline="a"))
if nth({str(tmp_path)!r}) == 0:
    tell(PipelineEnded(pipeline="b", code="sink_refused", what="no table", exit_code=3))
    tell(PipelineEnded(pipeline="a", code="unexpected", what="unexpected", exit_code=1))
    sys.exit(3)
tell(WorkerStarted(pipeline="a", queue="q", table="t", version="0"))
tell(structs.replace(batch, pipeline="a"))
tell(PipelineEnded(pipeline="a"))
tell(PipelineEnded(pipeline="c", code="keyring", what="the key is wrong", exit_code=4))
sys.exit(4)
"""
    several = Several("from msgspec import structs\nfrom sofetch.events import WorkerStarted" + program, processes=2)
    done = several.supervisor.run()
    assert sorted(one.exit_code for one in ends(several.told)) == [3, 4, 4]
    assert [one.exit_code for one in ends(several.told) if one.restart_in_seconds is not None] == [3]
    assert (done.summaries["a"].loaded, list(done.errors)) == (14, ["c"])


def test_no_line_ends_up_within_another_that_was_told_by_another_thread() -> None:
    reading, writing = os.pipe()
    tell = relay_to(writing)
    lines = [Failed(code=str(number), what=str(number) * 200_000, hint="") for number in range(4)]
    threads = [threading.Thread(target=tell, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    received, told = Received(), list[Event]()
    while len(told) < len(lines):
        told += received.feed(os.read(reading, 1_000))
    for thread in threads:
        thread.join()
    os.close(reading)
    os.close(writing)
    assert sorted(told, key=lambda event: event.code) == lines  # type: ignore[attr-defined]


def test_there_is_at_least_one_core() -> None:
    assert usable_cores() >= 1


@pytest.mark.slow
def test_what_a_worker_that_gives_way_failed_by_is_told_and_its_successor_works(tmp_path: Path) -> None:
    class Failing(Several):
        def heard(self, event: Event) -> None:
            match event:
                case BatchDone() if self.count(BatchDone) == 1:
                    self.supervisor.reload()
                case BatchDone():
                    self.stop.ask("SIGTERM")
                case _:
                    pass

    program = f"""
with stop_on_signals(stop):
    tell(batch)
    stop.wait(60)
if once({str(tmp_path / "first")!r}):
    tell(Failed(code="sink_refused", what="no table", hint="make it"))
    sys.exit(3)
"""
    one = Failing(program, processes=1, several=False)
    one.supervisor.run()
    assert [(told.code, told.process) for told in one.told if isinstance(told, Failed)] == [("sink_refused", 1)]
    assert [(end.exit_code, end.reload) for end in ends(one.told)] == [(3, True), (0, False)]


def test_asked_to_stop_before_it_runs_it_starts_nobody() -> None:
    told, stop = list[Event](), Stop()
    stop.ask("SIGTERM")
    summary = supervise("", processes=2, listen=told.append, stop=stop)
    assert (told, summary.stopped_by) == ([], "SIGTERM")
