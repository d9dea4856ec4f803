"""FIFO queues, on a real queue server and a real database: the order of each group stands in the table."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from world import World, made_up, make_world

GROUPS = 4
ROUNDS = 30
POISON = b'{"foo": "not a login"}'


@pytest.fixture
def fifo(tmp_path: Path, database: str, queue_endpoint: str) -> Iterator[World]:
    """A FIFO queue, and a table that numbers its rows in the order in which they are written."""
    world = make_world(folder=tmp_path, dsn=database, endpoint=queue_endpoint)
    name = f"{world.queue}.fifo"
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "2", "ContentBasedDeduplication": "true"}
    world.queue_url = world.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
    world.environ |= {
        "SOFETCH_SOURCE_QUEUE": name,
        "SOFETCH_BATCH_MAX_MESSAGES": "7",
        "SOFETCH_SOURCE_RELEASE_DELAY_SECONDS": "0",
    }
    world.execute("ALTER TABLE user_logins ADD COLUMN written bigint GENERATED ALWAYS AS IDENTITY")
    yield world
    world.close()


def send(world: World) -> int:
    """``ROUNDS`` messages to each group, one in nine of them poison; how many are poison."""
    poison = 0
    for number in range(GROUPS * ROUNDS):
        bad = number % 9 == 8
        body = POISON.replace(b"foo", b"foo%d" % number) if bad else made_up(number)
        world.sqs.send_message(
            QueueUrl=world.queue_url, MessageBody=body.decode(), MessageGroupId=f"g{number % GROUPS}"
        )
        poison += bad
    return poison


def written_by_group(world: World) -> dict[int, list[int]]:
    """The numbers of the messages of each group, in the order in which their rows were written."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row in world.query("SELECT user_id FROM user_logins ORDER BY written"):
        number = int(row["user_id"].removeprefix("user-"))
        groups[number % GROUPS].append(number)
    return groups


def assert_in_order(world: World, poison: int) -> None:
    groups = written_by_group(world)
    assert world.count("sofetch.quarantine") == poison
    assert sum(map(len, groups.values())) == GROUPS * ROUNDS - poison
    for numbers in groups.values():
        assert numbers == sorted(numbers)


def test_a_fifo_group_is_loaded_in_order_round_its_poison(fifo: World) -> None:
    poison = send(fifo)
    fifo.drain_until_empty()
    assert_in_order(fifo, poison)


@pytest.mark.slow
def test_two_workers_that_are_killed_again_and_again_keep_the_order_of_every_group(fifo: World) -> None:
    poison = send(fifo)
    ends: Counter[int] = Counter()
    for point in ("mid_write", "after_commit", "mid_delete", "after_receive", "after_mask"):
        killed = [fifo.start("run", "--drain", environ={"SOFETCH_CRASH_AT": point}) for _ in range(2)]
        ends.update(process.wait(timeout=60) for process in killed)
    assert ends.keys() <= {-signal.SIGKILL, 0}  # those that found nothing visible ended well
    assert ends[-signal.SIGKILL] >= 3
    survivors = [fifo.start("run", "--drain", "--json") for _ in range(2)]
    assert [_summary(process)["stopped_by"] for process in survivors] == ["drained", "drained"]
    fifo.drain_until_empty()
    assert_in_order(fifo, poison)


def _summary(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    summary: dict[str, object] = json.loads(out)
    return summary
