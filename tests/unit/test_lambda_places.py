"""Where a function's configuration and connection strings are: in its package, in variables, or kept by AWS."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sofetch.aws_lambda.places import load_settings, with_connection_strings
from sofetch.errors import ConfigError, SofetchError
from sofetch.settings import KeysSettings

CONFIG = '[source]\nqueue = "logins"\n[sink]\ntable = "user_logins"\n[[column]]\nname = "user_id"\n'
PASSWORD = "Zq7-canary"
DSN = f"postgresql://loader:{PASSWORD}@db.example.org/app"
STORED = {"/bucket/etc/sofetch.toml": CONFIG, "/sofetch/config": CONFIG, "/sofetch/dsn": DSN, "db/sofetch": DSN}


class _Aws(BaseHTTPRequestHandler):
    """As much of S3, SSM and Secrets Manager as is asked here."""

    def do_GET(self) -> None:
        held = STORED.get(self.path)
        if held is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>what</Message></Error>", "application/xml")
        else:
            self._answer(200, held.encode(), "application/octet-stream")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked.get("Name") or asked.get("SecretId")
        held = STORED.get(name)
        if held is None:
            error = {"__type": "ParameterNotFound", "message": PASSWORD}
            self._answer(400, json.dumps(error).encode(), "application/x-amz-json-1.1")
            return
        assert "SecretId" in asked or asked["WithDecryption"] is True
        answer = {"Parameter": {"Value": held}} if "Name" in asked else {"SecretString": held}
        self._answer(200, json.dumps(answer).encode(), "application/x-amz-json-1.1")

    def log_message(self, *_: Any) -> None:
        return

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Aws) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _at_the_stub(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)


def test_a_file_of_the_package_is_read_and_variables_go_first(tmp_path: Path) -> None:
    (tmp_path / "sofetch.toml").write_text(CONFIG)
    environ = {"SOFETCH_CONFIG": str(tmp_path / "sofetch.toml"), "SOFETCH_SOURCE_QUEUE": "other"}
    assert load_settings(environ).source.queue == "other"


@pytest.mark.parametrize("place", ["s3://bucket/etc/sofetch.toml", "ssm:/sofetch/config"])
def test_a_configuration_that_aws_keeps_is_read_and_variables_go_first(place: str) -> None:
    settings = load_settings({"SOFETCH_CONFIG": place, "SOFETCH_SINK_TABLE": "elsewhere"})
    assert (settings.source.queue, settings.sink.table) == ("logins", "elsewhere")


@pytest.mark.parametrize("place", ["s3://bucket/none", "ssm:/none", "s3://bucket", "s3:///key"])
def test_a_configuration_that_is_not_there_is_an_error_that_names_the_place(place: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({"SOFETCH_CONFIG": place})
    assert place in str(refused.value) or "is no place in S3" in refused.value.what
    assert PASSWORD not in str(refused.value)
    assert refused.value.hint


def test_what_is_wrong_in_a_stored_configuration_is_said_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STORED, "/sofetch/config", CONFIG.replace("table", "tabel"))
    with pytest.raises(ConfigError, match=r"ssm:/sofetch/config:4.*tabel"):
        load_settings({"SOFETCH_CONFIG": "ssm:/sofetch/config"})


def test_connection_strings_come_from_variables_ssm_or_a_secret(aws: str) -> None:
    environ = {"SOFETCH_SINK_DSN": "ssm:/sofetch/dsn", "SOFETCH_VAULT_DSN": "secret:db/sofetch", "OTHER": "ssm:/x"}
    read = with_connection_strings(environ, KeysSettings(endpoint=aws))
    assert read == {"SOFETCH_SINK_DSN": DSN, "SOFETCH_VAULT_DSN": DSN, "OTHER": "ssm:/x"}
    assert with_connection_strings({"SOFETCH_SINK_DSN": DSN}, KeysSettings())["SOFETCH_SINK_DSN"] == DSN


@pytest.mark.parametrize("place", ["ssm:/none", "secret:none"])
def test_a_connection_string_that_is_not_there_is_an_error_without_a_password(place: str, aws: str) -> None:
    with pytest.raises(SofetchError) as refused:
        with_connection_strings({"SOFETCH_SINK_DSN": place}, KeysSettings(endpoint=aws))
    assert place.partition(":")[2] in str(refused.value)
    assert PASSWORD not in str(refused.value)
