"""What is shown of several pipelines: over HTTP, to Prometheus, and by the commands that look at all of them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from batches import batch_done
from loading import settings_for
from masking import entry, ring_text
from sofetch.breaker import Breakers
from sofetch.cli.root import root
from sofetch.cli.run_reload import listen_of, log_of, mark_of, planned
from sofetch.errors import ExitCode, SinkRefused
from sofetch.events import Events, Failed, MessagesQuarantined, WorkerStarted
from sofetch.observe.board import Board, Watched
from sofetch.observe.health import Health
from sofetch.observe.metrics import Metrics
from sofetch.observe.probes import Probes
from sofetch.observe.procfs import ProcessUse
from sofetch.observe.serving import HttpServer
from sofetch.processes.relay import Received
from sofetch.settings import Settings
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

USE = ProcessUse(resident_bytes=50_000_000, cpu_seconds=1.5, open_files=12, max_files=None, started_seconds=99.25)
TWO = """
[source]
endpoint = "http://127.0.0.1:1"
max_in_flight_bytes = 10485760
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


class Shown:
    """A board of pipelines that are told of, and what it answers."""

    def __init__(self, *names: str) -> None:
        self.clock = FakeClock()
        self.board = Board(clock=self.clock)
        self.events = {name: self._watch(name) for name in names}

    def _watch(self, name: str) -> Events:
        events, stop = Events(), Stop()
        breakers = Breakers(now=self.clock.monotonic())
        watched = Watched(
            Health(pipeline=name, breakers=breakers, clock=self.clock, stop=stop, unhealthy_after_seconds=0),
            Metrics(events.counters, clock=self.clock, use=lambda _pid: USE, pid=1),
            Probes(clock=self.clock, stop=stop, stuck_after_seconds=900),
        )
        for listener in watched:
            events.listen(listener)
        self.board.put(name, watched)
        return events

    def start(self, name: str) -> None:
        self.events[name].emit(WorkerStarted(pipeline=name, queue="q", table="t", version="0"))


