"""Whatever JSON comes, the inferred configuration loads, lints clean, and takes the messages it was made from."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from sofetch.config import lint_text, load_text
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError
from sofetch.infer import infer_config
from sofetch.record import Message

CANARY = "zq7xcanary"
PERSONAL_TEXTS = [
    "203.0.113.9",
    "2001:db8::9",
    "zq7xcanary@example.org",
    "call zq7xcanary@example.org now",
    "078-05-1120",
    "+49 30 1234567",
    "GB82 WEST 1234 5698 7654 32",
    "4111 1111 1111 1111",
    "00:00:5e:00:53:01",
]

keys = st.one_of(
    st.sampled_from(
        ["id", "name", "ip", "email", "a.b", "a b", "", "ctid", "user", "lat", "1", "ÄÖ", "\x7f", "\u202e", "]", "#"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=70),
)
texts = st.one_of(
    st.sampled_from(PERSONAL_TEXTS),
    st.sampled_from(
        ["2024-02-29", "2024-02-29T12:00:00Z", "424cdd21-063a-43a7-b91b-7ca1a833afae", "10.0.0.0/8", "1.2.3"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**80), max_value=2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
plain_keys = st.text("abcdefgh", max_size=5)
canary_documents = st.recursive(
    st.sampled_from([CANARY, f"{CANARY} {CANARY}"]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain_keys, inner, max_size=3)),
    max_leaves=8,
)
bodies = st.lists(st.dictionaries(keys, documents, max_size=6).map(msgspec.json.encode), min_size=1, max_size=4)


@given(bodies)
@example([b'{"id":{"Disabled":"203.0.113.9"}}'])
def test_an_inferred_configuration_loads_lints_clean_and_compiles(samples: list[bytes]) -> None:
    text = infer_config(samples, queue="events", table="events")
    assert lint_text(text) == []
    compile_decoder(load_text(text))


@given(bodies)
def test_an_inferred_configuration_takes_the_messages_it_was_made_from(samples: list[bytes]) -> None:
    decoder = compile_decoder(load_text(infer_config(samples, queue="events", table="events")))
    decoded = decoder([_message(number, body) for number, body in enumerate(samples) if rb"\u0000" not in body])
    assert [(rejection.reason, rejection.field) for rejection in decoded.rejections] == []


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_bodies_that_are_no_json_object_never_break_it(samples: list[bytes]) -> None:
    try:
        text = infer_config([*samples, b"[1]"], queue="events", table="events")
    except ConfigError:
        return
    assert lint_text(text) == []


@given(st.dictionaries(keys, st.sampled_from(PERSONAL_TEXTS), min_size=1, max_size=6))
def test_no_column_with_personal_looking_values_is_loaded_in_the_clear(sample: dict[str, str]) -> None:
    text = infer_config([msgspec.json.encode(sample)], queue="events", table="events")
    assert [column for column in _columns(text) if "mask" not in column and "value" not in column] == []


@given(st.dictionaries(plain_keys, canary_documents, max_size=6))
def test_no_value_of_a_sample_is_in_the_text(sample: dict[str, Any]) -> None:
    assert CANARY not in infer_config([msgspec.json.encode(sample)], queue="events", table="events")


@given(keys, keys, st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_names_cannot_write_toml_of_their_own(outer: str, inner: str, queue: str) -> None:
    sample = msgspec.json.encode({outer: {inner: 1}})
    document = tomllib.loads(infer_config([sample], queue=queue, table="events"))
    assert set(document) == {"source", "sink", "column"}
    assert document["source"] == {"queue": queue}
    assert document["sink"] == {"table": "events", "dedupe": "message"}


def _columns(text: str) -> list[dict[str, Any]]:
    columns: list[dict[str, Any]] = tomllib.loads(text)["column"]
    return columns


def _message(number: int, body: bytes) -> Message:
    return Message(id=f"m{number}", body=body, queue="events", sent_ms=1_700_000_000_000, received_ms=1_700_000_000_001)
