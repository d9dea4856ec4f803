"""Several pipelines in one process: what the end of one means, and what a new configuration changes."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from msgspec.structs import replace

from loading import settings_for
from sofetch.clock import SystemClock
from sofetch.config import lint_config, load_config, load_pipelines
from sofetch.errors import ConfigError, SinkRefused
from sofetch.events import Draining, Event, Events, Failed, Reloaded, ReloadRefused, Unexpected
from sofetch.observe.board import Board
from sofetch.pipelines import Done, Pipelines, Planned, change_of, together
from sofetch.settings import Settings
from sofetch.stopping import Stop
from sofetch.worker import Summary

TWO = """
[source]
endpoint = "http://127.0.0.1:1"
[pipelines.a]
source.queue = "qa"
sink.table = "a"
[[pipelines.a.column]]
name = "id"
[pipelines.b]
source.queue = "qb"
sink.table = "b"
[[pipelines.b.column]]
name = "id"
"""


def plan(table: str, mark: bytes = b"", **sink: Any) -> Planned:
    return Planned(table, settings_for([{"name": "id"}], table=table, **sink), mark)


def summary(stopped_by: str) -> Summary:
    return Summary(
        received=0,
        loaded=0,
        duplicates=0,
        quarantined=0,
        released=0,
        batches=0,
        seconds=0.0,
        stopped_by=stopped_by,
        quarantined_by_reason={},
    )


def write(folder: Path, text: str) -> Path:
    (folder / "sofetch.toml").write_text(text)
    return folder / "sofetch.toml"


def test_what_did_not_change_goes_on_and_what_did_is_exchanged() -> None:
    change = change_of({"a": plan("a"), "b": plan("b"), "c": plan("c")}, [plan("a"), plan("b", b"new key"), plan("d")])
    assert (change.unchanged, change.end) == (("a",), ("b", "c"))
    assert [one.name for one in change.start] == ["b", "d"]


def test_a_reload_exchanges_one_and_leaves_the_other_and_a_wrong_one_leaves_all() -> None:
    stop, told, runs, never_two = Stop(), list[Event](), list[str](), threading.Lock()
    answers: list[Sequence[Planned] | ConfigError] = [ConfigError("wrong"), [plan("a"), plan("b", b"new")]]

    def read() -> Sequence[Planned]:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    def run_one(settings: Settings, _events: Events, mine: Stop) -> Summary:
        runs.append(settings.pipeline_name)
        with never_two if settings.pipeline_name == "b" else threading.Lock():
            if runs.count("b") == 2:
                stop.ask("SIGTERM")
            mine.wait(30)
        return summary(mine.reason)

    def hear(event: Event) -> None:
        told.append(event)
        if isinstance(event, ReloadRefused):
            pipelines.reload()

    pipelines = Pipelines(run_one, read=read, events=Events(hear), stop=stop, board=Board(clock=SystemClock()))
    pipelines.reload()
    done = pipelines.run([plan("a"), plan("b")])
    assert sorted(runs) == ["a", "b", "b"]
    assert [type(event) for event in told] == [ReloadRefused, Reloaded]
    assert set(done.summaries) == {"a", "b"}


def test_one_that_a_person_must_see_to_ends_alone_and_its_error_is_the_last_word() -> None:
    stop, board, ended = Stop(), Board(clock=SystemClock()), threading.Event()
    told: list[Event] = []

    def hear(event: Event) -> None:
        told.append(event)
        ended.set()

    def run_one(settings: Settings, _events: Events, mine: Stop) -> Summary:
        if settings.pipeline_name == "a":
            raise SinkRefused("there is no table")
        assert ended.wait(30)
        assert not mine.asked
        return summary("drained")

    done = Pipelines(run_one, read=list, events=Events(hear), stop=stop, board=board).run([plan("a"), plan("b")])
    assert isinstance(done.errors["a"], SinkRefused)
    assert list(done.summaries) == ["b"]
    assert [(type(event), event.pipeline) for event in told] == [(Failed, "a")]
    assert not board.report().healthy


class Stage:
    """Runs pipelines that end when told to, and says what happened, in order."""

    def __init__(self, *states: Sequence[Planned]) -> None:
        self.stop = Stop()
        self.board = Board(clock=SystemClock())
        self.states = list(states)
        self.told: SimpleQueue[Event] = SimpleQueue()
        self.runs: SimpleQueue[tuple[str, Settings]] = SimpleQueue()
        self.may_end = {name: threading.Event() for name in "abcd"}
        self.now: Counter[str] = Counter()
        self.most = 0
        self.pipelines = Pipelines(
            self._run_one, read=self._read, events=Events(self.told.put), stop=self.stop, board=self.board
        )
        self.done: list[Done] = []

    def _read(self) -> Sequence[Planned]:
        return self.states.pop(0)

    def _run_one(self, settings: Settings, _events: Events, mine: Stop) -> Summary:
        name = settings.sink.table
        self.now[name] += 1
        self.most = max(self.most, *self.now.values())
        self.runs.put((name, settings))
        mine.wait(30)
        if mine.reason == "reload":
            assert self.may_end[name].wait(30)
        self.now[name] -= 1
        if settings.sink.ledger_days == 99:
            raise RuntimeError("broken")
        return summary(mine.reason)

    def started(self) -> Settings:
        return self.runs.get(timeout=30)[1]

    def reloaded(self) -> Reloaded:
        self.pipelines.reload()
        event = self.told.get(timeout=30)
        assert isinstance(event, Reloaded)
        return event

    @contextmanager
    def running(self, *planned: Planned) -> Iterator[None]:
        thread = threading.Thread(target=lambda: self.done.append(self.pipelines.run(planned)))
        thread.start()
        try:
            for _ in planned:
                self.started()
            yield
        finally:
            self.stop.ask("SIGTERM")
            for event in self.may_end.values():
                event.set()
            thread.join(30)


def counts(event: Reloaded) -> tuple[int, int, int]:
    return event.started, event.ended, event.unchanged


def test_a_stop_whose_signal_woke_nobody_is_seen_all_the_same() -> None:
    stop, started = Stop(), threading.Event()

    def run_one(_settings: Settings, _events: Events, mine: Stop) -> Summary:
        started.set()
        mine.wait(60)
        return summary(mine.reason)

    pipelines = Pipelines(run_one, read=list, events=Events(), stop=stop, board=Board(clock=SystemClock()), alone=True)
    stop.then(lambda: None)
    done: list[Done] = []
    running = threading.Thread(target=lambda: done.append(pipelines.run([plan("a")])), daemon=True)
    running.start()
    started.wait(60)
    stop.ask("SIGTERM")
    running.join(60)
    assert [one.summaries["a"].stopped_by for one in done] == ["SIGTERM"]


def test_a_second_reload_while_the_first_still_drains_wins_and_never_are_there_two_of_one_name() -> None:
    first, second = plan("b", b"first"), plan("b", b"second", ledger_days=9)
    stage = Stage([plan("a"), first], [plan("a"), second], [plan("a"), second])
    with stage.running(plan("a"), plan("b")):
        assert counts(stage.reloaded()) == (1, 1, 1)
        assert counts(stage.reloaded()) == (1, 1, 1)
        assert counts(stage.reloaded()) == (0, 0, 2)
        assert stage.runs.empty()
        stage.may_end["b"].set()
        assert stage.started().sink.ledger_days == 9
    assert stage.most == 1
    assert stage.runs.empty()
    assert set(stage.done[0].summaries) == {"a", "b"}


def test_one_that_was_to_be_exchanged_and_is_then_removed_does_not_come_back() -> None:
    stage = Stage([plan("a"), plan("b", b"new")], [plan("a")], [plan("a"), plan("c")])
    with stage.running(plan("a"), plan("b")):
        stage.reloaded()
        assert counts(stage.reloaded()) == (0, 1, 1)
        stage.may_end["b"].set()
        assert counts(stage.reloaded()) == (1, 0, 1)
        assert stage.started().sink.table == "c"
    assert stage.runs.empty()
    assert set(stage.done[0].summaries) == {"a", "b", "c"}


def test_one_removed_and_taken_in_again_while_it_drains_starts_once_it_has_ended() -> None:
    stage = Stage([plan("a")], [plan("a"), plan("b")])
    with stage.running(plan("a"), plan("b")):
        assert counts(stage.reloaded()) == (0, 1, 1)
        assert counts(stage.reloaded()) == (1, 0, 1)
        assert stage.runs.empty()
        stage.may_end["b"].set()
        assert stage.started().sink.table == "b"
    assert stage.most == 1


def test_a_stop_while_one_is_exchanged_starts_nothing_more_and_is_what_ended_it() -> None:
    stage = Stage([plan("b", b"new")])
    with stage.running(plan("a"), plan("b")):
        assert counts(stage.reloaded()) == (1, 2, 0)
    assert stage.runs.empty()
    assert {name: one.stopped_by for name, one in stage.done[0].summaries.items()} == {"a": "reload", "b": "SIGTERM"}


def test_a_stop_while_a_reload_is_tried_is_not_kept_waiting_by_what_is_still_to_be_tried() -> None:
    """Each may take as long as a database that is away is waited for, and a service manager has its limit."""
    stop, tried = Stop(), list[str]()

    def rehearse(settings: Settings) -> None:
        tried.append(settings.pipeline_name)
        stop.ask("SIGTERM")

    def run_one(_settings: Settings, _events: Events, mine: Stop) -> Summary:
        mine.wait(30)
        return summary(mine.reason)

    told: list[Event] = []
    pipelines = Pipelines(
        run_one,
        read=lambda: [plan("a", b"new"), plan("b", b"new"), plan("c")],
        events=Events(told.append),
        stop=stop,
        board=Board(clock=SystemClock()),
        rehearse=rehearse,
    )
    pipelines.reload()
    done = pipelines.run([plan("a"), plan("b")])
    assert tried == ["a"]
    assert told == []
    assert {name: one.stopped_by for name, one in done.summaries.items()} == {"a": "SIGTERM", "b": "SIGTERM"}


def test_whoever_reads_that_one_failed_and_reloads_at_once_gets_it_started_again() -> None:
    starts: list[str] = []
    stop, started_again = Stop(), threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, Failed):
            pipelines.reload()
            assert reading.wait(30)

    def read() -> Sequence[Planned]:
        reading.set()
        return [plan("a")]

    def run_one(_settings: Settings, _events: Events, mine: Stop) -> Summary:
        starts.append("a")
        if len(starts) == 1:
            raise SinkRefused("there is no table")
        started_again.set()
        stop.ask("SIGTERM")
        return summary(mine.reason)

    reading = threading.Event()
    pipelines = Pipelines(run_one, read=read, events=Events(hear), stop=stop, board=Board(clock=SystemClock()))
    done = pipelines.run([plan("a")])
    assert started_again.is_set()
    assert not done.errors


def test_a_fault_of_the_program_ends_all_in_good_order_and_is_the_error_of_the_whole() -> None:
    stage = Stage([plan("b")])
    stage.may_end["a"].set()
    with stage.running(plan("a", ledger_days=99), plan("b")):
        stage.pipelines.reload()  # removes a, which breaks as it ends
        kinds = [type(stage.told.get(timeout=30)) for _ in range(2)]
        assert set(kinds) == {Reloaded, Unexpected}
        assert stage.stop.wait(30)
    assert stage.stop.reason == "fault"
    assert isinstance(stage.done[0].errors["a"], RuntimeError)
    assert stage.done[0].summaries["b"].stopped_by == "fault"


def test_a_fault_in_reading_is_told_and_ends_nothing() -> None:
    stage = Stage()
    with stage.running(plan("a")):
        stage.pipelines.reload()
        assert isinstance(stage.told.get(timeout=30), Unexpected)
        assert not stage.stop.asked


def test_one_alone_bears_no_name_and_tells_no_error_itself() -> None:
    told: list[Event] = []

    def run_one(_settings: Settings, events: Events, _stop: Stop) -> Summary:
        events.emit(Draining(signal="SIGTERM"))
        raise SinkRefused("there is no table")

    board = Board(clock=SystemClock())
    pipelines = Pipelines(run_one, read=list, events=Events(told.append), stop=Stop(), board=board, alone=True)
    assert isinstance(pipelines.run([plan("a")]).errors["a"], SinkRefused)
    assert told == [Draining(signal="SIGTERM")]


def test_what_was_away_when_an_exchanged_one_ended_is_no_matter_once_the_next_has_ended_well() -> None:
    away, well = replace(summary("reload"), away=["database"], seconds=2.0), replace(summary("drained"), seconds=3.0)
    assert (together([away, well]).away, together([well, away]).away) == ([], ["database"])
    assert together([away, well]).seconds == 5.0


def test_one_file_holds_several_with_what_they_share_at_its_top(tmp_path: Path) -> None:
    found = load_pipelines(write(tmp_path, TWO), environ={})
    assert [(one.pipeline_name, one.source.queue, one.source.endpoint) for one in found.pipelines] == [
        ("a", "qa", "http://127.0.0.1:1"),
        ("b", "qb", "http://127.0.0.1:1"),
    ]


def test_where_there_are_several_one_must_be_named(tmp_path: Path) -> None:
    file = write(tmp_path, TWO)
    with pytest.raises(ConfigError, match="holds several pipelines: a, b"):
        load_config(file, environ={})
    assert load_config(file, environ={}, pipeline="b").sink.table == "b"


def test_a_mistake_is_named_by_its_own_line_and_a_variable_that_means_all_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, TWO.replace('sink.table = "b"', 'sink.tabel = "b"'))
    found = lint_config(file, environ={"SOFETCH_SOURCE_QUEUE": "q"})
    assert f"{file}:11" in {finding.where for finding in found if finding.code == "unknown_key"}
    assert "ambiguous_variable" in {finding.code for finding in found}


def test_a_directory_with_two_of_one_name_is_refused(tmp_path: Path) -> None:
    for file, queue in (("x", "qx"), ("y", "qy")):
        text = f'source.queue = "{queue}"\nsink.table = "t"\n[[column]]\nname = "id"\n'
        (tmp_path / f"{file}.toml").write_text(text)
    assert [finding.code for finding in lint_config(tmp_path, environ={})] == ["same_name"]


def test_what_belongs_to_the_process_is_said_once_at_the_top(tmp_path: Path) -> None:
    file = write(tmp_path, '[log]\nlevel = "debug"\n' + TWO)
    assert lint_config(file, environ={}) == []
    file = write(tmp_path, TWO + '[pipelines.b.log]\nlevel = "debug"\n')
    assert [finding.code for finding in lint_config(file, environ={})] == ["of_process"]
