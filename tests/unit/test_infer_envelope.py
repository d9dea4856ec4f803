"""Samples that came wrapped: ``init`` looks at the documents in them and names the layers."""

from __future__ import annotations

import base64
import gzip
import json
import tomllib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sofetch.config import lint_text
from sofetch.infer import infer_config

DOCUMENT = b'{"order_id": "o-1", "customer": {"email": "ada@example.org"}}'


def sns(document: bytes) -> bytes:
    return json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": document.decode()}).encode()


def eventbridge(document: bytes) -> bytes:
    return json.dumps({"source": "shop", "detail-type": "order", "detail": json.loads(document)}).encode()


def compressed(document: bytes) -> bytes:
    return base64.b64encode(gzip.compress(document))


def infer(*bodies: bytes) -> dict[str, Any]:
    text = infer_config(bodies, queue="orders", table="orders")
    assert lint_text(text) == []
    return tomllib.loads(text)


def paths(config: dict[str, Any]) -> list[str]:
    return [column.get("from", column["name"]) for column in config["column"] if "value" not in column]


@pytest.mark.parametrize(
    ("wraps", "layers"),
    [
        ([sns], ["sns"]),
        ([eventbridge], ["eventbridge"]),
        ([eventbridge, sns], ["sns", "eventbridge"]),
        ([base64.b64encode], ["base64"]),
        ([compressed], ["base64", "gzip"]),
        ([compressed, sns], ["sns", "base64", "gzip"]),
    ],
)
def test_the_layers_are_named_and_the_columns_are_those_of_the_document(
    wraps: Sequence[Callable[[bytes], bytes]], layers: list[str]
) -> None:
    body = DOCUMENT
    for wrap in wraps:
        body = wrap(body)
    config = infer(body)
    assert config["unwrap"]["layers"] == layers
    assert paths(config) == ["order_id", "customer.email"]


def test_a_document_that_came_in_nothing_has_no_layers() -> None:
    assert "unwrap" not in infer(DOCUMENT)


def test_a_few_strays_do_not_hide_what_the_others_came_in() -> None:
    config = infer(sns(DOCUMENT), sns(DOCUMENT), DOCUMENT, b"{}", sns(DOCUMENT))
    assert config["unwrap"]["layers"] == ["sns"]


def test_one_stray_in_an_envelope_does_not_wrap_the_others() -> None:
    config = infer(DOCUMENT, DOCUMENT, sns(DOCUMENT))
    assert "unwrap" not in config
    assert "order_id" in paths(config)


def test_an_envelope_round_plain_text_is_looked_at_as_it_is() -> None:
    config = infer(sns(b"hello"))
    assert "unwrap" not in config
    assert "TopicArn" in paths(config)


def test_a_word_that_could_be_base64_is_none() -> None:
    assert "unwrap" not in infer(b"1234", b"ping", b"5678", DOCUMENT)
