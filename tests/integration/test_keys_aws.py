"""Keyrings from AWS Secrets Manager and KMS, against a server over HTTP; denial, absence and silence included."""

from __future__ import annotations

import base64
import http.server
import json
import logging
import os
import socket
import subprocess
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import forked
from masking import K1, K2, cell_of, entry, ring, ring_text
from sofetch.embedded import queue as embedded_queue
from sofetch.errors import ExitCode, KeyringError
from sofetch.keys import load_keyring, load_keyrings
from sofetch.keys.aws import fetch_secret, store_secret, unwrap_key, wrap_key
from sofetch.mask.keyring_changes import wrapped_as
from sofetch.mask.keyring_text import KeyEntry, Wrapped, render_entries
from sofetch.settings import KeysSettings

FIRST = KeyEntry("k1", "primary", K1)
SECRET_TEXT = base64.b64encode(K1).decode()


@pytest.fixture(scope="module")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server that speaks Secrets Manager and KMS."""
    with pytest.MonkeyPatch.context() as patch:
        plain = embedded_queue._environ
        patch.setattr(
            embedded_queue, "_environ", lambda *a, **k: plain(*a, **k) | {"SERVICES": "secretsmanager,kms,sqs"}
        )
        server = embedded_queue.StartingQueue(tmp_path_factory.mktemp("aws")).wait()
    try:
        yield server.endpoint
    finally:
        server.stop()


@pytest.fixture(scope="module")
def aws(aws_endpoint: str) -> Iterator[tuple[Any, Any]]:
    """Plain clients of both services, to set the stage."""
    session = botocore.session.get_session()
    secrets = session.create_client("secretsmanager", endpoint_url=aws_endpoint)
    kms = session.create_client("kms", endpoint_url=aws_endpoint)
    yield secrets, kms
    secrets.close()
    kms.close()


@pytest.fixture
def keys(aws_endpoint: str) -> KeysSettings:
    return KeysSettings(endpoint=aws_endpoint, secret=f"keyring/{uuid.uuid4().hex}", timeout_seconds=5)


@pytest.fixture
def kms_key(aws: tuple[Any, Any]) -> str:
    _, kms = aws
    return str(kms.create_key()["KeyMetadata"]["Arn"])


def put(aws: tuple[Any, Any], keys: KeysSettings, text: str) -> None:
    aws[0].create_secret(Name=keys.secret, SecretString=text)


def wrapped_ring(keys: KeysSettings, kms_key: str) -> str:
    plain = [KeyEntry("k1", "active", K1), KeyEntry("k2", "primary", K2)]
    return render_entries([wrapped_as(one, wrap_key(one, kms_key=kms_key, keys=keys)) for one in plain])


def test_keyring_comes_from_a_secret(aws: tuple[Any, Any], keys: KeysSettings) -> None:
    put(aws, keys, ring_text())
    assert cell_of("x", load_keyring(keys, environ={})) == cell_of("x", ring())


def test_reversible_keyring_comes_from_a_secret_of_its_own(aws: tuple[Any, Any], keys: KeysSettings) -> None:
    put(aws, keys, ring_text())
    other = f"{keys.secret}-reversible"
    aws[0].create_secret(Name=other, SecretString=ring_text(entry("r1", K2)))
    both = KeysSettings(endpoint=keys.endpoint, secret=keys.secret, reversible_secret=other)
    rings = load_keyrings(both, environ={})
    assert (rings.tokens.primary.kid, rings.reversible.primary.kid) == ("k1", "r1")


def test_wrapped_keyring_makes_the_tokens_of_the_plain_one(
    aws: tuple[Any, Any], keys: KeysSettings, kms_key: str
) -> None:
    text = wrapped_ring(keys, kms_key)
    assert SECRET_TEXT not in text
    put(aws, keys, text)
    plain = ring(entry("k1", K1, "active"), entry("k2", K2))
    assert cell_of("x", load_keyring(keys, environ={})) == cell_of("x", plain)
    # The envelope may as well stand in a variable: it holds nothing that opens without KMS.
    assert cell_of("x", load_keyring(keys, environ={"SOFETCH_KEYRING": text})) == cell_of("x", plain)


def test_wrapped_key_does_not_open_under_another_kid(keys: KeysSettings, kms_key: str) -> None:
    """The encryption context binds it: entries of a ring cannot be exchanged."""
    wrapped = wrap_key(FIRST, kms_key=kms_key, keys=keys)
    assert unwrap_key("k1", wrapped, keys) == K1
    with pytest.raises(KeyringError, match="InvalidCiphertext") as caught:
        unwrap_key("k2", wrapped, keys)
    assert "for another kid" in caught.value.hint


def test_missing_secret_and_missing_kms_key_are_refusals(keys: KeysSettings) -> None:
    with pytest.raises(KeyringError, match="there is no such thing") as caught:
        load_keyring(keys, environ={})
    assert (caught.value.code, caught.value.exit_code) == ("keyring_missing", ExitCode.KEYS)
    assert str(keys.secret) in caught.value.what
    with pytest.raises(KeyringError, match="there is no such thing"):
        wrap_key(FIRST, kms_key="alias/none", keys=keys)


def test_disabled_kms_key_is_a_refusal(aws: tuple[Any, Any], keys: KeysSettings, kms_key: str) -> None:
    wrapped = wrap_key(FIRST, kms_key=kms_key, keys=keys)
    aws[1].disable_key(KeyId=kms_key)
    with pytest.raises(KeyringError, match="Disabled"):
        unwrap_key("k1", wrapped, keys)


def test_secret_without_text_is_a_refusal(aws: tuple[Any, Any], keys: KeysSettings) -> None:
    aws[0].create_secret(Name=keys.secret, SecretBinary=b"{}")
    with pytest.raises(KeyringError, match="holds no text"):
        load_keyring(keys, environ={})


def test_secret_that_is_no_keyring_is_named_and_not_shown(aws: tuple[Any, Any], keys: KeysSettings) -> None:
    put(aws, keys, ring_text()[:-1])
    with pytest.raises(KeyringError, match="is not JSON") as caught:
        load_keyring(keys, environ={})
    assert f"AWS secret {keys.secret}" in caught.value.what
    assert SECRET_TEXT not in str(caught.value)


def test_stored_keyring_is_the_current_one(aws: tuple[Any, Any], keys: KeysSettings) -> None:
    put(aws, keys, ring_text())
    changed = ring_text(entry("k1", K1, "active"), entry("k2", K2))
    store_secret(str(keys.secret), changed, keys)
    assert fetch_secret(str(keys.secret), keys) == changed


def test_at_debug_nothing_is_logged_of_a_key(
    aws: tuple[Any, Any], keys: KeysSettings, kms_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(aws, keys, ring_text())
    with caplog.at_level(logging.DEBUG):
        load_keyring(keys, environ={})
        unwrap_key("k1", wrap_key(FIRST, kms_key=kms_key, keys=keys), keys)
        logging.getLogger("test").debug("the log is open again")
    assert SECRET_TEXT not in caplog.text
    assert "the log is open again" in caplog.text


class _Denying(http.server.BaseHTTPRequestHandler):
    """Answers every call as AWS does that a policy forbids; its message names what must not be passed on."""

    calls = 0
    code = "AccessDeniedException"

    def do_POST(self) -> None:
        type(self).calls += 1
        body = json.dumps({"__type": self.code, "message": "canary-7f3a is not authorized"}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@contextmanager
def answering(code: str) -> Iterator[tuple[str, type[_Denying]]]:
    handler = type("_Handler", (_Denying,), {"code": code, "calls": 0})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"])
def test_denial_is_a_refusal_that_is_not_tried_again(code: str) -> None:
    with answering(code) as (endpoint, handler):
        denied = KeysSettings(endpoint=endpoint, secret="ring")
        with pytest.raises(KeyringError, match=f"AWS answers {code}") as caught:
            load_keyring(denied, environ={})
        with pytest.raises(KeyringError, match=f"AWS answers {code}"):
            load_keyring(KeysSettings(endpoint=endpoint), environ={"SOFETCH_KEYRING": envelope()})
        assert handler.calls == 2
    assert caught.value.code == "keyring_denied"
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.value)


def test_refused_wrapping_keeps_no_key_in_context_or_traceback_frames() -> None:
    with answering("AccessDeniedException") as (endpoint, _), pytest.raises(KeyringError) as caught:
        wrap_key(FIRST, kms_key="alias/none", keys=KeysSettings(endpoint=endpoint))
    assert caught.value.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert len(frames) > 2
    assert repr(K1) not in repr([frame.f_locals for frame in frames if frame.f_code.co_filename != __file__])


def test_key_wrapped_by_another_kms_key_is_a_refusal() -> None:
    with answering("IncorrectKeyException") as (endpoint, _), pytest.raises(KeyringError) as caught:
        load_keyring(KeysSettings(endpoint=endpoint), environ={"SOFETCH_KEYRING": envelope()})
    assert "by another KMS key" in caught.value.hint


def envelope() -> str:
    return render_entries([KeyEntry("k1", "primary", None, Wrapped(b"sealed", "alias/none"))])


@contextmanager
def black_hole() -> Iterator[tuple[str, list[socket.socket]]]:
    """Takes connections and never answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        ended = threading.Event()

        def take() -> None:
            while not ended.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", held
        finally:
            ended.set()
            thread.join()
            for connection in held:
                connection.close()


