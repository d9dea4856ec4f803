"""Messages in envelopes the whole way: the program as a subprocess, killed on the way, and nothing lost or doubled."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from world import World, assert_each_exactly_once, made_up, make_world, users
from wrapping import S3_TEST_EVENT, base64_of, eventbridge, gzip_of, pointer, s3_event, sns

pytestmark = pytest.mark.slow

MANY = 120


@pytest.fixture
def world(tmp_path: Path, database: str, s3_endpoint: str, bucket: str) -> Iterator[World]:
    """A queue and a bucket on one server; [unwrap] is each test's own."""
    made = make_world(folder=tmp_path, dsn=database, endpoint=s3_endpoint)
    made.environ |= {
        "SOFETCH_UNWRAP_S3_BUCKETS": bucket,
        "SOFETCH_UNWRAP_S3_ENDPOINT": s3_endpoint,
        "SOFETCH_BATCH_MAX_MESSAGES": "50",
    }
    yield made
    made.close()


def unwrap(world: World, *layers: str) -> None:
    world.environ["SOFETCH_UNWRAP_LAYERS"] = ",".join(layers)
    if not any(layer.startswith("s3_") for layer in layers):
        for name in ("SOFETCH_UNWRAP_S3_BUCKETS", "SOFETCH_UNWRAP_S3_ENDPOINT"):
            world.environ.pop(name, None)


def quarantined(world: World) -> list[tuple[str, str]]:
    found = world.query("SELECT message_id, reason FROM sofetch.quarantine ORDER BY message_id")
    return [(row["message_id"], row["reason"]) for row in found]


@pytest.mark.parametrize("point", ["mid_write", "after_commit"])
@pytest.mark.parametrize("form", ["sns", "eventbridge", "gzip", "s3_pointer"])
def test_worker_killed_among_wrapped_messages_loses_and_doubles_nothing(
    world: World, s3_client: Any, bucket: str, form: str, point: str
) -> None:
    bodies = [made_up(number) for number in range(MANY)]
    match form:
        case "sns":
            unwrap(world, "sns")
            bodies = [sns(body.decode()) for body in bodies]
        case "eventbridge":
            unwrap(world, "eventbridge")
            bodies = [eventbridge(body.decode()) for body in bodies]
        case "gzip":
            unwrap(world, "sns", "base64", "gzip")
            bodies = [sns(base64_of(gzip_of(body)).decode()) for body in bodies]
        case _:
            unwrap(world, "s3_pointer", "gzip")
            for number, body in enumerate(bodies):
                s3_client.put_object(Bucket=bucket, Key=f"payloads/{number}", Body=gzip_of(body))
            bodies = [pointer(bucket, f"payloads/{number}") for number in range(MANY)]
    world.send(bodies)
    world.crash(f"{point}:2")
    world.drain_until_empty()
    assert_each_exactly_once(world, range(MANY))
    assert quarantined(world) == []


@pytest.mark.parametrize("point", ["mid_write:2", "after_commit:3"])
def test_worker_killed_in_the_middle_of_an_object_loses_and_doubles_no_line(
    world: World, s3_client: Any, bucket: str, point: str
) -> None:
    """Redelivered, and told of twice besides."""
    unwrap(world, "s3_objects")
    first = b"\n".join(made_up(number) for number in range(MANY))
    second = b"\n".join([*(made_up(number) for number in range(MANY, 2 * MANY)), b'{"foo": 1}', b""])
    s3_client.put_object(Bucket=bucket, Key="in/a b+c.jsonl", Body=first)
    s3_client.put_object(Bucket=bucket, Key="in/second.jsonl.gz", Body=gzip.compress(second))
    both = s3_event((bucket, "in/a b+c.jsonl"), (bucket, "in/second.jsonl.gz"))
    world.send([S3_TEST_EVENT, both, s3_event((bucket, "in/a b+c.jsonl"))])
    world.crash(point)
    world.drain_until_empty()
    assert_each_exactly_once(world, range(2 * MANY))
    [(line, reason)] = quarantined(world)
    assert (line.partition("#")[2], reason) == (f"2.{MANY + 1}", "missing_field")


def test_what_does_not_open_is_in_quarantine_and_the_rest_is_loaded(world: World, s3_client: Any, bucket: str) -> None:
    unwrap(world, "sns", "s3_pointer")
    s3_client.put_object(Bucket=bucket, Key="good", Body=made_up(1))
    canary = "canary-3c9d@example.org"
    bodies = [
        sns(pointer(bucket, "good").decode()),
        sns(pointer(bucket, f"gone/{canary}").decode()),
        sns(pointer("not-ours", canary).decode()),
        sns(pointer(bucket, f"../not-ours/{canary}").decode()),
        sns(json.dumps({"user_id": canary})),
        pointer(bucket, "good"),
        sns("", Type="SubscriptionConfirmation", Token=canary),
    ]
    world.send(bodies)
    summary = world.drain()
    assert summary["quarantined_by_reason"] == {
        "object_missing": 1,
        "bucket_not_allowed": 1,
        "not_an_envelope": 3,
        "sns_confirmation": 1,
    }
    assert users(world) == ["user-1"]
    assert world.left_in_queue() == 0
    assert canary not in "".join(world.outputs)
    assert canary not in str(world.query("SELECT * FROM sofetch.quarantine"))


def test_peek_and_scan_look_into_envelopes(world: World) -> None:
    unwrap(world, "sns")
    world.send([sns(made_up(1).decode())])
    peeked = world.sofetch("peek", "--json")
    assert json.loads(peeked.stdout)["messages"][0]["columns"]["user_id"] == "user-1", peeked.stderr
    scanned = world.sofetch("scan", "--queue", "--json")
    paths = {field["path"] for field in json.loads(scanned.stdout)["fields"]}
    assert "ip" in paths, scanned.stderr


def test_bucket_that_is_missing_ends_the_run_and_keeps_the_messages(world: World) -> None:
    unwrap(world, "s3_pointer")
    world.environ["SOFETCH_UNWRAP_S3_BUCKETS"] = "no-such-bucket"
    world.send([pointer("no-such-bucket", "k")])
    ended = world.sofetch("run", "--drain")
    assert ended.returncode == 3
    assert "no bucket 'no-such-bucket'" in ended.stderr
    assert world.left_in_queue() == 1
