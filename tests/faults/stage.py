"""What a campaign is played on: servers, proxies, a queue, a table, workers; put together and taken away again.

Owns the settings that workers run with: short visibility and short limits, so that faults of a second matter.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import forked
from faults.corpus import POISONED
from faults.database import Database
from faults.fleet import Fleet
from faults.http_proxy import HttpProxy, http_proxy
from faults.loop import LoopThread
from faults.queues import Queue, QueueClient
from faults.servers import ServerKind, queue_server
from faults.tcp_proxy import TcpProxy, tcp_proxy
from keyrings import KEYRING
from sofetch.config import preset
from sofetch.embedded import start_embedded

MOST_RECEIVES = 40
"""maxReceiveCount of the queue. Each fault costs the messages it meets one receive, and no message meets so many."""

POSTGRES_SETTINGS = {
    "log_statement": "all",
    "log_error_verbosity": "verbose",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "max_connections": "40",
    "max_wal_size": "4GB",
    "wal_keep_size": "16GB",  # the whole log stays, to be searched
}
_AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


@dataclass(frozen=True)
class Stage:
    """Everything of one campaign, running."""

    folder: Path
    postgres_folder: Path
    endpoint: str
    loop: LoopThread
    http: HttpProxy
    tcp: TcpProxy
    database: Database
    queue: Queue
    client: QueueClient
    fleet: Fleet
    visibility_seconds: int

    def with_new_workers(self, size: int) -> Stage:
        """The same stage with other workers: a fleet runs once."""
        return replace(self, fleet=self.fleet.another(size))


@contextmanager
def build_stage(
    *,
    workers: int,
    server: ServerKind = "ministack",
    visibility_seconds: int = 4,
    batch_messages: int = 100,
    most_receives: int = MOST_RECEIVES,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """A stage with idle workers; ``settings`` are environment variables for them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sofetch-campaign-")))
        postgres = stack.enter_context(start_embedded(queue=False, postgres_settings=POSTGRES_SETTINGS))
        endpoint = stack.enter_context(queue_server(server))
        loop = stack.enter_context(LoopThread())
        http = stack.enter_context(http_proxy(endpoint, loop))
        tcp = stack.enter_context(tcp_proxy(postgres.dsn, loop))
        client = QueueClient(endpoint)
        stack.callback(client.close)
        queue = Queue.make(client, name="campaign", visibility_seconds=visibility_seconds, most_receives=most_receives)
        (folder / "sofetch.toml").write_text(preset("logins"))
        environ = _environ(http, tcp, batch_messages) | dict(settings or {})
        _apply_schema(folder, environ | {"SOFETCH_SINK_DSN": postgres.dsn})
        database = Database(postgres, postgres.dsn)
        database.execute(*POISONED)
        fleet = Fleet(folder=folder, environ=environ, size=workers)
        stack.callback(fleet.stop)
        yield Stage(
            folder, postgres.folder, endpoint, loop, http, tcp, database, queue, client, fleet, visibility_seconds
        )


def _environ(http: HttpProxy, tcp: TcpProxy, batch_messages: int) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SOFETCH_", "AWS_", "PG"))}
    return {
        **ours,
        **_AWS,
        "SOFETCH_SINK_DSN": tcp.dsn,
        "SOFETCH_SOURCE_ENDPOINT": http.url,
        "SOFETCH_SOURCE_QUEUE": "campaign",
        "SOFETCH_SOURCE_WAIT_SECONDS": "1",
        "SOFETCH_SOURCE_RELEASE_DELAY_SECONDS": "1",
        "SOFETCH_SINK_LOCK_TIMEOUT_SECONDS": "1",
        "SOFETCH_SINK_CONNECT_TIMEOUT_SECONDS": "3",
        "SOFETCH_BATCH_MAX_MESSAGES": str(batch_messages),
        "SOFETCH_LOG_LEVEL": "debug",
        "SOFETCH_KEYRING": KEYRING,
        "PYTHONWARNINGS": "error",
    }


def _apply_schema(folder: Path, environ: Mapping[str, str]) -> None:
    applied = forked.run("sofetch", ["schema", "--apply"], folder=folder, environ=environ)
    if applied.returncode != 0:
        raise AssertionError(applied.stderr)