@pytest.mark.slow
def test_silence_is_a_refusal_after_a_bounded_number_of_tries() -> None:
    with black_hole() as (endpoint, held):
        with pytest.raises(KeyringError, match="no answer in 3 tries of 1 s") as caught:
            load_keyring(KeysSettings(endpoint=endpoint, secret="ring", timeout_seconds=1), environ={})
        assert len(held) == 3
    assert caught.value.code == "keyring_unreachable"


def test_nothing_listening_is_a_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(KeyringError, match="not to be reached"):
        load_keyring(KeysSettings(endpoint=f"http://127.0.0.1:{port}", secret="ring"), environ={})


def test_no_region_and_no_credentials_are_refusals_that_say_so(
    keys: KeysSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(KeyringError, match="no AWS region"):
        load_keyring(KeysSettings(secret="ring"), environ={})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ring"
    with pytest.raises(KeyringError, match="no AWS credentials"):
        load_keyring(KeysSettings(secret=arn, endpoint=keys.endpoint), environ={})


def sofetch(
    *arguments: str, folder: Path, environ: dict[str, str], given: str = ""
) -> subprocess.CompletedProcess[str]:
    return forked.run("sofetch", arguments, folder=folder, environ=os.environ | environ, stdin=given)


def done(*arguments: str, folder: Path, environ: dict[str, str]) -> str:
    result = sofetch(*arguments, folder=folder, environ=environ)
    assert result.returncode == 0, result.stderr
    assert SECRET_TEXT not in result.stdout + result.stderr
    return result.stdout


def fingerprints(folder: Path, environ: dict[str, str], *options: str) -> Sequence[Any]:
    shown = json.loads(done("keys", "show-fingerprint", "--json", *options, folder=folder, environ=environ))
    listed: Sequence[Any] = shown["fingerprints"]
    return listed


@pytest.mark.slow
def test_wrapping_and_wrapping_by_another_kms_key_changes_no_token(
    aws: tuple[Any, Any], aws_endpoint: str, kms_key: str, tmp_path: Path
) -> None:
    environ = {"SOFETCH_KEYS_ENDPOINT": aws_endpoint}
    file = tmp_path / "ring.json"
    file.write_text(ring_text(entry("k0", None, "destroyed"), entry()))
    file.chmod(0o600)
    before = fingerprints(tmp_path, environ, "-f", "ring.json")
    another = str(aws[1].create_key()["KeyMetadata"]["Arn"])
    for wrapping in (kms_key, another):
        done("keys", "wrap", "-f", "ring.json", "--kms-key", wrapping, folder=tmp_path, environ=environ)
        assert SECRET_TEXT not in file.read_text()
        assert json.loads(file.read_text())["keys"][1]["kms_key"] == wrapping
        assert fingerprints(tmp_path, environ, "-f", "ring.json") == before
    done("keys", "rotate", "-f", "ring.json", folder=tmp_path, environ=environ)
    added = json.loads(file.read_text())["keys"][2]
    assert (added["kid"], added["status"], added["kms_key"]) == ("k2", "primary", another)
    assert "material" not in added


@pytest.mark.slow
def test_secret_is_changed_only_if_asked(aws: tuple[Any, Any], keys: KeysSettings, tmp_path: Path) -> None:
    put(aws, keys, ring_text())
    environ = {"SOFETCH_KEYS_ENDPOINT": str(keys.endpoint), "SOFETCH_KEYS_SECRET": str(keys.secret)}
    refused = sofetch("keys", "rotate", folder=tmp_path, environ=environ)
    assert refused.returncode == ExitCode.USAGE
    assert "--update" in refused.stderr
    assert fetch_secret(str(keys.secret), keys) == ring_text()
    done("keys", "rotate", "--update", folder=tmp_path, environ=environ)
    assert load_keyring(keys, environ={}).primary.kid == "k2"


@pytest.mark.slow
def test_worker_does_not_start_without_its_key(tmp_path: Path) -> None:
    with answering("AccessDeniedException") as (endpoint, _):
        (tmp_path / "sofetch.toml").write_text(
            '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[keys]\nsecret = "ring"\n'
            f'endpoint = "{endpoint}"\n[[column]]\nname = "ip"\nmask = "token"\nkind = "ip"\n'
        )
        result = sofetch("run", "--json", folder=tmp_path, environ={"SOFETCH_SINK_DSN": "host=127.0.0.1 port=1"})
    assert result.returncode == ExitCode.KEYS
    assert "AccessDeniedException" in result.stderr
    assert "canary" not in result.stderr
