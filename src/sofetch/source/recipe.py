"""How boto3 would make its calls, read off a client of botocore's, so that the fast path makes the same.

Owns every look into botocore's inside that the fast path needs. Nothing is guessed: botocore is let prepare a call up
to the wire, our signature of it must be botocore's, and where anything is otherwise than expected there is no recipe
and boto3 does it all.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from calendar import timegm
from collections.abc import Iterator, Mapping
from time import strptime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec
from botocore.httpsession import get_cert_path

from sofetch.source.boto_client import CONNECT_TIMEOUT_SECONDS, Clients
from sofetch.source.http1 import Server
from sofetch.source.sigv4 import Credentials, Signer, Target

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient

OPERATIONS: Final = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
_PROBED: Final = OPERATIONS[0]
_TARGET: Final = "X-Amz-Target"
_SCOPE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_OURS = frozenset({"host", "authorization", "x-amz-date", "x-amz-security-token", "content-length"})
_USER_AGENT: Final = "User-Agent"


class NoRecipe(Exception):
    """The fast path cannot be taken. ``why`` completes «since …», for people; it names no credential."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Recipe(msgspec.Struct, frozen=True):
    """What the fast path needs. ``source`` is botocore's credential object, which renews what it holds by itself."""

    server: Server
    signer: Signer
    source: Any

    def credentials(self) -> Credentials:
        """The credentials of this moment; may take a call to whoever grants them, and raise what botocore raises."""
        frozen: Credentials = self.source.get_frozen_credentials()
        return frozen


class _Prepared(Exception):
    """Carries a prepared call out of botocore, in place of its answer."""

    def __init__(self, request: Any) -> None:
        super().__init__("prepared")
        self.request = request


def recipe_of(clients: Clients, client: SQSClient, *, queue_url: str) -> Recipe:
    """The recipe of ``client``, one of ``clients``' session. Raises NoRecipe. Nothing is sent to the queue."""
    if clients.protocol != "json":
        raise NoRecipe("the server speaks the query protocol")
    with _expecting():
        source: Any = clients.session.get_credentials()
        if source is None:
            raise NoRecipe("there are no AWS credentials")
        request = _prepared(client, queue_url)
        headers = {name: _text(value) for name, value in request.headers.items()}
        scope = _SCOPE.fullmatch(headers["Authorization"])
        if scope is None:
            raise NoRecipe("requests are not signed with AWS Signature Version 4")
        signer = Signer(_target(request.url, headers, scope))
        _insist_on_the_same(signer, headers, request.body, credentials=source.get_frozen_credentials())
        return Recipe(server=_server(client, request.url, headers), signer=signer, source=source)


@contextlib.contextmanager
def _expecting() -> Iterator[None]:
    """Whatever is otherwise than expected inside botocore means that there is no recipe."""
    try:
        yield
    except NoRecipe:
        raise
    except Exception as error:  # noqa: BLE001  # boto3 will meet it too, and says it better
        raise NoRecipe(f"this botocore could not be followed ({type(error).__name__})") from None


def _prepared(client: Any, queue_url: str) -> Any:
    """A receive call as botocore would send it, signed; it is not sent."""

    def stop(request: Any, **_: object) -> None:
        raise _Prepared(request)

    event = f"before-send.sqs.{_PROBED}"
    client.meta.events.register_first(event, stop, unique_id="sofetch-recipe")
    try:
        client.receive_message(QueueUrl=queue_url)
    except _Prepared as prepared:
        return prepared.request
    finally:
        client.meta.events.unregister(event, unique_id="sofetch-recipe")
    raise NoRecipe("botocore does not let its calls be seen")


def _target(url: str, headers: Mapping[str, str], scope: re.Match[str]) -> Target:
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username is not None or not parts.path.isascii():
        raise NoRecipe("the endpoint's URL holds more than a host and a path")
    signed = {name: value for name, value in headers.items() if name.lower() in scope["signed"].split(";")}
    common = tuple((name, value) for name, value in signed.items() if name.lower() not in _OURS and name != _TARGET)
    prefix = headers[_TARGET].removesuffix(_PROBED)
    return Target(
        url=url,
        region=scope["region"],
        service=scope["service"],
        headers={operation: ((_TARGET, prefix + operation), *common) for operation in OPERATIONS},
        unsigned=((_USER_AGENT, headers[_USER_AGENT]), ("Accept-Encoding", "identity")),
    )


def _insist_on_the_same(signer: Signer, headers: Mapping[str, str], body: bytes, *, credentials: Credentials) -> None:
    second = timegm(strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    ours = signer.request(_PROBED, body, second=second, credentials=credentials)
    if f"\r\nAuthorization: {headers['Authorization']}\r\n".encode() not in ours:
        raise NoRecipe("our signature is not botocore's")


def _server(client: Any, url: str, headers: Mapping[str, str]) -> Server:
    http = client._endpoint.http_session  # noqa: SLF001  # no public way; see the module's docstring
    if http._proxy_config.proxy_url_for(url) is not None:  # noqa: SLF001
        raise NoRecipe("calls go through a proxy")
    if http._cert_file is not None:  # noqa: SLF001
        raise NoRecipe("calls use a client's certificate")
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    return Server(
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        tls=_tls(http._verify) if secure else None,  # noqa: SLF001
        connect_seconds=CONNECT_TIMEOUT_SECONDS,
        content_type=headers["Content-Type"].lower().encode(),
    )


def _tls(verify: bool | str) -> ssl.SSLContext:
    """What boto3 verifies: the certificate and the host's name, by its CA bundle or the configured one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies; not stricter about a CA's form than boto3 is
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    path = get_cert_path(verify)  # type: ignore[arg-type]  # the stubs know of bool only
    if not path:
        raise NoRecipe("certificates are not verified")
    context.load_verify_locations(cafile=path)
    return context


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
