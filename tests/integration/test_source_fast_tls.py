"""The fast path over TLS: who is not who the URL names, by the CA bundle that boto3 would use, gets no request."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scripted import Scripted, plain, scripted
from sofetch.clock import SystemClock
from sofetch.errors import SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source.fast import FastTransport
from sofetch.source.opening import open_transport
from sofetch.source.transport import Transport

DONE = b'{"Successful":[{"Id":"0"}],"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"x"}]}'


class Authority:
    """A CA of our own: ``bundle`` is its certificate, ``context`` a server's for a name."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._begun(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / f"{name}.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        certificate = (
            self._begun(subject, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = self._folder / "server.pem"
        chain.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )


HERE = x509.IPAddress(ip_address("127.0.0.1"))
ELSEWHERE = x509.DNSName("sqs.example.com")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def server(authority: Authority) -> Iterator[Scripted]:
    with scripted(lambda _: plain(DONE), tls=authority.context(HERE)) as one:
        yield one


def opened(server: Scripted) -> Transport:
    settings = SourceSettings(queue=f"{server.url}/000/q", endpoint=server.url, protocol="json", transport="fast")
    transport = open_transport(settings, clock=SystemClock())
    assert isinstance(transport, FastTransport)
    return transport


def assert_refused(server: Scripted) -> None:
    transport = opened(server)
    with pytest.raises(SourceUnavailable, match="TLS failed"):
        transport.delete_batch(["h"])
    transport.close()
    assert server.seen.total() == 0
    assert server.connected >= 2, "the fast path and boto3 each tried"


def test_a_server_of_the_configured_ca_is_talked_to_over_one_connection(
    server: Scripted, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    transport = opened(server)
    for _ in range(20):
        assert transport.delete_batch(["h"]) == []
    assert len(transport.receive(max_messages=1, wait_seconds=0, visibility_timeout_seconds=30)) == 1
    transport.close()
    assert server.connected == 2, "one for deletes, one for receives"
    assert not any(b"amz-sdk-request" in head for head in server.heads), "boto3 was asked"


def test_a_large_answer_comes_whole_through_tls(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    body = b'{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"%b"}]}' % (b"x" * 1_000_000)
    with scripted(lambda _: plain(body), tls=authority.context(HERE)) as server:
        transport = opened(server)
        (message,) = transport.receive(max_messages=1, wait_seconds=0, visibility_timeout_seconds=30)
        transport.close()
        assert len(message.body) == 1_000_000
        assert server.seen.total() == 1


def test_a_server_of_an_unknown_ca_is_refused(server: Scripted) -> None:
    assert_refused(server)


def test_a_server_of_another_ca_is_refused(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(Authority(tmp_path, "theirs").bundle))
    assert_refused(server)


def test_a_server_of_another_name_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.bundle))
    with scripted(lambda _: plain(DONE), tls=authority.context(ELSEWHERE)) as server:
        assert_refused(server)
