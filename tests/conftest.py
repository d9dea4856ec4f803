"""Real servers for the tests: one Postgres and one SQS server a test process, an empty database and a queue a test.

They run under a guard process that ends them with us, however we end.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

import aws_models
from databases import Databases
from queue_servers import fast_queue_server
from sofetch.embedded import Embedded, start_embedded
from sofetch.embedded import queue as embedded_queue

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

VISIBILITY_SECONDS = 30
# Postgres tells its log everything it can: a personal value that reached it in any way would be found there.
_TALKATIVE = {
    "log_statement": "all",
    "log_error_verbosity": "verbose",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_connections": "off",
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

# Hypothesis' own deadline and its check of slowness are wall time, which says more of the machine than of the code.
# What it tries is the same in every run: a failure is of the last change's making. `make fuzz` tries new examples.
_NEW_EXAMPLES = hypothesis.settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("new examples", _NEW_EXAMPLES)
hypothesis.settings.register_profile("the same examples", _NEW_EXAMPLES, derandomize=True)


def pytest_configure() -> None:
    """The developer's own environment decides nothing here: no AWS account, no database, no keys."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PG", "SOFETCH_"))]:
        del os.environ[name]
    os.environ.update(_AWS)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # so nohup starts what it runs: a worker would not reload
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    aws_models.keep_parsed()
    hypothesis.settings.load_profile("new examples" if "FUZZ_EXAMPLES" in os.environ else "the same examples")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Embedded]:
    """Postgres 18 with a talkative log; ``stop_postgres`` and ``start_postgres`` make an outage."""
    with start_embedded(queue=False, postgres_settings=_TALKATIVE) as server:
        yield server


@pytest.fixture(scope="session")
def postgres16_server() -> Iterator[Embedded]:
    """An older Postgres."""
    with start_embedded(queue=False, postgres_version=16, postgres_settings=_TALKATIVE) as server:
        yield server


@pytest.fixture
def postgres_log(postgres_server: Embedded) -> Path:
    """Postgres' own log, where no personal value may be."""
    return postgres_server.postgres_log


@pytest.fixture(scope="session")
def databases(postgres_server: Embedded) -> Databases:
    """Databases on Postgres 18, as many as are asked for."""
    return Databases(postgres_server.dsn)


@pytest.fixture(scope="session")
def postgres16_databases(postgres16_server: Embedded) -> Databases:
    """Databases on Postgres 16."""
    return Databases(postgres16_server.dsn)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """Connection string of an empty database on Postgres 18."""
    with databases.fresh() as dsn:
        yield dsn


@pytest.fixture
def vault_database(databases: Databases) -> Iterator[str]:
    """Connection string of another one, for the vault."""
    with databases.fresh() as dsn:
        yield dsn


@pytest.fixture
def postgres16_database(postgres16_databases: Databases) -> Iterator[str]:
    """Connection string of an empty database on Postgres 16."""
    with postgres16_databases.fresh() as dsn:
        yield dsn


@pytest.fixture(scope="session")
def queue_endpoint() -> Iterator[str]:
    """URL of an SQS server that speaks both protocols."""
    with start_embedded(postgres=False) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def fast_queue_endpoint() -> Iterator[str]:
    """URL of the queue server that the benchmarks use."""
    with fast_queue_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def sqs_client(queue_endpoint: str) -> Iterator[SQSClient]:
    """A plain boto3 client on the server, to look at queues from outside."""
    import boto3

    client = boto3.client("sqs", endpoint_url=queue_endpoint)
    yield client
    client.close()


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that speaks S3 beside SQS."""
    with pytest.MonkeyPatch.context() as patch:
        plain = embedded_queue._environ
        patch.setattr(embedded_queue, "_environ", lambda *a, **k: plain(*a, **k) | {"SERVICES": "s3,sqs"})
        server = embedded_queue.StartingQueue(tmp_path_factory.mktemp("s3")).wait()
    try:
        yield server.endpoint
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3_client(s3_endpoint: str) -> Iterator[Any]:
    """A plain boto3 client on it."""
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", endpoint_url=s3_endpoint, config=Config(s3={"addressing_style": "path"}))
    yield client
    client.close()


@pytest.fixture
def bucket(s3_client: Any) -> str:
    """A fresh bucket."""
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queue_name(sqs_client: SQSClient) -> Iterator[str]:
    """A fresh standard queue; messages stay invisible for 30 s."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    url = sqs_client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})["QueueUrl"]
    yield name
    sqs_client.delete_queue(QueueUrl=url)
