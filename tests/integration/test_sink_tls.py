"""TLS towards a server that is elsewhere: verified without being asked for, and what is not so is said."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from faults.loop import LoopThread
from loading import logins
from sofetch.errors import SinkUnavailable
from sofetch.load.connection import connect
from sofetch.load.setup.inspect import check_sink
from sofetch.settings import SinkSettings

NAME = "db.example.org"
SINK = SinkSettings(table="t")
SSL_REQUEST = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server that NAME stands for, and its certificate. The embedded one is built without TLS: this stands before."""
    certificate = _write_certificate(tmp_path)
    with _encrypted(database, certificate) as port:
        yield make_conninfo(database, host=NAME, hostaddr="127.0.0.1", port=port), certificate


@contextmanager
def _encrypted(dsn: str, certificate: Path) -> Iterator[int]:
    """Takes off TLS as Postgres does, after its own request for it; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    path = f"{conninfo_to_dict(dsn)['host']}/.s.PGSQL.5432"

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        first = await reader.readexactly(8)
        if first == SSL_REQUEST:
            writer.write(b"S")
            try:
                await writer.start_tls(context)
            except (ssl.SSLError, ConnectionError):  # the client would not have the certificate
                return
            first = b""
        upstream_reader, upstream = await asyncio.open_unix_connection(path)
        upstream.write(first)
        await asyncio.gather(_pass_on(reader, upstream), _pass_on(upstream_reader, writer))

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0)

    async def close(listening: asyncio.Server) -> None:
        listening.close()

    with LoopThread() as loop:
        listening = loop.run(listen())
        yield int(listening.sockets[0].getsockname()[1])
        loop.run(close(listening))


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def test_a_server_whose_certificate_is_known_is_talked_to(server: tuple[str, Path]) -> None:
    dsn, certificate = server
    [finding] = _tls(f"{dsn} sslrootcert={certificate}")
    assert finding == ("ok", "TLS, the server's certificate is verified (sslmode verify-full)")


def test_one_that_cannot_be_verified_is_not(server: tuple[str, Path], tmp_path: Path) -> None:
    dsn, certificate = server
    (tmp_path / "other").mkdir()
    other = _write_certificate(tmp_path / "other")
    for changes, cause in (
        ({"sslrootcert": "/nowhere/root.crt"}, "no CA's certificate"),
        ({"sslrootcert": str(other)}, "cannot be verified"),
        ({"sslrootcert": str(certificate), "host": "other.example.org"}, "another host name"),
    ):
        with pytest.raises(SinkUnavailable, match=cause) as caught:
            connect(make_conninfo(dsn, **changes), SINK)
        assert caught.value.hint


def test_a_lower_mode_is_taken_where_it_is_asked_for_and_told(server: tuple[str, Path]) -> None:
    dsn, _ = server
    assert _tls(f"{dsn} sslmode=require") == [("warning", "TLS, and nobody knows with whom (sslmode require)")]
    [(severity, what)] = _tls(f"{dsn} sslmode=disable")
    assert (severity, "in the clear" in what) == ("warning", True)


def _tls(dsn: str) -> list[tuple[str, str]]:
    return [(found.severity, found.what) for found in check_sink(logins(), dsn=dsn) if found.code == "sink_tls"]


def _write_certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem"
