"""Laws of unwrapping: what was wrapped comes out as it was, and nothing else than a reason comes of anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from sofetch.ack import Folding, decide
from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import Line, TooLong, compile_layers, inflated, named_objects, pointed_object, split_lines
from sofetch.record import Duplicate, Expanded, Loaded, Outcome, Reason, Rejected, Retry
from wrapping import (
    REASONS_OF_UNWRAPPING,
    base64_of,
    confirmation,
    eventbridge,
    gzip_of,
    message,
    pointer,
    s3_detail,
    s3_event,
    sns,
    unwrap_settings,
)

T = TypeVar("T")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
stacks = st.lists(st.sampled_from(["sns", "eventbridge", "base64", "gzip"]), max_size=5)


def wrapped(body: bytes, layers: list[str]) -> bytes:
    for layer in reversed(layers):
        match layer:
            case "sns":
                body = sns(body.decode())
            case "eventbridge":
                body = eventbridge(body.decode())
            case "base64":
                body = base64_of(body)
            case _:
                body = gzip_of(body)
    return body


def possible(layers: list[str]) -> list[str]:
    """Text goes into SNS, JSON into EventBridge: gzip is put into base64 there, and base64 into SNS."""
    made: list[str] = []
    for layer in layers:
        inner_of = made[-1] if made else None
        if inner_of == "eventbridge" and layer in {"base64", "gzip"}:
            continue
        if layer == "gzip" and inner_of in {None, "sns"}:
            made.append("base64")
        made.append(layer)
    return made


@given(documents, stacks)
def test_what_is_wrapped_and_unwrapped_is_what_it_was(document: bytes, stack: list[str]) -> None:
    layers = possible(stack)
    limits = unwrap_settings(*layers)
    body = wrapped(document, layers)
    came = compile_layers(limits.layers, limits)(message(body))
    assert came.body == document
    assert came.original == (body if layers else None)


hostile = st.one_of(
    st.binary(max_size=200),
    documents,
    st.sampled_from([sns("{}"), confirmation(), eventbridge("{}"), base64_of(gzip_of(b"{}")), gzip_of(b"x" * 5_000)]),
    st.builds(pointer, texts, texts),
    st.builds(lambda bucket, key: s3_event((bucket, key)), texts, texts),
    st.builds(lambda bucket, key: s3_detail(bucket, key).encode(), texts, texts),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(hostile))
    for _ in range(draw(st.integers(0, 3))):
        if body:
            at = draw(st.integers(0, len(body) - 1))
            body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


def result_or_reason(work: Callable[[], T]) -> T | Reason:
    try:
        return work()
    except Unfit as unfit:
        return unfit.reason


@given(damaged(), st.lists(st.sampled_from(["sns", "eventbridge", "base64", "gzip"]), min_size=1, max_size=4))
def test_whatever_comes_a_layer_opens_it_or_gives_a_reason_of_its_own(body: bytes, layers: list[str]) -> None:
    limits = unwrap_settings(*layers, max_unwrapped_bytes=2_048)
    came = result_or_reason(lambda: compile_layers(limits.layers, limits)(message(body)))
    if isinstance(came, Reason):
        assert came in REASONS_OF_UNWRAPPING
    else:
        assert len(came.body) <= 2_048
        assert came.original == body


@given(damaged())
@example(b'{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "%"}}}]}')
def test_whatever_comes_a_name_of_an_object_is_one_that_cannot_step_out_of_its_bucket(body: bytes) -> None:
    for read in (lambda: named_objects(body, max_bytes=10_000), lambda: [pointed_object(body, max_bytes=10_000)]):
        refs = result_or_reason(read)
        if isinstance(refs, Reason):
            assert refs in REASONS_OF_UNWRAPPING
            continue
        for ref in refs:
            assert ref.key
            assert not {".", ".."} & set(ref.key.split("/"))
            assert min(ref.key) >= " "


@given(st.lists(st.binary(max_size=50), max_size=5), st.data())
def test_gzip_inflates_to_the_same_however_its_data_is_cut(members: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(gzip_of, members)) or gzip_of(b"")
    assert b"".join(inflated(cut(whole, data))) == b"".join(members)


@given(st.lists(st.text("ab \r", max_size=12).map(str.encode), max_size=12), st.data())
def test_lines_are_the_same_however_their_data_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    seen = list(split_lines(cut(b"\n".join(lines), data), max_bytes=6))
    for line in seen:
        given_line = lines[line.number - 1]
        match line:
            case Line():
                assert line.body == given_line.rstrip(b"\r")
                assert len(given_line) <= 6
            case TooLong():
                assert len(given_line) > 6
    passed_over = set(range(1, len(lines) + 1)) - {line.number for line in seen}
    assert all(not lines[number - 1].strip() for number in passed_over)


def cut(whole: bytes, data: st.DataObject) -> list[bytes]:
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    return [whole[start:end] for start, end in zip([0, *at], [*at, len(whole)], strict=True)]


kinds = st.sampled_from(["loaded", "duplicate", "rejected", "retry"])


def outcome(message_id: str, kind: str) -> Outcome:
    match kind:
        case "loaded":
            return Loaded(message_id)
        case "duplicate":
            return Duplicate(message_id)
        case "rejected":
            return Rejected(message_id, Reason.NOT_JSON)
        case _:
            return Retry(message_id)


class Whole(msgspec.Struct):
    """A message of many parts: what became of each of them, and of itself, if anything; whether its end was seen."""

    parts: list[str]
    own: str | None
    ended: bool


wholes = st.builds(Whole, st.lists(kinds, max_size=6), st.none() | kinds, st.booleans())


@given(st.lists(wholes, max_size=5), st.lists(kinds, max_size=4), st.integers(1, 4))
def test_a_message_of_many_parts_is_deleted_only_if_each_of_them_is_durable(
    given_wholes: list[Whole], plain: list[str], size: int
) -> None:
    folding = Folding()
    for number, one in enumerate(given_wholes):
        name = f"whole{number}"
        part_of = {f"{name}#{at}": name for at in range(len(one.parts))}
        made = [outcome(part, kind) for part, kind in zip(part_of, one.parts, strict=True)]
        for start in range(0, len(made), size):
            folding.add(made[start : start + size], part_of=part_of, ended=())
        if one.ended:
            folding.add([outcome(name, one.own)] if one.own else [], part_of={}, ended=[name])
    folding.add([outcome(f"plain{at}", kind) for at, kind in enumerate(plain)], part_of={}, ended=())
    outcomes = folding.outcomes()
    assert len({one.message_id for one in outcomes}) == len(outcomes)
    deleted = set(decide(outcomes).delete)
    for number, one in enumerate(given_wholes):
        durable = one.ended and "retry" not in [*one.parts, one.own]
        assert (f"whole{number}" in deleted) is durable
    assert deleted >= {f"plain{at}" for at, kind in enumerate(plain) if kind != "retry"}
    for expanded in outcomes:
        if isinstance(expanded, Expanded):
            one = given_wholes[int(expanded.message_id.removeprefix("whole"))]
            counted = expanded.loaded + expanded.duplicates + sum(expanded.quarantined.values())
            assert counted == len(one.parts) + (one.own is not None)
