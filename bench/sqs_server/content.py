"""What a message holds, in the bytes in which it goes back over the wire, and the MD5s that SQS promises of it.

A message is written once, when it is sent: a receive only joins bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from base64 import b64decode
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from sqs_server.refusals import Refusal, invalid_value

_encode = msgspec.json.encode
# What XML 1.0 knows as characters: SQS takes no others.
_NOT_A_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Attribute(msgspec.Struct, rename="pascal", omit_defaults=True):
    """A message attribute as the wire has it; a binary value in base64."""

    data_type: str = "String"
    string_value: str | None = None
    binary_value: str | None = None


class Content(NamedTuple):
    """A message's body and attributes as JSON fragments, each beginning with a comma."""

    body: bytes
    body_md5: str
    attributes: dict[str, Attribute]
    attributes_md5: str
    all_attributes: bytes
    deduplication_id: str | None = None


def make_content(
    body: str, attributes: dict[str, Attribute], *, max_bytes: int, deduplication_id: str | None = None
) -> Content:
    """Check and write a message. Raises Refusal."""
    if not body:
        raise Refusal("MissingParameter", "The request must contain the parameter MessageBody.")
    if _NOT_A_CHARACTER.search(body):
        raise Refusal("InvalidMessageContents")
    raw = body.encode()
    if len(raw) > max_bytes:
        raise invalid_value("MessageBody", f"Message must be shorter than {max_bytes} bytes")
    body_md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    fragment = b',"MD5OfBody":"%b","Body":%b' % (body_md5.encode(), _encode(body))
    attributes_md5, written = _written(attributes) if attributes else ("", b"")
    return Content(fragment, body_md5, attributes, attributes_md5, written, deduplication_id)


def asked_for(content: Content, names: Sequence[str]) -> bytes:
    """The attributes of these names: ``All``, a name, or a prefix that ends with ``.*``."""
    if not content.attributes or not names:
        return b""
    if "All" in names or ".*" in names:
        return content.all_attributes
    chosen = {name: value for name, value in content.attributes.items() if _is_asked_for(name, names)}
    return _written(chosen)[1] if chosen else b""


def _is_asked_for(name: str, names: Sequence[str]) -> bool:
    return any(name == asked or (asked.endswith(".*") and name.startswith(asked[:-2])) for asked in names)


def _written(attributes: dict[str, Attribute]) -> tuple[str, bytes]:
    md5 = attributes_md5(attributes)
    return md5, b',"MD5OfMessageAttributes":"%b","MessageAttributes":%b' % (md5.encode(), _encode(attributes))


def attributes_md5(attributes: dict[str, Attribute]) -> str:
    """The MD5 of attributes as the developer guide defines it: sorted, each part with its length."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        if attribute.binary_value is not None:
            kind, value = b"\x02", b64decode(attribute.binary_value)
        else:
            kind, value = b"\x01", (attribute.string_value or "").encode()
        for part in (name.encode(), attribute.data_type.encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        digest.update(kind + struct.pack("!I", len(value)) + value)
    return digest.hexdigest()
