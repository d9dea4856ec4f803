"""The function and its deadline: it answers in time where it can, and one killed for it doubles and loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from lambda_runtime.events import event, failed_ids
from lambda_runtime.function import RunningFunction, TimedOut, running_function
from lambda_runtime.stage import Stage, last_metrics, logins, stage_in
from loading import query
from sofetch.embedded import Embedded

pytestmark = pytest.mark.slow

A_PART = 20
LOCK = 7
SLOW_SECONDS = 4
# What a table does to a batch by the names of its users: it lets it wait for a lock, or takes its time.
MEETING = f"""
CREATE FUNCTION met() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.user_id LIKE '_-held-00000' THEN PERFORM pg_advisory_xact_lock_shared({LOCK}); END IF;
  IF NEW.user_id LIKE '_-slow-00000' THEN PERFORM pg_sleep({SLOW_SECONDS}); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER met BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION met();
"""


@pytest.fixture(scope="module")
def stage(postgres_server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("lambda"), postgres_server.dsn) as found:
        query(found.dsn, MEETING)
        found.environ["SOFETCH_BATCH_MAX_MESSAGES"] = str(A_PART)
        yield found


@contextmanager
def warm_function(stage: Stage, name: str, **environ: str) -> Iterator[RunningFunction]:
    """A function that has its connection: how long a start takes is nothing to these tests."""
    with running_function(stage.folder, {**stage.environ, **environ}, name=name) as running:
        assert failed_ids(running.result(event(logins(f"warm-{name}-", 1)))) == []
        yield running


@contextmanager
def locked(stage: Stage) -> Iterator[None]:
    with psycopg.connect(stage.dsn) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield


def test_a_lock_that_is_not_had_is_given_up_before_the_deadline_and_what_it_held_up_comes_again(stage: Stage) -> None:
    """After the first wait there is time for a batch as quick as the one before, and not for another such wait."""
    records = [record for part in ("1-free-", "2-held-", "3-free-") for record in logins(part, A_PART)]
    with warm_function(stage, "locked", SOFETCH_SINK_LOCK_TIMEOUT_SECONDS="5") as function:
        with locked(stage):
            answer = function.invoke(event(records), timeout_seconds=10)
        assert failed_ids(answer.result) == [record["messageId"] for record in records[A_PART:]]
        assert '"event":"outage"' in function.logged()
        assert failed_ids(function.result(event(records[A_PART:]))) == []
    assert [len(stage.users(part)) for part in ("1-free-", "2-held-", "3-free-")] == [A_PART] * 3


def test_what_a_slow_database_leaves_no_time_for_comes_again(stage: Stage) -> None:
    records = [*logins("4-slow-", A_PART), *logins("5-free-", A_PART)]
    with warm_function(stage, "slow") as function:
        # What is left after the first part is less than that took and a second.
        answer = function.invoke(event(records), timeout_seconds=2 * SLOW_SECONDS + 0.9)
        assert failed_ids(answer.result) == [record["messageId"] for record in records[A_PART:]]
        assert f'"event":"left_for_time","count":{A_PART}' in function.logged()
    assert (len(stage.users("4-slow-")), len(stage.users("5-free-"))) == (A_PART, 0)


def test_a_function_killed_at_its_deadline_leaves_each_message_to_be_loaded_once(stage: Stage) -> None:
    records = [*logins("6-free-", A_PART), *logins("7-held-", A_PART)]
    with locked(stage), warm_function(stage, "doomed") as doomed:
        with pytest.raises(TimedOut):
            doomed.invoke(event(records), timeout_seconds=8)
        assert (len(stage.users("6-free-")), len(stage.users("7-held-"))) == (A_PART, 0)
    with warm_function(stage, "again") as another:
        assert failed_ids(another.result(event(records))) == []
        assert last_metrics(another)["Duplicates"] == A_PART
    assert [len(stage.users(part)) for part in ("6-free-", "7-held-")] == [A_PART] * 2
