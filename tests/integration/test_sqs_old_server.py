"""A server that speaks only the old query protocol: moto 4.1, in an environment of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sofetch.ack import Acknowledgement
from sofetch.clock import SystemClock
from sofetch.errors import SourceRefused
from sofetch.record import Message
from sofetch.settings import BatchSettings, SourceSettings
from sofetch.source import open_source
from sofetch.source.control import QueueControl, check_source

pytestmark = pytest.mark.slow
_PORTS_TRIED = 5
_BODIES = [f'{{"city": "Zürich & <{number}>"}}'.encode() for number in range(25)]


def _old_python() -> Path:
    """The Python of an environment with requirements/old-sqs.txt."""
    root = Path(__file__).parents[2]
    python = Path(os.environ.get("OLD_SQS_PYTHON", root / ".venv-old-sqs/bin/python"))
    if not python.exists():
        why = "no environment with an old SQS server: `make old-sqs` makes it"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)
    return python


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def old_endpoint() -> Iterator[str]:
    for _ in range(_PORTS_TRIED):
        port = _free_port()
        command = [str(_old_python()), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                endpoint = f"http://127.0.0.1:{port}"
                if _comes_up(endpoint, server):
                    yield endpoint
                    return
            finally:
                server.terminate()
    raise AssertionError(f"the old server ended on each of {_PORTS_TRIED} ports")


def _comes_up(endpoint: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until it answers. It ends where another process has taken the port meanwhile."""
    for _ in range(300):
        if server.poll() is not None:
            return False
        try:
            urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return server.poll() is None
    raise AssertionError("the old server does not answer")


@pytest.fixture
def old_queue(old_endpoint: str) -> Iterator[QueueControl]:
    settings = SourceSettings(queue=f"old-{uuid.uuid4().hex[:8]}", endpoint=old_endpoint)
    with QueueControl.create(settings) as control:
        yield control


def test_the_query_protocol_is_noticed(old_queue: QueueControl) -> None:
    assert old_queue.protocol == "query"


def test_messages_go_the_whole_way(old_queue: QueueControl, old_endpoint: str) -> None:
    assert old_queue.send(_BODIES) == len(_BODIES)
    source = open_source(SourceSettings(queue=old_queue.name, endpoint=old_endpoint), clock=SystemClock())
    got: list[Message] = []
    try:
        for _ in range(1_500):
            batch = source.receive(max_messages=100, max_bytes=1 << 20, wait_seconds=0.1)
            got += batch
            source.acknowledge(Acknowledgement(delete=tuple(message.id for message in batch)))
            if not batch and source.drained():
                break
        assert source.drained()
    finally:
        source.close(grace_seconds=10)
    assert sorted(message.body for message in got) == sorted(_BODIES)
    assert all(message.sent_ms is not None and message.receive_count == 1 for message in got)
    assert old_queue.attributes().visible == 0


def test_the_fast_path_is_off_and_refused_where_it_is_insisted_on(old_queue: QueueControl, old_endpoint: str) -> None:
    with pytest.raises(SourceRefused, match="query protocol"):
        open_source(SourceSettings(queue=old_queue.name, endpoint=old_endpoint, transport="fast"), clock=SystemClock())


def test_peek_leaves_the_messages(old_queue: QueueControl) -> None:
    old_queue.send(_BODIES[:3])
    assert len(old_queue.peek(3)) == 3
    assert old_queue.attributes().visible == 3


def test_check_finds_the_queue_usable(old_queue: QueueControl, old_endpoint: str) -> None:
    findings = check_source(
        SourceSettings(queue=old_queue.name, endpoint=old_endpoint), batch=BatchSettings(), ledger_days=35
    )
    assert "error" not in {finding.severity for finding in findings}


def test_the_json_protocol_may_be_forced_and_the_query_protocol_too(old_queue: QueueControl, old_endpoint: str) -> None:
    for protocol in ("json", "query"):
        with QueueControl.open(SourceSettings(queue=old_queue.name, endpoint=old_endpoint, protocol=protocol)) as one:
            assert one.protocol == protocol
