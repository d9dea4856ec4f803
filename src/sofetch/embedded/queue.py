"""The embedded SQS server: ministack in a process of its own, on a free port of 127.0.0.1.

Owns its command line, environment and health check. Everything it writes stays in its folder.
"""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen

from sofetch.embedded import process
from sofetch.errors import EmbeddedError

_START_SECONDS = 30.0
_POLL_SECONDS = 0.02
_PORTS_TRIED = 5


class QueueServer:
    """A running SQS server."""

    def __init__(self, server: Popen[bytes], port: int) -> None:
        self._server = server
        self.endpoint = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End the server. Its messages are gone with it."""
        process.end(self._server, signal.SIGTERM, grace_seconds=2)


class StartingQueue:
    """An SQS server on its way up, so that Postgres can be made ready meanwhile."""

    def __init__(self, folder: Path) -> None:
        if find_spec("ministack") is None:
            raise EmbeddedError(
                "the embedded SQS server (ministack) is not installed",
                hint="pip install 'sofetch[embedded]', or name your own queue: [source] queue and endpoint",
            )
        self._folder = folder
        self._log = folder / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._launch()

    def wait(self) -> QueueServer:
        """Wait until the server answers. Another process may have taken the port meanwhile: then try another."""
        for attempt in range(_PORTS_TRIED):
            if attempt:
                self._launch()
            if self._comes_up():
                return QueueServer(self._server, self._port)
            self.stop()
        words = process.last_lines(self._log)
        raise EmbeddedError(
            f"the embedded SQS server did not start on {_PORTS_TRIED} ports of 127.0.0.1\n{words}",
            hint="see the lines above, or name your own queue: [source] queue and endpoint",
        )

    def stop(self) -> None:
        """End the server, ready or not."""
        process.end(self._server, signal.SIGTERM, grace_seconds=2)

    def _launch(self) -> None:
        self._port = _free_port()
        self._token = secrets.token_hex(8)
        self._server = process.spawn(
            [sys.executable, "-m", "ministack"],
            folder=self._folder,
            log=self._log,
            environ=_environ(self._folder, port=self._port, token=self._token),
            user=None,
            dies_by=signal.SIGTERM,
        )

    def _comes_up(self) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._server.poll() is None:
            if _health(self._port).get("edition") == self._token:
                return True
            time.sleep(_POLL_SECONDS)
        return False


def _environ(folder: Path, *, port: int, token: str) -> dict[str, str]:
    return {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "sqs",
        "LOG_LEVEL": "WARNING",  # at INFO it would log every request
        "MINISTACK_EDITION": token,  # comes back in the health answer: a stranger on the port is not taken for ours
        "MINISTACK_REGION": "us-east-1",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",  # else it listens on a port of its own
        "DOCKER_HOST": f"unix://{folder}/no-docker",  # else it removes containers it takes for its own
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _health(port: int) -> dict[str, object]:
    # http.client and not urllib: a proxy in the environment must not be asked for 127.0.0.1.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}
