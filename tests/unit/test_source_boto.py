"""What is made of AWS's answers and errors, and that nothing of a message gets into an error."""

from __future__ import annotations

import hashlib
import time
from email.utils import formatdate

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source.boto import parse_deliveries, parse_failures, parse_messages
from sofetch.source.boto_client import Clients, _region_of
from sofetch.source.boto_errors import mapped, source_error
from sofetch.source.forms import BadAnswer, queue_name
from sofetch.source.transport import EntryFailure

CANARY = "canary@example.org"


def client_error(code: str, status: int) -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": CANARY}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        CANARY,
    )


def signature_refused(code: str, *, server_ahead_seconds: float | None) -> boto.ClientError:
    """As AWS refuses a signature, its own time in the answer's head."""
    headers = {} if server_ahead_seconds is None else {"date": formatdate(time.time() + server_ahead_seconds)}
    answer = {"HTTPStatusCode": 403, "HTTPHeaders": headers}
    return boto.ClientError({"Error": {"Code": code, "Message": CANARY}, "ResponseMetadata": answer}, CANARY)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("days", [2, -2])
@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"])
def test_a_clock_that_is_days_off_is_said_so_and_waited_for(code: str, days: int) -> None:
    error = source_error(signature_refused(code, server_ahead_seconds=days * 86_400), doing="receive")
    assert isinstance(error, SourceUnavailable)
    assert error.code == "clock_skewed"
    assert f"clock is 2,880 minutes {'slow' if days > 0 else 'fast'}" in error.what
    assert CANARY not in str(error)


@pytest.mark.parametrize("ahead", [None, 0, 60, -60])
def test_a_signature_that_is_refused_while_the_clock_is_right_needs_a_person(ahead: float | None) -> None:
    error = source_error(signature_refused("SignatureDoesNotMatch", server_ahead_seconds=ahead), doing="receive")
    assert isinstance(error, SourceRefused)
    assert "secret key" in error.hint


def test_a_clock_that_the_server_calls_wrong_is_waited_for_whatever_its_own_says() -> None:
    error = source_error(signature_refused("RequestTimeTooSkewed", server_ahead_seconds=None), doing="receive")
    assert (type(error), error.code) == (SourceUnavailable, "clock_skewed")


def answered(body: str, **changes: object) -> dict[str, object]:
    md5 = hashlib.md5(body.encode("utf-8", "surrogatepass")).hexdigest()
    return {"MessageId": "m1", "ReceiptHandle": "h1", "Body": body, "MD5OfBody": md5, **changes}


