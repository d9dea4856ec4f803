"""Builders for tests that mask: keyrings with known keys, one-column configurations, messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from sofetch.mask import Keyring, Keyrings, Masker, compile_masker, parse_keyring
from sofetch.record import Cell, Masked, Message, Record, Value
from sofetch.settings import ColumnSettings, MasksSettings, Settings, SinkSettings, SourceSettings

K1 = bytes(range(32))
K2 = bytes(range(32, 64))
MESSAGE_ID = "424cdd21-063a-43a7-b91b-7ca1a833afae"


def entry(kid: str = "k1", material: bytes | None = K1, status: str = "primary") -> dict[str, str]:
    made = {"kid": kid, "status": status}
    return made if material is None else made | {"material": base64.b64encode(material).decode()}


def ring_text(*entries: dict[str, str]) -> str:
    return json.dumps({"keys": list(entries or [entry()])})


def ring(*entries: dict[str, str]) -> Keyring:
    return parse_keyring(ring_text(*entries))


def settings(*columns: ColumnSettings, dedupe: Any = "message", table: str = "user_logins") -> Settings:
    return Settings(
        source=SourceSettings(queue="login-queue"),
        sink=SinkSettings(table=table, dedupe=dedupe),
        column=list(columns or [ColumnSettings(name="user_id")]),
        masks=MasksSettings(allow_fpe=True),
    )


def masker(*columns: ColumnSettings, keyring: Keyring | Keyrings | None = None, dedupe: Any = "message") -> Masker:
    return compile_masker(settings(*columns, dedupe=dedupe), keyring or ring())


def message(body: bytes = b"{}", *, id: str = MESSAGE_ID, **fields: Any) -> Message:  # noqa: A002  # the field's name
    return Message(id=id, body=body, queue="login-queue", received_ms=1_700_000_000_500, **({"sent_ms": 1} | fields))


def mask_all(column: ColumnSettings, values: Sequence[Value], keyring: Keyring | None = None) -> Masked:
    return masker(column, keyring=keyring).mask([Record(message(), (value,)) for value in values])


def cell_of(value: Value, keyring: Keyring | None = None, **column: Any) -> Cell:
    """The cell that one value becomes under one masked column, which must not refuse it."""
    masked = mask_all(ColumnSettings(name="masked", **({"mask": "token", "domain": "d"} | column)), [value], keyring)
    assert not masked.rejections
    return masked.records[0].values[0]
