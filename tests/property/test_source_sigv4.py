"""The fast path's signatures are botocore's, byte for byte, whatever is signed and whenever."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from sofetch.source.sigv4 import Signer, Target, host_header

URL = "https://sqs.eu-central-1.amazonaws.com/"
TURN_OF_A_DAY = 1_795_737_600
_printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30)
_spaced = st.text("a b\t", max_size=8)
_word = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+=", min_size=1, max_size=60)
_credentials = st.builds(
    ReadOnlyCredentials, _word, st.text(min_size=1, max_size=40), st.none() | _word | _printable | _spaced
)
_hosts = st.sampled_from(["sqs.us-east-1.amazonaws.com", "LocalHost", "127.0.0.1", "[::1]", "a-b.example"])
_ports = st.sampled_from(["", ":80", ":443", ":4566", ":1"])
_paths = st.lists(st.text("ab.~/%2 é", max_size=6), max_size=5).map(lambda parts: "".join(f"/{part}" for part in parts))
_urls = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), _hosts, _ports, _paths)
_names = st.sampled_from(["X-Amz-Target", "Content-Type", "x-amzn-query-mode", "X-Other", "amz-a", "Zed"])
_headers = st.dictionaries(_names, _printable | _spaced, max_size=6).map(lambda headers: tuple(headers.items()))
_seconds = st.integers(0, 4_102_444_799) | st.integers(TURN_OF_A_DAY - 3, TURN_OF_A_DAY + 3)


def botocores(target: Target, body: bytes, *, second: int, credentials: ReadOnlyCredentials) -> str:
    request = AWSRequest("POST", target.url, dict(target.headers["Call"]), body)
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(second, UTC)):
        SigV4Auth(credentials, target.service, target.region).add_auth(request)
    return str(request.headers["Authorization"])


def ours(signer: Signer, body: bytes, *, second: int, credentials: ReadOnlyCredentials) -> str:
    head, _, sent = signer.request("Call", body, second=second, credentials=credentials).partition(b"\r\n\r\n")
    assert sent == body
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert headers["Content-Length"] == str(len(body))
    return headers["Authorization"]


def target(url: str = URL, headers: tuple[tuple[str, str], ...] = (("X-Amz-Target", "AmazonSQS.Call"),)) -> Target:
    return Target(url=url, region="eu-central-1", service="sqs", headers={"Call": headers})


@given(_urls, _headers, st.binary(max_size=200), _seconds, _credentials)
def test_any_request_is_signed_as_botocore_signs_it(
    url: str, headers: tuple[tuple[str, str], ...], body: bytes, second: int, credentials: ReadOnlyCredentials
) -> None:
    aim = target(url, headers)
    signed = ours(Signer(aim), body, second=second, credentials=credentials)
    assert signed == botocores(aim, body, second=second, credentials=credentials)


@given(st.lists(st.tuples(st.binary(max_size=20), _seconds, st.sampled_from("ab")), min_size=2, max_size=12))
def test_one_signer_signs_as_botocore_does_whatever_it_signed_before(calls: list[tuple[bytes, int, str]]) -> None:
    signer, aim = Signer(target()), target()
    for body, second, who in calls:
        credentials = ReadOnlyCredentials("AKID", f"secret-{who}", f"token-{who}" if who == "b" else None)
        signed = ours(signer, body, second=second, credentials=credentials)
        assert signed == botocores(aim, body, second=second, credentials=credentials)


def test_threads_that_cross_seconds_and_credentials_at_once_each_get_their_own() -> None:
    signer, aim = Signer(target()), target()
    wanted = {
        (second, key): botocores(aim, b"x", second=second, credentials=ReadOnlyCredentials("AKID", key, key))
        for second in range(TURN_OF_A_DAY - 2, TURN_OF_A_DAY + 2)
        for key in ("one", "two")
    }
    wrong: list[tuple[int, str]] = []
    start = threading.Barrier(4)

    def sign() -> None:
        start.wait()
        for (second, key), right in list(wanted.items()) * 200:
            if ours(signer, b"x", second=second, credentials=ReadOnlyCredentials("AKID", key, key)) != right:
                wrong.append((second, key))

    threads = [threading.Thread(target=sign) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://SQS.example:443/", "sqs.example"),
        ("http://user:pw@h:443/", "h:443"),
        ("http://[::1]:4566/", "[::1]:4566"),
    ],
)
def test_the_host_is_named_without_its_user_and_with_a_port_of_its_own(url: str, host: str) -> None:
    assert host_header(urlsplit(url)) == host


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\0"])
def test_credentials_that_would_break_out_of_their_header_are_refused(token: str) -> None:
    with pytest.raises(ValueError, match="no header"):
        Signer(target()).request("Call", b"", second=0, credentials=ReadOnlyCredentials("AKID", "secret", token))
