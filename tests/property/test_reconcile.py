"""Whatever JSON comes: a comparison shows nothing of it, and an inferred configuration agrees with its own messages."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from loading import settings_for
from sofetch.config import load_text
from sofetch.infer import infer_config
from sofetch.reconcile import compare, look_at
from sofetch.record import Message

CANARY = "zq7xcanary"
ODD = f"{CANARY}@example.org"

plain_keys = st.sampled_from(["plan", "user", "city", "note", "id", "name", "total"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**80), max_value=2**80),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.just("2024-02-29"),
)


def documents(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    inner = st.recursive(
        leaves, lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(keys, below, max_size=4)),
        max_leaves=10,
    )  # fmt: skip
    return st.dictionaries(keys, inner, max_size=5)


def messages(bodies: list[Any]) -> list[Message]:
    return [Message(id="m", body=msgspec.json.encode(body), queue="q", sent_ms=0, received_ms=0) for body in bodies]


@given(st.lists(documents(scalars, plain_keys), min_size=1, max_size=4))
@settings(max_examples=50)
def test_a_configuration_inferred_from_messages_reads_all_of_them_but_what_it_left_out(bodies: list[Any]) -> None:
    found = load_text(infer_config([msgspec.json.encode(body) for body in bodies], queue="q", table="t"))
    sample = look_at(messages(bodies), found)
    assert sample.refused == []
    # An empty object, or null, is no field to infer from; what is left out has no column to propose.
    assert [one for one in sample.unread if one.column is not None and one.seen.present] == []


@given(
    st.lists(documents(st.just(CANARY), st.one_of(plain_keys, st.just(ODD))), min_size=1, max_size=4),
    st.sampled_from(["ignore", "warn", "quarantine"]),
)
@settings(max_examples=50)
def test_no_value_and_no_odd_name_is_in_a_comparison(bodies: list[Any], policy: str) -> None:
    configured = settings_for([{"name": "plan", "type": "int"}, {"name": "city", "required": True}])
    configured = msgspec.convert(
        msgspec.to_builtins(configured) | {"drift": {"unknown_fields": policy}}, type(configured)
    )
    told = compare(configured, look_at(messages(bodies), configured), None)
    assert CANARY not in str(msgspec.to_builtins(told))
