"""Builds SQS clients and finds out which protocol the server speaks.

Owns sessions, timeouts, retries and the choice between the JSON protocol and the old query protocol (through the small
service model in ``query/``). Credentials come from AWS's ordinary chain and are never read here.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError

from sofetch.aws_region import regional
from sofetch.errors import SourceRefused
from sofetch.settings import SourceSettings
from sofetch.source.boto_errors import UNREADABLE, error_code, mapped

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

Protocol = Literal["json", "query"]

_QUERY_MODEL = Path(__file__).parent / "query"
_AWS_QUEUE_URL = re.compile(r"https?://sqs\.(?P<region>[a-z0-9-]+)\.(amazonaws\.com|api\.aws)")
CONNECT_TIMEOUT_SECONDS = 5
ANSWER_TIMEOUT_SECONDS = 10
"""SQS answers in milliseconds; ten seconds is an outage, and a batch call is safe to repeat."""
_ATTEMPTS = 3


class Clients:
    """The two clients of one connection to a server, one for receiving and one for everything else.

    They differ in patience: a receive waits out its long poll and is never repeated by botocore (the fleet does that,
    and can be told to stop); the others are short and botocore repeats them a few times.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        with mapped(_reach(settings), setting_up=True):
            self.protocol, self.session = _choose(settings)
            self.calls = _client(self.session, settings, threads=settings.deleters)

    def receiving(self) -> SQSClient:
        """A new client for the receiving fleet, which must close it."""
        with mapped(_reach(self._settings), setting_up=True):
            return _client(
                self.session,
                self._settings,
                threads=self._settings.receivers,
                read_timeout_seconds=self._settings.wait_seconds + ANSWER_TIMEOUT_SECONDS,
                attempts=1,
            )

    def close(self) -> None:
        """Give back the connections of ``calls``."""
        self.calls.close()


def _reach(settings: SourceSettings) -> str:
    """What an error calls the attempt: with the host of an endpoint of one's own, and nothing else of its URL."""
    host = urlsplit(settings.endpoint or "").netloc.rpartition("@")[2]
    return f"reach SQS at {host}" if host else "reach SQS"


def _client(
    session: botocore.session.Session,
    settings: SourceSettings,
    *,
    threads: int,
    read_timeout_seconds: int = ANSWER_TIMEOUT_SECONDS,
    attempts: int = _ATTEMPTS,
) -> SQSClient:
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=max(threads, 1),
        tcp_keepalive=True,
        user_agent_extra="sofetch",
    )
    client = session.create_client(
        "sqs", region_name=settings.region or _region_of(settings.queue), endpoint_url=settings.endpoint, config=config
    )
    return cast("SQSClient", client)


def _session(protocol: Protocol) -> botocore.session.Session:
    session = regional(botocore.session.get_session())
    if protocol == "query":
        # Before botocore's own data: this session alone finds the query model first.
        session.get_component("data_loader").search_paths.insert(0, str(_QUERY_MODEL))
    return session


def _region_of(queue: str) -> str | None:
    """The region in an AWS queue URL, so that the URL is enough."""
    found = _AWS_QUEUE_URL.match(queue)
    return found["region"] if found else None


def _choose(settings: SourceSettings) -> tuple[Protocol, botocore.session.Session]:
    """The protocol that is configured or that the server speaks, and a session for it.

    To find out, ask for the list of queues and look at the form of the answer, not its content. Whoever speaks the JSON
    protocol answers, denials included, as ``application/x-amz-json-1.0``. Old servers answer JSON requests with XML
    errors or (moto 4.1) with 200, ``{}`` and ``text/html``: believed, an empty queue for ever.
    """
    if settings.protocol != "auto":
        return settings.protocol, _session(settings.protocol)
    session = _session("json")
    with closing(_client(session, settings, threads=1)) as client:
        if is_aws(client) or _speaks_json(client):
            return "json", session
    session = _session("query")
    with closing(_client(session, settings, threads=1)) as client:
        if _speaks_query(client):
            return "query", session
    raise SourceRefused(
        "the endpoint does not answer like an SQS server, in the JSON protocol or the query protocol",
        hint="check [source] endpoint; [source] protocol = 'json' or 'query' takes its word for it",
    )


def is_aws(client: BaseClient) -> bool:
    """Whether the client talks to AWS itself, whatever stands behind a name of its own."""
    host = client.meta.endpoint_url.split("://", 1)[-1].split("/", 1)[0]
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _speaks_json(client: Any) -> bool:
    try:
        answer = client.list_queues()
    except ClientError as error:
        answer = error.response
    except UNREADABLE:
        return False
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("content-type", "")).startswith("application/x-amz-json")


def _speaks_query(client: Any) -> bool:
    """Whether the answer reads as the query protocol's XML; its content type says nothing (moto: ``text/html``)."""
    try:
        client.list_queues()
    except ClientError as error:
        return error_code(error) != "unknown"
    except UNREADABLE:
        return False
    return True
