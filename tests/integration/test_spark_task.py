"""One task of the Spark job, without Spark: a partition into a real Postgres."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from archived import CANARY, DAMAGED, Archive, Job, make_job
from canaries import canaries_in
from keyrings import KEYRING
from loading import lasting_day, query
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.errors import SofetchError
from sofetch.load.postgres import PostgresSink
from sofetch.mask import compile_masker, parse_keyring
from sofetch.pipeline import Steps, process
from sofetch.record import Message
from sofetch.spark import task
from sofetch.spark.plan import Plan
from sofetch.spark.reading import Item, read_rows

pytestmark = pytest.mark.slow


@pytest.fixture
def job(tmp_path: Path, database: str) -> Job:
    return make_job(tmp_path, database)


def plan_for(job: Job) -> Plan:
    return Plan(settings=msgspec.json.encode(job.settings), input="envelopes", has_ids=True)


def items(archive: Archive, plan: Plan, *more: bytes) -> Iterator[Item]:
    return read_rows({"body": [*archive.envelopes(), *more]}, plan, queue="q", now_ms=SystemClock().now_ms())


def load_live(archive: Archive, job: Job) -> None:
    """As a worker would."""
    masker = compile_masker(job.settings, parse_keyring(KEYRING))
    sink = PostgresSink(job.settings, dsn=job.dsn)
    messages = [
        Message(id=id_, body=body.encode(), queue="q", sent_ms=archive.sent_ms, received_ms=archive.sent_ms)
        for id_, body in zip(archive.ids, archive.bodies, strict=True)
    ]
    process(messages, Steps(compile_decoder(job.settings), masker, sink))
    sink.close()


def test_a_task_gives_the_rows_and_tokens_of_the_live_path(job: Job) -> None:
    archive, plan = Archive(300), plan_for(job)
    done = task.load(items(archive, plan, *DAMAGED), plan, environ=job.environ)
    assert (done.read, done.loaded, done.quarantined) == (302, 297, 5)
    of_the_task = job.rows()
    query(job.dsn, "TRUNCATE user_logins, sofetch.ledger, sofetch.quarantine")
    load_live(archive, job)
    assert job.rows() == of_the_task


def test_what_the_live_path_loaded_is_a_duplicate_and_a_task_that_runs_again_doubles_nothing(job: Job) -> None:
    archive, plan = Archive(300), plan_for(job)
    load_live(archive, job)
    for _ in range(2):
        done = task.load(items(archive, plan, *DAMAGED), plan, environ=job.environ)
        assert (done.loaded, done.duplicates) == (0, 297)
    assert (job.count("user_logins"), job.count("sofetch.quarantine")) == (297, 5)


def test_a_day_that_is_forgotten_while_a_task_runs_is_passed_over_from_then_on(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is kept by whoever loads, at midnight too: a task that gave up at that would be run again from the
    start, and by a master without retries not at all.
    """
    monkeypatch.setattr(task, "PATIENCE_SECONDS", 10.0)
    job = make_job(tmp_path, database, {"SOFETCH_SINK_LEDGER_DAYS": "60", "SOFETCH_BATCH_MAX_MESSAGES": "10"})
    plan, month_ago = plan_for(job), int((lasting_day() - timedelta(days=30)).timestamp() * 1_000)
    old, young = Archive(15, sent_ms=month_ago), Archive(20)
    for archive in (old, young):
        load_live(archive, job)

    def read() -> Iterator[Item]:
        yield from items(old, plan)
        query(job.dsn, "UPDATE sofetch.pipeline SET ledger_days = 20")
        query(job.dsn, "SELECT sofetch.drop_ledger_partitions(20)")
        yield from items(young, plan)
        yield from items(Archive(5, sent_ms=month_ago), plan)

    done = task.load(read(), plan, environ=job.environ)
    assert (done.read, done.loaded, done.duplicates, done.too_old) == (40, 0, 30, 10)
    assert job.count("user_logins") == 35


def test_what_a_person_must_mend_is_an_answer_and_no_task_is_run_again_for_it(job: Job) -> None:
    plan = plan_for(job)
    for broken, code in (({"SOFETCH_KEYRING_FILE": "/nowhere"}, "keyring"), ({"SOFETCH_SINK_DSN": ""}, "config")):
        failure = task.load(items(Archive(1), plan), plan, environ=job.environ | broken).failure
        assert failure is not None
        assert failure.code == code
        assert task.check(plan, environ=job.environ | broken).failure == failure
    query(job.dsn, "DROP TABLE user_logins")
    failure = task.load(items(Archive(1), plan), plan, environ=job.environ).failure
    assert failure is not None
    assert failure.code == "sink_refused"


def test_an_error_that_leaves_a_task_holds_no_value(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks() -> Iterator[Item]:
        yield from items(Archive(1), plan_for(job))
        raise ValueError(CANARY)

    with pytest.raises(SofetchError, match="unexpected ValueError") as caught:
        task.load(breaks(), plan_for(job), environ=job.environ)
    sys.excepthook(caught.type, caught.value, caught.tb)
    assert canaries_in(capsys.readouterr().err.encode(), [CANARY]) == []
    monkeypatch.setattr(task, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(SofetchError):  # the database is away: Spark is to try again
        task.load(
            items(Archive(1), plan_for(job)),
            plan_for(job),
            environ=job.environ | {"SOFETCH_SINK_DSN": "host=127.0.0.1 port=1 dbname=x"},
        )
