"""The peers: other ways from SQS to Postgres, each a script or a configuration in ``peers/``, measured as sofetch is.

Owns which there are, what each needs, and how it is started. A peer whose program is not on this machine is told of as
missing, with the reason; none is dropped silently.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from whole import Missing, Program

PEERS = Path(__file__).parent / "peers"
PEER_PYTHON = "SOFETCH_BENCH_PYTHON"
"""Names the Python of the environment that ``requirements/bench.txt`` locks. ``make bench`` makes it."""
_OLDEST_NODE = 20


@dataclass(frozen=True)
class Peer:
    """One peer. ``messages`` is for a run of full size: fewer where it is slow. ``far`` asks for a row at 10 ms too."""

    program: Program
    messages: int
    far: int = 0


@contextmanager
def installed_peers() -> Iterator[tuple[list[Peer], list[Missing]]]:
    """Those that can run here, and those that cannot."""
    peers, missing = _python_peers()
    with TemporaryDirectory(prefix="sofetch-bench-node-") as folder:
        node = _node_peer(Path(folder))
        for one in (node, *_streamers()):
            if isinstance(one, Missing):
                missing.append(one)
            else:
                peers.append(one)
        yield peers, missing


def with_threads(peer: Peer, threads: int) -> Peer:
    """The same peer with more calls under way at once, for a queue that is far away."""
    return replace(peer, program=replace(peer.program, environ={**peer.program.environ, "BENCH_THREADS": str(threads)}))


def _python_peers() -> tuple[list[Peer], list[Missing]]:
    python = os.environ.get(PEER_PYTHON, "")
    scripts = (
        ("naive exercise", "naive.py", 1_000, 300, False, False, "unkeyed SHA-256, as the exercise has it"),
        ("boto3 + psycopg COPY", "boto3_copy.py", 20_000, 10_000, False, False, ""),
        ("aiobotocore + psycopg COPY", "aiobotocore_copy.py", 20_000, 0, False, False, ""),
        ("dlt", "dlt_load.py", 10_000, 0, False, False, ""),
        ("Lambda Powertools", "powertools.py", 10_000, 0, False, False, "plays Lambda's poller too"),
    )
    names = [script[0] for script in scripts]
    if not python:
        return [], [Missing(name, f"no environment for it: `make bench` makes one ({PEER_PYTHON})") for name in names]
    return [
        Peer(_script(name, [python, str(PEERS / file)], dedupes, isolates, note), messages, far)
        for name, file, messages, far, dedupes, isolates, note in scripts
    ], []


def _script(name: str, command: list[str], dedupes: bool, isolates: bool, note: str) -> Program:
    return Program(name, command, dedupes=dedupes, isolates=isolates, note=note, environ={"BENCH_THREADS": "8"})


def _node_peer(folder: Path) -> Peer | Missing:
    name = "npm sqs-consumer + pg"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return Missing(name, "node or npm is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").partition(".")[0]) < _OLDEST_NODE:
        return Missing(name, f"node is {version}, and it needs {_OLDEST_NODE}")
    shutil.copytree(PEERS / "node", folder, dirs_exist_ok=True)
    command = [npm, "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return Missing(name, f"`npm ci` failed with {done.returncode}")
    program = Program(
        name,
        ["/bin/sh", "-c", f'cd "{folder}" && exec "{node}" sqs_consumer.mjs'],
        dedupes=False,
        isolates=False,
        environ={"BENCH_THREADS": "8", "NODE_ENV": "production"},
    )
    return Peer(program, 10_000)


def _streamers() -> list[Peer | Missing]:
    """Programs that run until they are stopped: ``peers/until_loaded.py`` stops them."""
    found: list[Peer | Missing] = []
    for name, programs, config in (
        ("Redpanda Connect", ("redpanda-connect", "rpk"), "redpanda_connect.yaml"),
        ("Vector", ("vector",), "vector.yaml"),
    ):
        path = next((where for where in map(shutil.which, programs) if where), None)
        if path is None:
            found.append(Missing(name, f"{' or '.join(programs)} is not installed"))
            continue
        command = [sys.executable, str(PEERS / "until_loaded.py"), path, str(PEERS / config)]
        found.append(
            Peer(Program(name, command, dedupes=False, isolates=False, environ={"BENCH_THREADS": "8"}), 20_000)
        )
    return found
