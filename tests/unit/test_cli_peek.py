"""What peek may show of a message: masked, or hidden; in the clear only when asked."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sofetch.cli.peek import _as_json, _paragraph
from sofetch.cli.peeked import HIDDEN, Peeked, look
from sofetch.cli.text import to_json
from sofetch.config import load_config, preset
from sofetch.mask import Keyring, parse_keyring
from sofetch.record import Message
from sofetch.settings import ColumnSettings, DriftSettings, Settings, UnwrapSettings
from wrapping import sns

IP, DEVICE, EXTRA = "203.0.113.77", "593-47-5928", "alice@example.org"
LOGIN: dict[str, Any] = {
    "user_id": "u-1",
    "app_version": "2.3.0",
    "device_type": "android",
    "ip": IP,
    "locale": None,
    "device_id": DEVICE,
}
SENT_MS = 1_700_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "sofetch.toml"
    file.write_text(preset("logins"))
    return load_config(file, environ={})


@pytest.fixture
def keyring() -> Keyring:
    material = base64.b64encode(bytes(range(32))).decode()
    return parse_keyring(json.dumps({"keys": [{"kid": "k1", "material": material, "status": "primary"}]}))


def message(body: object) -> Message:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(id="id-1", body=text, queue="q", sent_ms=SENT_MS, received_ms=SENT_MS + 90_000, receive_count=2)


def one(body: object, settings: Settings, keyring: Keyring | None, *, in_the_clear: bool = False) -> Peeked:
    [seen] = look([message(body)], settings=settings, keyring=keyring, in_the_clear=in_the_clear)
    return seen


def everything_shown(seen: Peeked) -> str:
    return "\n".join(_paragraph(1, seen)) + to_json(_as_json(seen)) + repr(seen)


def test_personal_fields_are_tokens_and_the_rest_is_plain(settings: Settings, keyring: Keyring) -> None:
    seen = one(LOGIN, settings, keyring)
    assert seen.columns is not None
    assert str(seen.columns["masked_ip"]).startswith("h1.k1.")
    assert (seen.columns["user_id"], seen.columns["app_version"]) == ("u-1", "2.3.0")
    assert IP not in everything_shown(seen)
    assert DEVICE not in everything_shown(seen)


def test_without_a_keyring_personal_fields_are_hidden(settings: Settings) -> None:
    seen = one(LOGIN, settings, None)
    assert seen.columns is not None
    assert (seen.columns["masked_ip"], seen.columns["masked_device_id"]) == (HIDDEN, HIDDEN)
    assert seen.columns["user_id"] == "u-1"
    assert IP not in everything_shown(seen)


def test_fields_that_no_column_names_are_only_counted(settings: Settings, keyring: Keyring) -> None:
    seen = one(LOGIN | {"email": EXTRA, EXTRA: 1}, settings, keyring)
    assert seen.other_fields == 2
    assert EXTRA not in everything_shown(seen)
    assert "2 more fields that no column names: hidden" in "\n".join(_paragraph(1, seen))


def test_a_field_of_the_collecting_column_s_name_is_one_that_no_column_names(settings: Settings) -> None:
    columns = [*settings.column, ColumnSettings(name="more", type="jsonb")]
    collecting = replace(settings, column=columns, drift=DriftSettings(unknown_fields="collect", collect_into="more"))
    assert one(LOGIN | {"more": EXTRA}, collecting, None).other_fields == 1


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("body", [b"not json " + EXTRA.encode(), {"foo": EXTRA}, LOGIN | {"ip": {"v4": IP}}, [IP]])
def test_a_message_that_does_not_fit_shows_its_reason_and_nothing_of_itself(
    settings: Settings, keyring: Keyring, body: object, with_key: bool
) -> None:
    seen = one(body, settings, keyring if with_key else None)
    text = everything_shown(seen)
    if not with_key and isinstance(body, dict) and "user_id" in body:
        assert seen.columns is None or seen.columns["masked_ip"] == HIDDEN
    else:
        assert seen.columns is None
        assert "does not fit" in text
    assert EXTRA not in text
    assert IP not in text


def test_in_the_clear_the_whole_body_is_shown_and_still_cannot_steer_the_terminal(settings: Settings) -> None:
    seen = one(json.dumps(LOGIN).encode() + b"\x1b[31m", settings, None, in_the_clear=True)
    text = "\n".join(_paragraph(1, seen))
    assert IP in text
    assert "\x1b[31m" not in text


def test_receive_count_and_age_are_told(settings: Settings, keyring: Keyring) -> None:
    lines = "\n".join(_paragraph(3, one(LOGIN, settings, keyring)))
    assert "sent 2023-11-14 22:13:20Z (1 min 30 s ago), received 2 times" in lines


def test_message_in_an_envelope_is_shown_as_the_document_in_it(settings: Settings, keyring: Keyring) -> None:
    unwrapped = replace(settings, unwrap=UnwrapSettings(layers=["sns"]))
    seen = one(sns(json.dumps(LOGIN | {"mail": EXTRA})), unwrapped, keyring)
    assert seen.columns is not None
    assert seen.columns["user_id"] == "u-1"
    assert seen.other_fields == 1
    assert IP not in everything_shown(seen)
    assert EXTRA not in everything_shown(seen)


def test_message_that_does_not_open_is_shown_with_its_reason_and_nothing_of_it(
    settings: Settings, keyring: Keyring
) -> None:
    seen = one(LOGIN, replace(settings, unwrap=UnwrapSettings(layers=["sns"])), keyring)
    assert (seen.columns, seen.reason, seen.other_fields) == (None, "not_an_envelope", 0)
    assert IP not in everything_shown(seen)
