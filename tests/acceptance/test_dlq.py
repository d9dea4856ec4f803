"""The dead-letter queue, as people use it: found, counted, looked into, sent round again, each message loaded once."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from sofetch.mask import ledger_key
from sofetch.record import FIRST_KEY_ATTRIBUTE
from sofetch.settings import SourceSettings
from sofetch.source.control import QueueControl
from sofetch.source.redrive import Redrive, Redriven, Wanted
from world import BRIEFLY, World, assert_each_exactly_once, made_up

pytestmark = pytest.mark.slow


@dataclass
class Letters:
    """A world whose queue has a dead-letter queue."""

    world: World
    name: str
    url: str

    def ask(self, *arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
        done = self.world.sofetch("dlq", *arguments, **options)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    def redrive(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.ask("redrive", "--json", *arguments, code=code).stdout)
        return told

    def left(self) -> int:
        counts = self.world.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesNotVisible"])

    def drop_in(self, bodies: Sequence[bytes], **attributes: str) -> None:
        """Send to the queue and receive until the server moves them into the dead-letter queue."""
        for body in bodies:
            self.world.sqs.send_message(
                QueueUrl=self.world.queue_url,
                MessageBody=body.decode(),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()
                },
            )
        for _ in range(200):
            if self.world.left_in_queue() == 0:
                return
            self.world.sqs.receive_message(
                QueueUrl=self.world.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1
            )
        raise AssertionError("the server did not move everything into the dead-letter queue")


@pytest.fixture
def letters(world: World) -> Letters:
    name = f"{world.queue}-dead"
    url = world.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    world.sqs.set_queue_attributes(QueueUrl=world.queue_url, Attributes={"RedrivePolicy": policy})
    return Letters(world, name, url)


@pytest.fixture
def redrive(letters: Letters) -> Iterator[Redrive]:
    """A redrive in this process, whose pauses are only noted."""
    source = SourceSettings(queue=letters.world.queue, endpoint=letters.world.endpoint)
    dead = SourceSettings(queue=letters.name, endpoint=letters.world.endpoint)
    with Redrive.open(source, dlq=dead, first_key=ledger_key, attribute=FIRST_KEY_ATTRIBUTE) as opened:
        yield opened


def loaded_but_not_deleted(world: World) -> None:
    """A worker commits and is killed before it deletes anything."""
    killed = world.sofetch("run", "--drain", environ={**BRIEFLY, "SOFETCH_CRASH_AT": "after_commit"})
    assert killed.returncode == -signal.SIGKILL


def test_the_dead_letter_queue_is_found_counted_and_shown_masked(letters: Letters) -> None:
    letters.drop_in([made_up(1), made_up(2)])
    told = json.loads(letters.ask("status", "--json").stdout)
    assert told["dead_letter_queue"] == {
        "name": letters.name, "visible": 2, "in_flight": 0, "delayed": 0, "retention_seconds": 345_600
    }  # fmt: skip
    assert told["max_receive_count"] == 2
    assert "about 2 messages" in letters.ask("status").stdout
    shown = letters.ask("peek", "--json").stdout
    assert len(json.loads(shown)["messages"]) == 2
    assert "device-1" not in shown
    assert letters.left() == 2


def test_a_queue_without_one_says_so_and_takes_a_name(world: World) -> None:
    for command in ("status", "peek", "redrive"):
        done = world.sofetch("dlq", command)
        assert (done.returncode, "--dlq" in done.stderr) == (2, True)
    assert world.sofetch("dlq", "redrive", "--dlq", world.queue).returncode == 2
    assert world.sofetch("dlq", "redrive", "--dlq", "nowhere").returncode == 3


def test_what_comes_back_is_loaded_once_and_what_was_loaded_is_a_duplicate(letters: Letters) -> None:
    world = letters.world
    world.send(made_up(number) for number in range(10))  # as many as one receive brings: all are in the first batch
    loaded_but_not_deleted(world)
    letters.drop_in([made_up(number) for number in range(10, 13)])
    assert letters.left() == 13
    assert letters.redrive("--dry-run")["sent"] == 13
    assert (letters.left(), world.left_in_queue()) == (13, 0)
    assert letters.redrive() == {
        "queue": world.queue, "dead_letter_queue": letters.name, "dry_run": False,
        "sent": 13, "undeleted": 0, "unmatched": 0, "returned": 0, "crowded": 0, "refused": 0,
    }  # fmt: skip
    assert letters.left() == 0
    summary = world.drain()
    assert (summary["loaded"], summary["duplicates"]) == (3, 10)
    assert_each_exactly_once(world, range(13))


def test_a_redrive_killed_between_sending_and_deleting_loads_each_message_once(letters: Letters) -> None:
    letters.drop_in([made_up(number) for number in range(14)])
    killed = letters.world.sofetch("dlq", "redrive", environ={**BRIEFLY, "SOFETCH_CRASH_AT": "mid_delete"})
    assert killed.returncode == -signal.SIGKILL
    assert (letters.left(), letters.world.left_in_queue()) == (14, 10)
    for _ in range(20):
        letters.redrive()
        if letters.left() == 0:
            break
    assert letters.world.left_in_queue() == 24
    summary = letters.world.drain()
    assert (summary["loaded"], summary["duplicates"]) == (14, 10)
    assert_each_exactly_once(letters.world, range(14))


def test_attributes_go_along_and_a_second_redrive_keeps_the_first_key(letters: Letters) -> None:
    world = letters.world
    letters.drop_in([made_up(1)], tenant="a", trace="b")
    [first] = peeked(letters, letters.name)
    letters.redrive()
    [again] = peeked(letters, world.queue)
    assert again.id != first.id
    assert again.attributes == {"tenant": "a", "trace": "b", FIRST_KEY_ATTRIBUTE: ledger_key(first).hex()}
    letters.drop_in([])
    letters.redrive()
    [third] = peeked(letters, world.queue)
    assert third.attributes == again.attributes


def test_a_message_with_ten_attributes_stays_and_is_told(letters: Letters) -> None:
    letters.drop_in([made_up(1)], **{f"a{number}": "x" for number in range(10)})
    letters.drop_in([made_up(2)])
    told = letters.redrive(code=5)
    assert (told["sent"], told["crowded"]) == (1, 1)
    assert letters.left() == 1
    assert len(peeked(letters, letters.name)) == 1


def test_a_fifo_message_keeps_its_group_and_is_not_taken_for_a_repetition(world: World, queue_endpoint: str) -> None:
    urls = []
    for name in (f"{world.queue}.fifo", f"{world.queue}-dead.fifo"):
        created = world.sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        urls.append(created["QueueUrl"])
    world.sqs.send_message(
        QueueUrl=urls[1], MessageBody="{}", MessageGroupId="g-1", MessageDeduplicationId="chosen by the producer"
    )
    source, dead = (SourceSettings(queue=url, endpoint=queue_endpoint) for url in urls)
    for _ in range(2):  # it fails again at once: its second way back must not be swallowed as a repetition
        with Redrive.open(source, dlq=dead, first_key=ledger_key, attribute=FIRST_KEY_ATTRIBUTE) as opened:
            assert opened.run(Wanted()).sent == 1
        [message] = world.sqs.receive_message(
            QueueUrl=urls[0], AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1
        )["Messages"]
        assert message["Attributes"]["MessageGroupId"] == "g-1"
        world.sqs.delete_message(QueueUrl=urls[0], ReceiptHandle=message["ReceiptHandle"])
        world.sqs.send_message(
            QueueUrl=urls[1],
            MessageBody="{}",
            MessageGroupId="g-1",
            MessageDeduplicationId=message["MessageId"],
            MessageAttributes={
                FIRST_KEY_ATTRIBUTE: {
                    "DataType": "String",
                    "StringValue": message["MessageAttributes"][FIRST_KEY_ATTRIBUTE]["StringValue"],
                }
            },
        )


def test_a_filter_and_a_limit_leave_the_others_where_they_are(letters: Letters) -> None:
    letters.drop_in([made_up(number) for number in range(13)])
    assert letters.redrive("--since", "2999-01-01")["unmatched"] == 13
    key = ledger_key(peeked(letters, letters.name)[0]).hex()
    assert letters.redrive("--only-key", key)["sent"] == 1
    assert letters.redrive("--limit", "11")["sent"] == 11
    assert letters.left() == 1
    assert len(peeked(letters, letters.name)) == 1
    for wrong in (("--since", "yesterday"), ("--only-key", "x"), ("--rate", "nan"), ("--rate", "inf")):
        letters.ask("redrive", *wrong, code=2)


def test_the_key_that_peek_shows_names_the_message_for_a_redrive_at_its_second_stay_too(letters: Letters) -> None:
    letters.drop_in([made_up(number) for number in range(3)])
    key = json.loads(letters.ask("peek", "-n", "1", "--json").stdout)["messages"][0]["key"]
    assert letters.redrive("--only-key", key)["sent"] == 1
    letters.drop_in([])
    assert letters.left() == 3
    assert f"ledger key {key}" in letters.ask("peek").stdout
    assert letters.redrive("--only-key", key, "--dry-run")["sent"] == 1


def test_a_rate_is_kept_by_small_batches_and_pauses(letters: Letters, redrive: Redrive) -> None:
    pauses: list[float] = []
    redrive._sleep = pauses.append  # a clock for it would be for this test alone
    letters.drop_in([made_up(number) for number in range(8)])
    assert redrive.run(Wanted(per_second=4.0)).sent == 8
    assert sum(pauses) == pytest.approx(2.0)
    assert max(pauses) <= 1.0


def test_nobody_waits_after_the_last_message_that_was_asked_for(letters: Letters, redrive: Redrive) -> None:
    pauses: list[float] = []
    redrive._sleep = pauses.append
    letters.drop_in([made_up(number) for number in range(2)])
    assert redrive.run(Wanted(per_second=0.01, limit=2)).sent == 2
    assert pauses == [pytest.approx(100.0)]


def test_a_message_that_comes_back_while_a_redrive_runs_is_left(letters: Letters, redrive: Redrive) -> None:
    letters.drop_in([made_up(1)])

    def fail_again(total: Redriven) -> None:
        if total.sent == 1 and not total.returned:
            letters.drop_in([])

    done = redrive.run(Wanted(), told=fail_again)
    assert (done.sent, done.returned, letters.left()) == (1, 1, 1)


def test_no_redrive_tells_a_value(letters: Letters) -> None:
    letters.drop_in([made_up(4801)])
    letters.redrive("--dry-run")
    letters.ask("peek")
    letters.ask("redrive")
    assert not [text for text in letters.world.outputs if "device-4801" in text]


def peeked(letters: Letters, name: str) -> list[Any]:
    with QueueControl.open(SourceSettings(queue=name, endpoint=letters.world.endpoint)) as queue:
        return queue.peek(10)


def moved_by_aws(letters: Letters) -> int:
    """What StartMessageMoveTask does: each message is sent again as it is, under a new id, and nothing goes along."""
    sqs, moved = letters.world.sqs, 0
    while letters.left():
        for message in sqs.receive_message(QueueUrl=letters.url, MaxNumberOfMessages=10).get("Messages", []):
            sent = sqs.send_message(QueueUrl=letters.world.queue_url, MessageBody=message["Body"])
            assert sent["MessageId"] != message["MessageId"]
            sqs.delete_message(QueueUrl=letters.url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


@pytest.mark.parametrize(("dedupe", "rows"), [("message", 6), ("content", 3)])
def test_awss_own_redrive_doubles_what_was_loaded_unless_dedupe_is_by_content(
    letters: Letters, dedupe: str, rows: int
) -> None:
    world = letters.world
    world.environ["SOFETCH_SINK_DEDUPE"] = dedupe
    world.send(made_up(number) for number in range(3))
    loaded_but_not_deleted(world)
    letters.drop_in([])
    assert moved_by_aws(letters) == 3
    summary = world.drain()
    assert (summary["loaded"], summary["duplicates"]) == (rows - 3, 6 - rows)
    assert world.count("user_logins") == rows
