"""Several pipelines in one process or several, on a real queue and Postgres, while SIGHUPs come and one is broken."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest

import forked
from keyrings import KEYRING
from loading import query
from patience import turns
from sofetch.config import load_pipelines
from sofetch.load.setup.schema import apply_schema

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

pytestmark = pytest.mark.slow
OTHER_MATERIAL = base64.b64encode(bytes(range(2, 34))).decode()


class Several:
    """A queue and a table for each name, one file that holds them, and the program as a subprocess."""

    def __init__(self, folder: Path, *, dsn: str, endpoint: str, sqs: SQSClient) -> None:
        self.dsn = dsn
        self._folder = folder
        self._endpoint = endpoint
        self._sqs = sqs
        self._urls: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self.keyring = folder / "keyring.json"
        self.write_keyring("k1")
        self.environ = {name: text for name, text in os.environ.items() if not name.startswith("SOFETCH_")}
        self.environ |= {"PYTHONWARNINGS": "error", "SOFETCH_KEYRING_FILE": str(self.keyring)}

    def write_keyring(self, primary: str) -> None:
        """The first key and, where it is not the primary, a newer one that is."""
        keys = json.loads(KEYRING)["keys"]
        if primary != "k1":
            keys[0]["status"] = "active"
            keys.append(
                {"kid": primary, "material": base64.b64encode(bytes(range(1, 33))).decode(), "status": "primary"}
            )
        put(self.keyring, json.dumps({"keys": keys}))

    def configure(
        self, *names: str, dsn_of: Mapping[str, str] | None = None, schema: bool = True, log: str = "debug"
    ) -> None:
        """One file with these pipelines; their queues are made and, with ``schema``, their tables."""
        dsns = dict.fromkeys(names, self.dsn) | dict(dsn_of or {})
        sections = [section for name in names for section in self._sections(name, dsns[name])]
        put(self._file, "\n".join([self._shared(log), *sections]))
        if schema:
            for settings in load_pipelines(self._file, environ={}).pipelines:
                apply_schema(settings, dsn=self.dsn)

    def alone(self, name: str) -> None:
        """The same file with this one only, as a file of one pipeline."""
        text = "\n".join([self._shared("debug"), *self._sections(name, self.dsn)])
        text = text.replace(f"[pipelines.{name}]\n", "").replace(f"pipelines.{name}.", "")
        self._file.write_text(text)

    def edit(self, old: str, new: str) -> None:
        """The file with this in the place of that."""
        assert old in self.text
        self.put_text(self.text.replace(old, new))

    def _shared(self, log: str) -> str:
        return (
            f'log.level = "{log}"\nhttp = {{ listen = "127.0.0.1:0", unhealthy_after_seconds = 0 }}\n'
            f'source.endpoint = "{self._endpoint}"\nsource.region = "eu-west-1"\n'
            "source.wait_seconds = 1\nsource.receivers = 1\n"
        )

    def _sections(self, name: str, dsn: str) -> Iterator[str]:
        file = self._folder / f"{name}.dsn"
        put(file, dsn)
        if name not in self._urls:
            queue = f"{name}-{uuid.uuid4().hex[:8]}"
            self._urls[name] = self._sqs.create_queue(QueueName=queue)["QueueUrl"]
        yield f'[pipelines.{name}]\nsource.queue = "{self._urls[name]}"'
        yield f'sink.table = "t_{name}"\nsink.dsn_file = "{file}"'
        yield f'[[pipelines.{name}.column]]\nname = "id"\n[[pipelines.{name}.column]]\nname = "who"\nmask = "token"'

    @property
    def text(self) -> str:
        """What is configured."""
        return self._file.read_text()

    def put_text(self, text: str) -> None:
        """Configure this."""
        put(self._file, text)

    @property
    def _file(self) -> Path:
        return self._folder / "sofetch.toml"

    def send(self, *names: str) -> None:
        """Ten messages to each."""
        for name in names:
            first = self._numbers.get(name, 0)
            self._numbers[name] = first + 10
            numbers = range(first, first + 10)
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(one), "MessageBody": json.dumps({"id": f"{name}-{one}", "who": f"who-{one}"})}
                for one in numbers
            ]
            self._sqs.send_message_batch(QueueUrl=self._urls[name], Entries=entries)

    def come_again_after(self, seconds: int) -> None:
        """What a killed process held comes again so soon."""
        for url in self._urls.values():
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})

    def left(self) -> int:
        """Messages in the queues, visible and invisible."""
        counts = [
            self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            for url in self._urls.values()
        ]
        visible = sum(int(one["ApproximateNumberOfMessages"]) for one in counts)
        return visible + sum(int(one["ApproximateNumberOfMessagesNotVisible"]) for one in counts)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run("sofetch", arguments, folder=self._folder, environ=self.environ)

    def assert_each_exactly_once(self, *names: str) -> None:
        for name in names:
            ids = [row[0] for row in query(self.dsn, f"SELECT id FROM t_{name}")]
            assert sorted(ids) == sorted(f"{name}-{one}" for one in range(self._numbers[name]))

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Nobody gets into this one's table."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f"LOCK TABLE public.t_{name}".encode())
            yield

    @contextmanager
    def running(self, *options: str) -> Iterator[Run]:
        run = Run(
            subprocess.Popen(
                [sys.executable, "-m", "sofetch", "run", "--json", *options],
                cwd=self._folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # in a terminal's session SIGHUP would stop it
            )
        )
        try:
            yield run
        finally:
            run.process.kill()
            run.process.communicate()


def put(file: Path, text: str) -> None:
    """Write it at once, as what rotates secrets does: a pipeline that starts reads the old text or the new one."""
    written = file.with_suffix(".new")
    written.write_text(text)
    written.chmod(0o600)
    written.replace(file)


class Run:
    """A started ``sofetch run``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []

    def until(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Read the log until this was told; that line."""
        while True:
            line = self._next()
            if wanted.items() <= line.items():
                return line

    def loaded(self, **wanted: int) -> None:
        """Read the log until each of these pipelines has loaded so many."""
        while any(self._loaded(name) < number for name, number in wanted.items()):
            self._next()

    def started(self, name: str, times: int) -> None:
        """Read the log until this pipeline has started so often."""
        while sum(one["event"] == "worker_started" and one["pipeline"] == name for one in self.told) < times:
            self._next()

    def _loaded(self, name: str) -> int:
        batches = [one for one in self.told if one["event"] == "batch_done"]
        return sum(one["loaded"] for one in batches if one.get("pipeline", name) == name)

    def _next(self) -> dict[str, Any]:
        assert self.process.stderr is not None
        text = self.process.stderr.readline()
        assert text, f"it ended: {self.told}"
        line: dict[str, Any] = json.loads(text)
        self.told.append(line)
        return line

    def pid_of(self, process: int) -> int:
        """The latest process of this number."""
        pids: list[int] = [
            one["pid"] for one in self.told if one["event"] == "process_started" and one["process"] == process
        ]
        return pids[-1]

    def reload(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGHUP)
        return self.until({"event": "reloaded"})

    def refused(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGHUP)
        while (line := self._next())["event"] != "reload_refused":
            assert line["event"] != "reloaded"
        return line

    def end(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        summary: dict[str, Any] = json.loads(out)
        return summary


def page(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def several(tmp_path: Path, database: str, fast_queue_endpoint: str) -> Iterator[Several]:
    sqs = boto3.client("sqs", endpoint_url=fast_queue_endpoint)
    yield Several(tmp_path, dsn=database, endpoint=fast_queue_endpoint, sqs=sqs)
    sqs.close()


def test_one_with_a_refused_table_ends_alone_and_the_others_load_and_are_summed_up(several: Several) -> None:
    several.configure("a", "b")
    several.configure("a", "b", "broken", schema=False)
    several.send("a", "b", "broken")
    done = several.command("run", "--drain", "--json")
    told = json.loads(done.stdout)
    assert {name: one["loaded"] for name, one in told["pipelines"].items()} == {"a": 10, "b": 10}
    assert set(told["failed"]) == {"broken"}
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [one["pipeline"] for one in events if one.get("event") == "failed"] == ["broken"]
    assert done.returncode == events[-1]["error"]["exit_code"] == 3
    several.assert_each_exactly_once("a", "b")
    # The commands that are about all: one table is missing, and there is nothing else to do.
    pending = json.loads(several.command("schema", "--json").stdout)["pipelines"]
    assert {name: bool(one["pending"]) for name, one in pending.items()} == {"a": False, "b": False, "broken": True}
    applied = json.loads(several.command("schema", "--apply", "--json", "--pipeline", "broken").stdout)["pipelines"]
    assert list(applied) == ["broken"]
    maintained = json.loads(several.command("maintain", "--dry-run", "--json").stdout)["pipelines"]
    assert list(maintained) == ["a", "b", "broken"]


def test_reloads_while_messages_flow_exchange_what_changed_and_lose_and_double_nothing(several: Several) -> None:
    broken = {"b": "postgresql://127.0.0.1:1/nowhere"}
    several.configure("a", "b", "gone", dsn_of=broken)
    several.send("a", "b", "gone")
    with several.running() as run:
        address = run.until({"event": "listening"})["address"]
        run.loaded(a=10, gone=10)
        run.until({"event": "breaker_changed", "pipeline": "b", "state": "open"})
        status, text = page(address, "/health")
        healthy = {name: one["healthy"] for name, one in json.loads(text)["pipelines"].items()}
        assert (status, healthy) == (503, {"a": True, "b": False, "gone": True})
        assert page(address, "/readyz")[0] == 200

        # A new key for all, a connection string mended, one removed, one added; and again at once.
        several.write_keyring("k2")
        several.configure("a", "b", "new")
        several.send("a", "b", "new")
        assert counts(run.reload()) == (3, 3, 0)
        several.configure("a", "b", "new", log="info")
        assert counts(run.reload()) == (0, 0, 3)
        assert [one["sections"] for one in run.told if one["event"] == "restart_needed"] == ["log"]
        run.started("a", 2)
        several.send("a", "b", "new")
        run.loaded(a=30, b=30, new=20)
        for _ in turns():  # the one that is gone may take longer than the others to let go
            status, text = page(address, "/health")
            if "gone" not in json.loads(text)["pipelines"]:
                break
        assert (status, list(json.loads(text)["pipelines"])) == (200, ["a", "b", "new"])

        # Wrong: all goes on.
        several.keyring.write_text("{}")
        run.process.send_signal(signal.SIGHUP)
        assert run.until({"event": "reload_refused"})["code"] == "keyring"
        several.send("a")
        run.loaded(a=40)
        summary = run.end()
    assert {name: one["loaded"] for name, one in summary["pipelines"].items()} == {
        "a": 40,
        "b": 30,
        "gone": 10,
        "new": 20,
    }
    assert (summary["failed"], run.process.returncode) == ({}, 0)
    several.assert_each_exactly_once("a", "b", "gone", "new")
    kids = query(several.dsn, "SELECT DISTINCT split_part(who, '.', 2) FROM t_a ORDER BY 1")
    assert [kid for (kid,) in kids] == ["k1", "k2"]
    assert several.left() == 0


def test_one_pipeline_reads_a_new_key_at_sighup_and_goes_on(several: Several) -> None:
    several.configure("a")
    several.alone("a")
    several.send("a")
    with several.running() as run:
        run.loaded(a=10)
        several.write_keyring("k2")
        assert counts(run.reload()) == (1, 1, 0)
        run.started("t_a", 2)
        several.send("a")
        run.loaded(a=20)
        summary = run.end()
    assert (summary["loaded"], summary["stopped_by"], run.process.returncode) == (20, "SIGTERM", 0)
    assert all("pipeline" not in line for line in run.told if line["event"] != "worker_started")
    several.assert_each_exactly_once("a")
    assert query(several.dsn, "SELECT count(DISTINCT split_part(who, '.', 2)) FROM t_a") == [(2,)]


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "processes"])
def test_what_the_database_or_the_queue_would_refuse_takes_the_place_of_nothing_that_runs(
    several: Several, options: tuple[str, ...]
) -> None:
    several.configure("a")
    several.alone("a")
    sound = several.text
    several.send("a")
    with several.running(*options) as run:
        run.loaded(a=10)
        several.edit('name = "who"', 'name = "nobody"')
        assert "column nobody does not exist" in run.refused()["what"]
        several.put_text(sound)
        keys = several.keyring.read_text()
        put(several.keyring, keys.replace(json.loads(keys)["keys"][0]["material"], OTHER_MATERIAL))
        assert run.refused()["code"] == "keyring"
        put(several.keyring, keys)
        several.edit("/a-", "/nowhere-")
        assert run.refused()["code"] == "queue_missing"
        several.put_text(sound)
        several.send("a")
        run.loaded(a=20)
        summary = run.end()
    assert (summary["loaded"], run.process.returncode) == (20, 0)
    assert not [one for one in run.told if one["event"] in {"failed", "process_ended"} and one.get("exit_code")]
    several.assert_each_exactly_once("a")


def test_a_column_that_the_reload_itself_adds_to_the_table_is_no_reason_to_refuse_it(several: Several) -> None:
    several.configure("a")
    several.alone("a")
    with several.running("--apply-schema") as run:
        run.started("t_a", 1)
        several.put_text(several.text + '\n[[column]]\nname = "more"\n')
        assert counts(run.reload()) == (1, 1, 0)
        run.started("t_a", 2)
        several.send("a")
        sound = several.text
        several.edit("/a-", "/nowhere-")
        assert run.refused()["code"] == "queue_missing"  # no table, and asked for all the same
        several.put_text(sound)
        run.loaded(a=10)
        run.end()


def test_one_of_several_that_would_be_refused_keeps_all_as_they_are_and_a_new_one_ends_alone(several: Several) -> None:
    several.configure("a", "b")
    with several.running() as run:
        run.started("a", 1)
        run.started("b", 1)
        several.edit('[[pipelines.b.column]]\nname = "id"', '[[pipelines.b.column]]\nname = "nothing"')
        assert "column nothing does not exist" in run.refused()["what"]
        several.configure("a", "b")
        several.configure("a", "b", "new", schema=False)
        assert counts(run.reload()) == (1, 0, 2)
        assert run.until({"event": "failed"})["pipeline"] == "new"
        several.send("a", "b")
        run.loaded(a=10, b=10)
        run.end()


def test_one_of_several_that_would_be_refused_keeps_all_as_they_are_in_two_processes_too(several: Several) -> None:
    several.configure("a", "b")
    with several.running("--processes", "2") as run:
        several.send("a", "b")
        run.loaded(a=10, b=10)
        several.edit('[[pipelines.b.column]]\nname = "id"', '[[pipelines.b.column]]\nname = "nothing"')
        for _ in range(2):  # nor is it taken for what stands, at the next
            assert "column nothing does not exist" in run.refused()["what"]
        several.send("a", "b")
        run.loaded(a=20, b=20)
        run.end()
    several.assert_each_exactly_once("a", "b")


def test_two_processes_of_one_pipeline_are_exchanged_at_sighup_and_lose_and_double_nothing(several: Several) -> None:
    several.configure("a")
    several.alone("a")
    several.send("a")
    with several.running("--processes", "2") as run:
        address = run.until({"event": "listening"})["address"]
        run.started("t_a", 2)
        assert counts(run.reload()) == (0, 0, 1)
        several.keyring.write_text("{}")
        run.process.send_signal(signal.SIGHUP)
        assert "process" not in run.until({"event": "reload_refused", "code": "keyring"})
        run.loaded(a=10)
        several.write_keyring("k2")
        several.send("a")
        assert counts(run.reload()) == (1, 1, 0)
        run.started("t_a", 4)
        several.send("a")
        run.loaded(a=30)
        told = page(address, "/metrics")[1].splitlines()
        summary = run.end()
    assert {"sofetch_workers 2", "sofetch_rows_loaded_total 30", "sofetch_process_restarts_total 0"} <= set(told)
    ends = [one for one in run.told if one["event"] == "process_ended"]
    assert [(one["exit_code"], one["reload"], one["restart_in_seconds"]) for one in ends[:2]] == [(0, True, 0.0)] * 2
    assert (summary["loaded"], summary["stopped_by"], run.process.returncode) == (30, "SIGTERM", 0)
    several.assert_each_exactly_once("a")
    assert query(several.dsn, "SELECT count(DISTINCT split_part(who, '.', 2)) FROM t_a") == [(2,)]
    assert several.left() == 0


def test_two_processes_with_two_pipelines_each_lose_and_double_nothing_in_a_kill_and_in_reloads(
    several: Several,
) -> None:
    several.configure("a", "b")
    several.come_again_after(4)
    several.environ["SOFETCH_SINK_LOCK_TIMEOUT_SECONDS"] = "1"
    with several.running("--processes", "2") as run:
        address = run.until({"event": "listening"})["address"]
        run.started("a", 2)
        run.started("b", 2)
        report = json.loads(page(address, "/health")[1])
        assert [(one["process"], list(one["pipelines"])) for one in report["processes"]] == [
            (1, ["a", "b"]),
            (2, ["a", "b"]),
        ]
        assert (report["healthy"], page(address, "/livez")[0], page(address, "/readyz")[0]) == (True, 200, 200)

        # Whoever has messages of a cannot load them, and is killed with them in hand; those of b are loaded meanwhile.
        with several.locked("a"):
            several.send("a", "b")
            holder = run.until({"event": "outage", "pipeline": "a"})["process"]
            os.kill(run.pid_of(holder), signal.SIGKILL)
            run.until({"event": "process_ended", "process": holder})
        run.loaded(a=10, b=10)
        run.started("a", 3)
        run.started("b", 3)

        # Wrong: told once, and all go on. Then right: each process exchanges what changed, and begins with what is new.
        several.keyring.write_text("{}")
        run.process.send_signal(signal.SIGHUP)
        assert "process" not in run.until({"event": "reload_refused", "code": "keyring"})
        several.write_keyring("k2")
        several.configure("a", "b", "c")
        reloads = [run.reload(), run.until({"event": "reloaded"})]
        assert {one["process"]: counts(one) for one in reloads} == {1: (3, 2, 0), 2: (3, 2, 0)}
        run.started("a", 5)
        run.started("c", 2)
        several.send("a", "b", "c")
        run.loaded(a=20, b=20, c=10)
        told = page(address, "/metrics")[1].splitlines()
        summary = run.end()
    for name, rows in {"a": 20, "b": 20, "c": 10}.items():
        assert f'sofetch_rows_loaded_total{{pipeline="{name}"}} {rows}' in told
        assert f'sofetch_workers{{pipeline="{name}"}} 2' in told
    assert "sofetch_process_restarts_total 1" in told
    assert {name: one["loaded"] for name, one in summary["pipelines"].items()} == {"a": 20, "b": 20, "c": 10}
    assert {one["stopped_by"] for one in summary["pipelines"].values()} == {"SIGTERM"}
    assert (summary["failed"], run.process.returncode) == ({}, 0)
    several.assert_each_exactly_once("a", "b", "c")
    assert {kid for (kid,) in query(several.dsn, "SELECT split_part(who, '.', 2) FROM t_a")} == {"k1", "k2"}
    assert sum(one["event"] == "reload_refused" for one in run.told) == 1
    assert several.left() == 0


def test_one_that_is_refused_ends_alone_in_each_process_and_its_code_is_that_of_the_whole(several: Several) -> None:
    several.configure("a")
    several.configure("a", "broken", "not_named", schema=False)
    several.send("a", "broken")
    done = several.command("run", "a", "broken", "--drain", "--json", "--processes", "2")
    told = json.loads(done.stdout)
    assert {name: one["loaded"] for name, one in told["pipelines"].items()} == {"a": 10}
    assert (set(told["failed"]), told["failed"]["broken"]["code"]) == ({"broken"}, "sink_refused")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    failed = [(one["pipeline"], one["process"]) for one in events if one.get("event") == "failed"]
    assert sorted(failed) == [("broken", 1), ("broken", 2)]  # and not the one that was not named
    assert done.returncode == events[-1]["error"]["exit_code"] == 3
    several.assert_each_exactly_once("a")


def counts(reloaded: dict[str, Any]) -> tuple[int, int, int]:
    return reloaded["started"], reloaded["ended"], reloaded["unchanged"]