def ask(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def shown() -> Shown:
    return Shown("a", "b")


@pytest.fixture
def address(shown: Shown) -> Iterator[str]:
    with closing(HttpServer("127.0.0.1:0", shown.board.pages())) as server:
        yield server.address


def test_one_that_failed_makes_the_whole_unhealthy_and_leaves_it_ready(shown: Shown, address: str) -> None:
    shown.start("a")
    shown.start("b")
    assert [ask(address, path)[0] for path in ("/health", "/livez", "/readyz")] == [200, 200, 200]
    shown.board.ended("b", SinkRefused("no table"))
    status, text = ask(address, "/health")
    told = json.loads(text)
    assert (status, told["healthy"], told["pipelines"]["a"]["healthy"]) == (503, False, True)
    assert told["pipelines"]["b"] == {"state": "ended", "healthy": False, "code": "sink_refused"}
    assert [ask(address, path)[0] for path in ("/livez", "/readyz")] == [200, 200]


def test_it_is_ready_while_any_is_and_not_when_none_has_started(shown: Shown, address: str) -> None:
    assert ask(address, "/readyz")[0] == 503
    shown.start("b")
    assert ask(address, "/readyz")[0] == 200
    shown.board.ended("b", SinkRefused("no table"))
    assert ask(address, "/readyz")[0] == 503


def test_one_that_was_done_is_well_and_one_that_is_configured_no_longer_is_not_shown(shown: Shown) -> None:
    shown.start("a")
    shown.board.ended("b", None)
    assert shown.board.report().healthy
    shown.board.drop("b")
    assert list(shown.board.report().pipelines) == ["a"]
    assert b'pipeline="b"' not in shown.board.metrics()


def test_one_that_is_stuck_makes_the_process_dead_unless_it_has_ended(shown: Shown) -> None:
    shown.start("a")
    shown.start("b")
    shown.clock.advance(901)
    shown.events["a"].emit(batch_done(1))
    assert not shown.board.live()
    shown.board.ended("b", SinkRefused("no table"))
    assert shown.board.live()


def test_prometheus_reads_each_sample_by_pipeline_and_those_of_the_process_once(shown: Shown, address: str) -> None:
    shown.events["a"].emit(batch_done(3))
    shown.events["b"].emit(batch_done(4))
    shown.events["b"].emit(MessagesQuarantined(reason="not_json", field=None, count=2))
    families = list(text_string_to_metric_families(ask(address, "/metrics")[1]))
    samples = [
        (one.name, tuple(sorted(one.labels.items())), one.value) for family in families for one in family.samples
    ]
    assert len({sample[:2] for sample in samples}) == len(samples)
    assert len({family.name for family in families}) == len(families)
    by_name = {(name, labels): value for name, labels, value in samples}
    assert by_name["sofetch_rows_loaded_total", (("pipeline", "a"),)] == 3
    assert by_name["sofetch_rows_loaded_total", (("pipeline", "b"),)] == 4
    assert by_name["sofetch_quarantined_total", (("pipeline", "b"), ("reason", "not_json"))] == 2
    assert by_name["process_resident_memory_bytes", ()] == 50_000_000
    assert all("pipeline" in dict(labels) for name, labels in by_name if name.startswith("sofetch_batch"))


DESTROYED = {"kid": "k1", "status": "destroyed"}


def marked(environ: dict[str, str], table: str = "a") -> bytes:
    return mark_of(settings_for([{"name": "id", "mask": "token"}], table=table), environ=environ)


def test_a_mark_tells_keys_their_order_and_connections_apart_and_nothing_else() -> None:
    dsn = {"SOFETCH_SINK_DSN": "postgresql://one"}
    one = dsn | {"SOFETCH_KEYRING": ring_text()}
    second = entry("k2", bytes(range(32, 64)), status="active")
    states = [
        one,
        one | {"SOFETCH_SINK_DSN": "postgresql://two"},
        dsn | {"SOFETCH_KEYRING": ring_text(entry("k9"))},
        dsn | {"SOFETCH_KEYRING": ring_text(entry(), second)},
        dsn | {"SOFETCH_KEYRING": ring_text(entry(status="active"), entry("k2", bytes(range(32, 64))))},
        dsn | {"SOFETCH_KEYRING": ring_text(entry(status="decrypt_only"), entry("k2", bytes(range(32, 64))))},
        dsn | {"SOFETCH_KEYRING": ring_text(DESTROYED, entry("k2", bytes(range(32, 64))))},
    ]
    assert len({marked(state) for state in states}) == len(states)
    assert marked(one) == marked(dict(one)) == marked(one | {"OTHER": "x"})
    assert bytes(range(32)) not in marked(one)


def with_log(level: str) -> Settings:
    settings = settings_for([{"name": "id"}], table="a")
    return type(settings)(
        source=settings.source,
        sink=settings.sink,
        column=settings.column,
        log=type(settings.log)(level=level),  # type: ignore[arg-type]
    )


def test_another_log_is_no_reason_to_exchange_a_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFETCH_KEYRING", ring_text())
    monkeypatch.setenv("SOFETCH_SINK_DSN", "postgresql://one")
    assert planned([with_log("info")]) == planned([with_log("debug")])
    assert log_of([with_log("info"), with_log("debug")]).level == "debug"
    assert listen_of([with_log("info")]) is None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFETCH_KEYRING", ring_text())
    monkeypatch.delenv("SOFETCH_SINK_DSN", raising=False)
    (tmp_path / "sofetch.toml").write_text(TWO)
    return tmp_path


def sofetch(*arguments: str) -> Result:
    return CliRunner().invoke(root, list(arguments))


@pytest.mark.usefixtures("folder")
def test_check_looks_at_each_and_says_what_they_hold_together() -> None:
    found = json.loads(sofetch("check", "--offline", "--json").stdout)["findings"]
    (together,) = [one for one in found if one["code"] == "pipelines_together"]
    assert "2 pipelines: together they hold up to 10,000 messages and 20 MiB" in together["what"]
    assert {one["where"] for one in found if one["code"] == "keys_present"} == {"a: keys", "b: keys"}
    one_of_them = json.loads(sofetch("check", "--offline", "--json", "--pipeline", "b").stdout)["findings"]
    assert {one["code"] for one in one_of_them if one["where"].startswith("a:")} == set()
    assert "pipelines_together" not in {one["code"] for one in one_of_them}


@pytest.mark.parametrize(
    ("text", "code"), [(TWO, "restart_needed"), (TWO.replace("sink.table", "sink.tabel"), "config_invalid")]
)
def test_a_worker_that_starts_with_what_its_supervisor_did_not_have_tells_it_why_it_cannot(
    folder: Path, text: str, code: str
) -> None:
    (folder / "sofetch.toml").write_text(text)
    reading, writing = os.pipe()
    result = sofetch("run", "--relay-to", str(writing))
    os.close(writing)
    (told,) = Received().feed(os.read(reading, 65_536))
    os.close(reading)
    assert isinstance(told, Failed)
    assert (told.code, result.exit_code, result.output) == (code, ExitCode.USAGE, "")


def test_top_finds_the_address_of_several_without_being_told_which(folder: Path) -> None:
    (folder / "sofetch.toml").write_text('[http]\nlisten = "127.0.0.1:1"\n' + TWO)
    result = sofetch("top", "--json")
    assert "which_pipeline" not in result.stderr
    assert "127.0.0.1:1" in result.stderr


def test_the_json_schema_takes_a_file_of_several_and_names_a_mistake_in_one() -> None:
    import tomllib

    from sofetch.config import json_schema

    validator = pytest.importorskip("jsonschema").Draft202012Validator(json_schema())
    assert validator.is_valid(tomllib.loads(TWO))
    assert not validator.is_valid(tomllib.loads(TWO.replace("sink.table", "sink.tabel")))
    assert not validator.is_valid(tomllib.loads(TWO + "[pipelines.b.log]\nlevel = 'debug'\n"))
    assert not validator.is_valid(tomllib.loads("[pipelines]\n"))
