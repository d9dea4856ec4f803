"""Maps what botocore raises to SourceUnavailable and SourceRefused, once, at the edge.

Owns the judgement whether trying again can help. Must not let a vendor's text through: botocore's messages can echo
parameters, and a server's messages anything. AWS's error code is all that passes, and only if it looks like one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from sofetch.errors import SofetchError, SourceRefused, SourceUnavailable

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.:]{0,79}")

_MAY_PASS = frozenset(
    {
        "ExpiredToken",  # the credential chain fetches new ones
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "KmsThrottled",
        "OverLimit",  # 120,000 messages are in flight: deleting some helps
        "PurgeQueueInProgress",
        "QueueDeletedRecently",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_NO_QUEUE = frozenset({"NonExistentQueue", "QueueDoesNotExist"})
_DENIED = re.compile(r"AccessDenied|NotAuthorized|InvalidSecurity|AuthFailure|OptInRequired")
_CREDENTIALS = re.compile(r"InvalidClientTokenId|UnrecognizedClient|MissingAuthenticationToken|IncompleteSignature")
_SIGNATURE = re.compile(r"SignatureDoesNotMatch|InvalidSignature")
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})

_SKEW_SECONDS = 240
"""AWS refuses signatures that are five minutes old or young, mostly by the same code as those of a wrong key. The time
in its answer tells the two apart."""

_CLOCK_HINT = (
    "set this machine's clock (chronyd, systemd-timesyncd); nothing is lost, it goes on once the clock is right"
)

_PATIENCE = "it may pass; if it does not: is the endpoint an SQS server, and is the network between sound?"
_NO_CREDENTIALS_HINT = (
    "give credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE) or an instance role"
)


UNREADABLE = (ResponseParserError, ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What botocore and we raise over an answer that is not SQS's: whoever wrote its parsers trusted the server."""


@contextmanager
def mapped(doing: str, *, setting_up: bool = False) -> Iterator[None]:
    """Run one vendor call; ``doing`` completes «cannot …», names the queue at most.

    While ``setting_up`` a client, a ValueError is a setting's fault; later it is the answer's.
    """
    try:
        yield
    except SofetchError:
        raise
    except Exception as error:  # noqa: BLE001  # botocore lets through what urllib3 and sockets raise, too
        raise source_error(error, doing=doing, setting_up=setting_up) from None


def source_error(  # noqa: PLR0911
    error: Exception, *, doing: str, setting_up: bool = False
) -> SourceUnavailable | SourceRefused:
    """The project's error for a vendor's. Of anything unknown it says that it may pass: holding loses nothing."""
    match error:
        case boto.ClientError():
            return _of_answer(error, doing)
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return SourceRefused(f"cannot {doing}: no AWS credentials found", hint=_NO_CREDENTIALS_HINT)
        case boto.TokenRetrievalError() | boto.SSOError() | boto.NoAuthTokenError() | boto.LoginError():
            return SourceRefused(f"cannot {doing}: the AWS login has ended", hint="log in again with `aws sso login`")
        case boto.NoRegionError():
            return SourceRefused(
                f"cannot {doing}: no AWS region", hint="set AWS_REGION, [source] region, or one in the profile"
            )
        case boto.ProfileNotFound():
            return SourceRefused(
                f"cannot {doing}: the profile is not configured", hint="see AWS_PROFILE, ~/.aws/config"
            )
        case ValueError() if not setting_up and not isinstance(error, boto.BotoCoreError):
            return _of_connection(error, doing)
        case boto.ParamValidationError() | boto.ValidationError() | boto.ConfigParseError() | ValueError():
            return SourceRefused(
                f"cannot {doing}: a setting is not usable ({type(error).__name__})",
                hint="see [source] queue, endpoint, region, and the AWS configuration",
            )
        case _:
            return _of_connection(error, doing)


def error_code(error: boto.ClientError) -> str:
    """AWS's code without its old prefix, or «unknown» for what does not look like a code."""
    return code_of(error.response.get("Error", {}).get("Code", ""))


def code_of(said: object) -> str:
    """What a server says is a code, if it looks like one; a server may say anything, a message's text too."""
    code = said.removeprefix("AWS.SimpleQueueService.") if isinstance(said, str) else ""
    return code if _CODE.fullmatch(code) else "unknown"


def is_missing_queue(error: boto.ClientError) -> bool:
    """Whether the server says that there is no such queue."""
    return error_code(error) in _NO_QUEUE


def _of_answer(error: boto.ClientError, doing: str) -> SourceUnavailable | SourceRefused:
    code, status = error_code(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    what = f"cannot {doing}: the server answers {code} (HTTP {status})"
    if code in _NO_QUEUE:
        return SourceRefused(
            f"cannot {doing}: there is no such queue",
            hint="check the queue's name (--queue or [source] queue), the region and the account of the credentials",
            code="queue_missing",
        )
    if _DENIED.search(code):
        return SourceRefused(
            what, hint="let the role call this action on the queue (and use its KMS key)", code="denied"
        )
    if _CREDENTIALS.search(code):
        return SourceRefused(what, hint="the AWS credentials are not valid for this endpoint and region")
    if code in _CLOCK or _SIGNATURE.search(code):
        return _of_signature(error, code, what)
    if code == "unknown" or code in _MAY_PASS or status not in range(400, 500) or status in (408, 429):
        return SourceUnavailable(what, hint="it may pass; if it does not, look at the queue's service")
    return SourceRefused(what, hint="look the code up in the SQS API reference")


def _of_signature(error: boto.ClientError, code: str, what: str) -> SourceUnavailable | SourceRefused:
    skew_seconds = _skew_seconds(error)
    if code in _CLOCK or abs(skew_seconds) > _SKEW_SECONDS:
        return SourceUnavailable(f"{what}: {_clock_in_words(skew_seconds)}", hint=_CLOCK_HINT, code="clock_skewed")
    return SourceRefused(what, hint="the AWS secret key is not the one of this access key")


def _skew_seconds(error: boto.ClientError) -> float:
    """By how much this machine's clock is ahead of the server's; 0 if the answer does not say."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return 0.0


def _clock_in_words(skew_seconds: float) -> str:
    minutes = round(skew_seconds / 60)
    if not minutes:
        return "this machine's clock is wrong"
    return f"this machine's clock is {abs(minutes):,} minutes {'fast' if minutes > 0 else 'slow'}"


def _of_connection(error: Exception, doing: str) -> SourceUnavailable:
    match error:
        case boto.SSLError():
            why, hint = "TLS failed", "check the endpoint's certificate, AWS_CA_BUNDLE and the clock"
        case boto.EndpointConnectionError() | boto.ConnectTimeoutError() | boto.ProxyConnectionError():
            why, hint = (
                "nothing answers at the endpoint",
                "is the server up, and are endpoint, region and network right?",
            )
        case boto.ReadTimeoutError():
            why, hint = "no answer in time", _PATIENCE
        case _ if isinstance(error, UNREADABLE):
            why, hint = "the answer is not SQS's", "is the endpoint an SQS server? `protocol` may be forced"
        case _:
            why, hint = f"the connection failed ({type(error).__name__})", _PATIENCE
    return SourceUnavailable(f"cannot {doing}: {why}", hint=hint)
