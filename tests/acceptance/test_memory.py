"""A worker under a full queue stays small, whatever the size of the bodies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from world import World

pytestmark = pytest.mark.slow

MOST_MEGABYTES = 150

# What wait4 tells of a child begins with what its parent had at the fork: a small parent in between.
MEASURE = """
import os, sys
child = os.posix_spawn(sys.executable, [sys.executable, "-m", "sofetch", "run", "--drain", "--json"], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def bodies(count: int, *, size: int) -> Iterator[str]:
    for number in range(count):
        login = {
            "user_id": f"424cdd21-0000-4000-8000-{number:012}",
            "app_version": "2.3.0",
            "device_type": "android",
            "ip": f"198.51.100.{number % 250}",
            "locale": "RU",
            "device_id": f"{number:09}",
        }
        bare = len(json.dumps(login))
        yield json.dumps(login | {"pad": "x" * max(0, size - bare - 11)})


def peak_megabytes(world: World, *, expected: int) -> float:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=world.folder,
        env={name: value for name, value in world.environ.items() if not steers_the_allocator(name)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary, kilobytes = done.stdout.splitlines()
    assert json.loads(summary)["loaded"] == expected
    return int(kilobytes) / 1024


def steers_the_allocator(name: str) -> bool:
    return name.startswith("MALLOC_") or name == "GLIBC_TUNABLES"


@pytest.mark.parametrize(
    ("count", "size"),
    [(2_000, 200), (400, 256 * 1024), (100, 1024 * 1024)],
    ids=["200 bytes", "256 KiB", "1 MiB"],
)
def test_a_worker_under_a_full_queue_stays_small(world: World, count: int, size: int) -> None:
    fill(world, count, size=size)
    assert peak_megabytes(world, expected=count) < MOST_MEGABYTES


def fill(world: World, count: int, *, size: int) -> None:
    if size > 100_000:  # ten of these are more than one call may send
        for body in bodies(count, size=size):
            world.sqs.send_message(QueueUrl=world.queue_url, MessageBody=body)
    else:
        world.send(bodies(count, size=size))