PASSING = [
    client_error("InternalError", 500),
    client_error("ServiceUnavailable", 503),
    client_error("RequestThrottled", 403),
    client_error("ThrottlingException", 400),
    client_error("ExpiredToken", 403),
    client_error("OverLimit", 403),
    client_error("502", 502),
    client_error(f"<html>{CANARY}", 400),
    client_error("Whatever", 429),
    boto.EndpointConnectionError(endpoint_url=CANARY),
    boto.ReadTimeoutError(endpoint_url=CANARY),
    boto.ConnectTimeoutError(endpoint_url=CANARY),
    boto.ConnectionClosedError(endpoint_url=CANARY),
    boto.SSLError(endpoint_url=CANARY, error=OSError(CANARY)),
    boto.HTTPClientError(error=CANARY),
    ResponseParserError(CANARY),
    KeyError(CANARY),
    OSError(CANARY),
    ValueError(CANARY),
    BadAnswer(),
]
LASTING = [
    client_error("AccessDenied", 403),
    client_error("AccessDeniedException", 400),
    client_error("KmsAccessDenied", 400),
    client_error("AWS.SimpleQueueService.NonExistentQueue", 400),
    client_error("QueueDoesNotExist", 400),
    client_error("InvalidClientTokenId", 403),
    client_error("SignatureDoesNotMatch", 403),
    client_error("InvalidParameterValue", 400),
    boto.NoCredentialsError(),
    boto.PartialCredentialsError(provider=CANARY, cred_var=CANARY),
    boto.NoRegionError(),
    boto.ProfileNotFound(profile=CANARY),
    boto.ParamValidationError(report=CANARY),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_pass_is_unavailable(error: Exception) -> None:
    assert isinstance(source_error(error, doing="receive"), SourceUnavailable)


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
def test_what_a_person_must_mend_is_refused_with_what_to_do(error: Exception) -> None:
    refused = source_error(error, doing="receive")
    assert isinstance(refused, SourceRefused)
    assert refused.hint


def test_a_missing_queue_is_told_to_those_who_have_no_configuration_yet_too() -> None:
    refused = source_error(client_error("QueueDoesNotExist", 400), doing="receive")
    assert isinstance(refused, SourceRefused)
    assert "--queue" in (refused.hint or "")


@pytest.mark.parametrize("error", PASSING + LASTING, ids=lambda error: type(error).__name__)
def test_no_vendor_text_gets_into_an_error(error: Exception) -> None:
    with pytest.raises((SourceUnavailable, SourceRefused)) as caught, mapped("receive"):
        raise error
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_message_is_read_with_its_envelope() -> None:
    system = {"SentTimestamp": "17", "ApproximateReceiveCount": "3", "MessageGroupId": "g", "SequenceNumber": "9"}
    attributes = {"text": {"DataType": "String", "StringValue": "v"}, "raw": {"DataType": "Binary", "BinaryValue": b""}}
    (message,) = parse_messages([answered("Zürich", Attributes=system, MessageAttributes=attributes)])
    assert message.body == "Zürich".encode()
    assert (message.sent_ms, message.receive_count, message.group_id, message.sequence_number) == (17, 3, "g", "9")
    assert message.attributes == {"text": "v"}


def test_a_message_of_a_server_that_says_little_is_read() -> None:
    (message,) = parse_messages([{"MessageId": "m1", "ReceiptHandle": "h1", "Body": "x"}])
    assert (message.sent_ms, message.receive_count, message.attributes) == (None, 1, {})


def test_a_body_that_is_not_what_its_digest_says_is_left_to_come_again() -> None:
    messages = parse_messages([answered("whole"), answered("cut", MD5OfBody=hashlib.md5(b"cut off").hexdigest())])
    assert [message.body for message in messages] == [b"whole"]


def test_a_delivery_says_whether_its_body_is_whole_and_a_damaged_body_goes_no_further() -> None:
    cut = answered(CANARY, MD5OfBody=hashlib.md5(b"cut off").hexdigest())
    whole, damaged = parse_deliveries([answered("whole"), cut])
    assert (whole.whole, whole.body) == (True, b"whole")
    assert (damaged.whole, damaged.body) == (False, b"")


def test_a_lone_surrogate_reaches_decoding_as_bytes_that_are_not_utf8() -> None:
    (message,) = parse_messages([answered("\ud800")])
    with pytest.raises(UnicodeDecodeError):
        message.body.decode()


def test_an_entry_that_the_answer_does_not_mention_counts_as_failed() -> None:
    failed = {"Id": "1", "Code": "InternalError", "SenderFault": False, "Message": CANARY}
    answer = {"Successful": [{"Id": "0"}], "Failed": [failed]}
    assert parse_failures(answer, entries=3) == [
        EntryFailure(1, "InternalError", False),
        EntryFailure(2, "unanswered", False),
    ]


def test_a_queue_url_names_its_queue_and_region() -> None:
    url = "https://sqs.eu-central-1.amazonaws.com/123456789012/login-queue"
    assert queue_name(url) == "login-queue"
    assert _region_of(url) == "eu-central-1"
    assert _region_of("login-queue") is None


def test_an_endpoint_that_does_not_answer_is_named_without_its_password() -> None:
    settings = SourceSettings(queue="q", region="us-east-1", endpoint=f"http://user:{CANARY}@127.0.0.1:1")
    with pytest.raises(SourceUnavailable) as caught:
        Clients(settings)
    assert "reach SQS at 127.0.0.1:1:" in caught.value.what
    assert CANARY not in str(caught.value)
