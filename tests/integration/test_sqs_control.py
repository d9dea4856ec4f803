"""Control and check of a queue on real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest
from botocore.stub import Stubber

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.findings import Finding
from sofetch.settings import BatchSettings, SourceSettings
from sofetch.source.control import Action, MessagesRefused, QueueControl, check_source

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

pytestmark = pytest.mark.slow
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="session", params=["embedded", "fast"])
def queue_endpoint(request: pytest.FixtureRequest, queue_endpoint: str, fast_queue_endpoint: str) -> str:
    """The same of both servers: what a benchmark or a campaign runs on behaves like the embedded one."""
    return queue_endpoint if request.param == "embedded" else fast_queue_endpoint


@pytest.fixture
def settings(queue_endpoint: str, queue_name: str) -> SourceSettings:
    return SourceSettings(queue=queue_name, endpoint=queue_endpoint)


@pytest.fixture
def control(settings: SourceSettings) -> Iterator[QueueControl]:
    with QueueControl.open(settings) as control:
        yield control


def worst(findings: list[Finding], code: str) -> str:
    return max((finding.severity for finding in findings if finding.code == code), key=["ok", "warning", "error"].index)


def test_what_is_sent_is_counted_peeked_and_still_there(control: QueueControl) -> None:
    told: list[int] = []
    assert control.send([b"%d" % number for number in range(23)], on_sent=told.append) == 23
    assert told == [10, 20, 23]
    peeked = control.peek(15)
    assert len({message.id for message in peeked}) == 15
    assert {message.receive_count for message in peeked} == {1}
    counts = control.attributes()
    assert (counts.visible, counts.in_flight) == (23, 0)


def test_peeking_past_the_end_shows_what_there_is(control: QueueControl) -> None:
    control.send([b"a", b"b"])
    assert sorted(message.body for message in control.peek(100, wait_seconds=0)) == [b"a", b"b"]


def test_a_megabyte_goes_through_in_one_message(control: QueueControl) -> None:
    body = b"x" * 1_048_576
    control.send([body, b"small"])
    assert {len(message.body) for message in control.peek(2)} == {len(body), 5}


def test_one_body_that_cannot_be_sent_spares_the_others(control: QueueControl) -> None:
    with pytest.raises(MessagesRefused):
        control.send([b"one", b"", b"three"])
    assert control.attributes().visible == 2


def test_purge_empties_the_queue(control: QueueControl) -> None:
    control.send([b"a"] * 3)
    control.purge()
    assert control.attributes().visible == 0


def test_a_missing_queue_is_said_with_the_nearest_name(settings: SourceSettings) -> None:
    with pytest.raises(SourceRefused) as caught:
        QueueControl.open(SourceSettings(queue=settings.queue + "s", endpoint=settings.endpoint))
    assert caught.value.code == "queue_missing"
    assert f"did you mean '{settings.queue}'" in caught.value.hint


def test_a_missing_queue_is_made_when_asked_and_found_the_next_time(queue_endpoint: str) -> None:
    settings = SourceSettings(queue="made-on-demand", endpoint=queue_endpoint)
    for _ in range(2):
        with QueueControl.open(settings, create=True) as control:
            assert control.name == "made-on-demand"


def test_a_queue_given_by_url_is_used_as_it_is(control: QueueControl, queue_endpoint: str) -> None:
    with QueueControl.open(SourceSettings(queue=control.url, endpoint=queue_endpoint)) as same:
        same.send([b"x"])
        assert same.name == control.name
    assert control.attributes().visible == 1


def test_an_endpoint_where_nothing_answers_is_said_in_time() -> None:
    with pytest.raises(SourceUnavailable) as caught:
        QueueControl.open(SourceSettings(queue="q", endpoint=NOWHERE))
    assert "nothing answers" in caught.value.what


def test_missing_credentials_and_region_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SourceSettings(queue="q", endpoint=NOWHERE)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceRefused, match="no AWS credentials"):
        QueueControl.open(settings)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SourceRefused, match="no AWS region"):
        QueueControl.open(settings)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    with pytest.raises(SourceRefused, match="no AWS credentials"):
        QueueControl.open(settings)


def test_something_that_is_no_queue_server_is_said(tmp_path: Path, file_server: str) -> None:
    with pytest.raises(SourceRefused, match="does not answer like an SQS server"):
        QueueControl.open(SourceSettings(queue="q", endpoint=file_server))


def test_a_good_queue_has_only_good_findings(settings: SourceSettings, sqs_client: SQSClient) -> None:
    dead = sqs_client.create_queue(QueueName=f"{settings.queue}-dead")["QueueUrl"]
    arn = sqs_client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    _set(sqs_client, settings, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"}))
    findings = check_source(settings, batch=BatchSettings(), ledger_days=35)
    assert {finding.severity for finding in findings} == {"ok"}
    assert [finding.code for finding in findings].count("permission") == 3


def test_what_is_wrong_with_a_queue_is_found_with_what_to_do(settings: SourceSettings, sqs_client: SQSClient) -> None:
    _set(sqs_client, settings, VisibilityTimeout="1", MessageRetentionPeriod="600")
    findings = check_source(settings, batch=BatchSettings(), ledger_days=35)
    assert {code: worst(findings, code) for code in ("visibility_timeout", "dead_letter_queue", "retention")} == {
        "visibility_timeout": "warning",
        "dead_letter_queue": "warning",
        "retention": "warning",
    }
    assert all(finding.hint for finding in findings if finding.severity != "ok")


@pytest.mark.parametrize(("ledger_days", "severity"), [(4, "error"), (8, "error"), (9, "ok")])
def test_a_ledger_that_forgets_before_the_queues_do_is_an_error(
    settings: SourceSettings, sqs_client: SQSClient, ledger_days: int, severity: str
) -> None:
    """Four days in each of the two queues: a message may come again after eight."""
    dead = sqs_client.create_queue(QueueName=f"{settings.queue}-dead")["QueueUrl"]
    arn = sqs_client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    _set(sqs_client, settings, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"}))
    findings = check_source(settings, batch=BatchSettings(), ledger_days=ledger_days)
    assert worst(findings, "ledger_days") == severity


def test_checking_leaves_the_messages_where_they_are(control: QueueControl, settings: SourceSettings) -> None:
    control.send([b"a"])
    check_source(settings, batch=BatchSettings(), ledger_days=35)
    assert control.attributes().visible == 1


@pytest.mark.parametrize("endpoint", [NOWHERE, "not a url"])
def test_an_unreachable_queue_is_one_finding(endpoint: str) -> None:
    (finding,) = check_source(SourceSettings(queue="q", endpoint=endpoint), batch=BatchSettings(), ledger_days=35)
    assert finding.severity == "error"
    assert finding.hint


@pytest.mark.parametrize("action", ["receive", "delete", "change_visibility"])
def test_a_denied_action_is_told_and_an_allowed_one_is_not(control: QueueControl, action: Action) -> None:
    assert control.refusal(action) is None
    operation = {"receive": "receive_message", "delete": "delete_message"}.get(action, "change_message_visibility")
    with Stubber(control._calls) as stubber:
        stubber.add_client_error(operation, "AccessDenied", http_status_code=403)
        refusal = control.refusal(action)
    assert isinstance(refusal, SourceRefused)
    assert refusal.code == "denied"


def _set(sqs_client: SQSClient, settings: SourceSettings, **attributes: str) -> None:
    url = sqs_client.get_queue_url(QueueName=settings.queue)["QueueUrl"]
    sqs_client.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[str]:
    """A web server that knows nothing of SQS."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><p>hello")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("transport", "told"), [("auto", "fast path"), ("fast", "fast path"), ("boto3", "boto3")])
def test_check_tells_which_transport_is_used(
    transport: Literal["auto", "fast", "boto3"], told: str, settings: SourceSettings
) -> None:
    findings = check_source(
        msgspec.structs.replace(settings, transport=transport), batch=BatchSettings(), ledger_days=35
    )
    (finding,) = (finding for finding in findings if finding.code == "transport")
    assert (finding.severity, f"called by {told}" in finding.what or f"by the {told}" in finding.what) == ("ok", True)


def test_check_refuses_a_fast_path_that_is_insisted_on_and_cannot_be_taken(settings: SourceSettings) -> None:
    forms = msgspec.structs.replace(settings, protocol="query")
    if not {it.code for it in check_source(forms, batch=BatchSettings(), ledger_days=35)} & {"queue_found"}:
        pytest.skip("the fast server does not speak the query protocol")
    (told,) = (it for it in check_source(forms, batch=BatchSettings(), ledger_days=35) if it.code == "transport")
    assert (told.severity, "query protocol" in told.what) == ("ok", True)
    insisted = msgspec.structs.replace(forms, transport="fast")
    (told,) = (it for it in check_source(insisted, batch=BatchSettings(), ledger_days=35) if it.code == "transport")
    assert (told.severity, "query protocol" in told.what) == ("error", True)
