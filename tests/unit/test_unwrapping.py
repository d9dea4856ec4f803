"""Unwrapping on the way of the data: what is opened, fetched and expanded, and that nothing is lost or doubled."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from masking import ring
from sofetch.ack import decide
from sofetch.decode import compile_decoder
from sofetch.errors import SinkUnavailable, SourceRefused, SourceUnavailable
from sofetch.mask import compile_masker, ledger_key, unseal
from sofetch.pipeline import Processed, Steps, process
from sofetch.record import Drift, DriftKind, Expanded, Loaded, Message, Opened, Outcome, Reason, Rejected, Retry
from sofetch.settings import Settings
from sofetch.testing import MemoryObjectStore, MemorySink
from sofetch.unwrapping import Unwrapper, compile_unwrapper, open_some
from wrapping import (
    S3_TEST_EVENT,
    base64_of,
    eventbridge,
    gzip_of,
    message,
    pointer,
    s3_detail,
    s3_event,
    settings,
    sns,
)

COLUMNS = [{"name": "id", "required": True}]


class Bench:
    """A pipeline of real steps on a sink and a store in memory."""

    def __init__(self, *layers: str, columns: Sequence[Mapping[str, Any]] = (), **sections: Any) -> None:
        self.settings: Settings = settings(layers, columns=columns or COLUMNS, **sections)
        self.store = MemoryObjectStore(piece_bytes=7)
        self.sink = MemorySink()
        unwrapper = compile_unwrapper(self.settings, open_store=lambda _settings: self.store)
        assert unwrapper is not None
        self.unwrapper: Unwrapper = unwrapper
        self.steps = Steps(
            compile_decoder(self.settings), compile_masker(self.settings, ring()), self.sink, unwrap=unwrapper
        )

    def process(self, *messages: Message) -> Processed:
        return process(messages, self.steps)

    def outcomes(self, *messages: Message) -> list[Outcome]:
        return self.process(*messages).outcomes

    @property
    def rows(self) -> list[str]:
        """The ids in the table."""
        return sorted(str(values[0]) for values in self.sink.rows.values())

    def sealed(self) -> dict[str, tuple[Reason, bytes]]:
        """What is in quarantine: reason and body by message id."""
        return {
            one.message_id: (
                one.reason,
                unseal(one.sealed_body, key=key, kid=one.kid, pipeline="t", keyring=ring()),
            )
            for key, one in self.sink.quarantine.items()
        }


def row(name: str) -> bytes:
    return json.dumps({"id": name}).encode()


def jsonl(*names: str) -> bytes:
    return b"".join(row(name) + b"\n" for name in names)


def expanded(outcome: Outcome) -> tuple[int, int, dict[tuple[Reason, str | None], int]]:
    assert isinstance(outcome, Expanded)
    return outcome.loaded, outcome.duplicates, dict(outcome.quarantined)


def test_message_is_loaded_as_what_is_in_it() -> None:
    bench = Bench("sns", "base64", "gzip")
    assert bench.outcomes(message(sns(base64_of(gzip_of(row("u1"))).decode()))) == [Loaded("m-1")]
    assert bench.rows == ["u1"]


def test_message_that_does_not_open_is_quarantined_as_it_came_and_spares_its_neighbours() -> None:
    bench = Bench("sns")
    outcomes = bench.outcomes(message(b"bare", id="bad"), message(sns('{"id": "u1"}'), id="good"))
    assert sorted(outcomes, key=str) == [Loaded("good"), Rejected("bad", Reason.NOT_JSON)]
    assert bench.sealed() == {"bad": (Reason.NOT_JSON, b"bare")}


def test_message_whose_document_does_not_fit_is_quarantined_as_it_came() -> None:
    """A replay unwraps it again, and who looks at it sees what the queue gave."""
    bench, body = Bench("sns"), sns('{"no": "id"}')
    assert bench.outcomes(message(body)) == [Rejected("m-1", Reason.MISSING_FIELD, "id")]
    assert bench.sealed() == {"m-1": (Reason.MISSING_FIELD, body)}


def test_row_that_the_database_refuses_is_quarantined_as_it_came() -> None:
    bench, body = Bench("sns"), sns('{"id": "u1"}')
    bench.sink.refuse("m-1", Reason.CHECK_VIOLATION)
    assert bench.outcomes(message(body)) == [Rejected("m-1", Reason.CHECK_VIOLATION)]
    assert bench.sealed() == {"m-1": (Reason.CHECK_VIOLATION, body)}


def test_content_is_that_of_the_document_and_not_of_its_envelope() -> None:
    """Each publish of SNS has an id, a time and a signature of its own."""
    bench = Bench("sns", sink={"table": "t", "dedupe": "content"})
    first, second = sns('{"id": "u1"}'), sns('{"id": "u1"}', MessageId="another", Timestamp="2026-11-27T10:00:00Z")
    assert first != second
    outcomes = bench.outcomes(message(first, id="a"), message(second, id="b"))
    assert [type(outcome).__name__ for outcome in outcomes] == ["Loaded", "Duplicate"]
    assert bench.rows == ["u1"]


def test_attribute_of_an_sns_envelope_fills_its_column() -> None:
    bench = Bench("sns", columns=[{"name": "shop", "value": "attribute:shop"}])
    bench.process(message(sns("{}", attributes={"shop": ("String", "berlin")})))
    assert bench.rows == ["berlin"]


def test_field_of_an_eventbridge_event_fills_its_column() -> None:
    bench = Bench("eventbridge", columns=[{"name": "kind", "value": "attribute:detail-type"}])
    bench.process(message(eventbridge("{}")))
    assert bench.rows == ["login"]


def test_key_of_a_wrapped_message_is_its_own() -> None:
    bench, one = Bench("sns"), message(sns('{"id": "u1"}'))
    bench.process(one)
    assert list(bench.sink.rows) == [ledger_key(one)]


def test_batch_that_comes_to_much_is_stored_in_several_transactions() -> None:
    """A megabyte of gzip in base64 may come to a gigabyte; no more of it is held than a transaction takes."""
    bench = Bench("base64", "gzip", batch={"max_batch_bytes": 10_000}, limits={"max_body_bytes": 10_000})
    padded = [json.dumps({"id": f"u{n}", "pad": "x" * 4_000}).encode() for n in range(9)]
    done = bench.process(*(message(base64_of(gzip_of(body)), id=f"m{n}") for n, body in enumerate(padded)))
    assert done.outcomes == [Loaded(f"m{n}") for n in range(9)]
    assert bench.sink.loads == 4


def test_program_that_breaks_on_one_message_while_unwrapping_quarantines_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench("sns")
    plain = bench.unwrapper._outer

    def breaks(given: Message) -> Message:
        if given.id == "bad":
            raise KeyError("canary-value")
        return plain(given)

    monkeypatch.setattr(bench.unwrapper, "_outer", breaks)
    done = bench.process(message(sns('{"id": "u1"}'), id="bad"), message(sns('{"id": "u2"}'), id="good"))
    assert sorted(done.outcomes, key=str) == [Loaded("good"), Rejected("bad", Reason.UNEXPECTED_ERROR)]
    [told] = done.broke
    assert (told.error, "canary" in told.place) == ("KeyError", False)
    with pytest.raises(KeyError):
        bench.process(*(message(b"x", id="bad") for _ in range(10)))


def test_pointer_is_loaded_as_the_body_it_points_to() -> None:
    bench = Bench("sns", "s3_pointer", "gzip")
    bench.store.put("logs", "a/b", gzip_of(row("u1")))
    assert bench.outcomes(message(sns(pointer("logs", "a/b").decode()))) == [Loaded("m-1")]
    assert bench.rows == ["u1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (pointer("others", "k"), Reason.BUCKET_NOT_ALLOWED),
        (pointer("LOGS", "k"), Reason.BUCKET_NOT_ALLOWED),
        (pointer("arn:aws:s3:::logs", "k"), Reason.BUCKET_NOT_ALLOWED),
        (pointer("logs", "missing"), Reason.OBJECT_MISSING),
        (pointer("logs", "large"), Reason.OBJECT_TOO_LARGE),
        (pointer("logs", "../others/k"), Reason.NOT_AN_ENVELOPE),
        (row("u1"), Reason.NOT_AN_ENVELOPE),
    ],
)
def test_pointer_that_leads_nowhere_is_quarantined_as_it_came_and_spares_its_neighbours(
    body: bytes, reason: Reason
) -> None:
    bench = Bench("s3_pointer", unwrap={"max_unwrapped_bytes": 2_000})
    bench.store.put("others", "k", row("stolen"))
    bench.store.put("logs", "k", row("u1"))
    bench.store.put("logs", "large", b" " * 2_001)
    outcomes = bench.outcomes(message(body, id="bad"), message(pointer("logs", "k"), id="good"))
    assert sorted(outcomes, key=str) == [Loaded("good"), Rejected("bad", reason)]
    assert bench.sealed() == {"bad": (reason, body)}
    assert bench.rows == ["u1"]


@pytest.mark.parametrize("error", [SourceUnavailable("S3 is away"), SourceRefused("denied")])
@pytest.mark.parametrize("layer", ["s3_pointer", "s3_objects"])
def test_store_that_is_away_or_refuses_settles_no_message(error: Exception, layer: str) -> None:
    bench = Bench(layer)
    bench.store.put("logs", "k", jsonl("u1"))
    assert isinstance(error, SourceUnavailable | SourceRefused)
    bench.store.fail(error)
    body = pointer("logs", "k") if layer == "s3_pointer" else s3_event(("logs", "k"))
    with pytest.raises(type(error)):
        bench.process(message(body))
    assert (bench.rows, bench.sealed()) == ([], {})
    assert bench.process(message(body)).outcomes
    assert bench.rows == ["u1"]


def test_object_of_json_lines_is_loaded_line_by_line() -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a b", jsonl("u1", "u2", "u3"))
    [outcome] = bench.outcomes(message(s3_event(("logs", "a b"))))
    assert expanded(outcome) == (3, 0, {})
    assert decide([outcome]).delete == ("m-1",)
    assert bench.rows == ["u1", "u2", "u3"]
    assert bench.store.open_streams == 0


@pytest.mark.parametrize("compressed", [gzip_of(jsonl("u1", "u2")), gzip_of(jsonl("u1")) + gzip_of(jsonl("u2"))])
def test_object_that_is_gzip_is_inflated_whatever_its_name(compressed: bytes) -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", compressed)
    bench.process(message(s3_event(("logs", "a"))))
    assert bench.rows == ["u1", "u2"]


def test_event_by_way_of_sns_and_of_eventbridge_names_objects_too() -> None:
    for layers, body in (
        (["sns", "s3_objects"], sns(s3_event(("logs", "a")).decode())),
        (["eventbridge", "s3_objects"], eventbridge(s3_detail("logs", "a"))),
    ):
        bench = Bench(*layers)
        bench.store.put("logs", "a", jsonl("u1"))
        bench.process(message(body))
        assert bench.rows == ["u1"]


def test_redelivery_and_a_second_event_of_the_same_object_load_nothing_twice() -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", jsonl("u1", "u1", "bad").replace(b'{"id": "bad"}', b"{}"))
    body = s3_event(("logs", "a"))
    [first] = bench.outcomes(message(body))
    assert expanded(first) == (2, 0, {(Reason.MISSING_FIELD, "id"): 1})
    [again] = bench.outcomes(message(body))
    [other] = bench.outcomes(message(body + b" ", id="m-2", sent_ms=1_800_000_000_000))
    for outcome in (again, other):
        assert expanded(outcome) == (0, 2, {(Reason.MISSING_FIELD, "id"): 1})
    assert bench.rows == ["u1", "u1"]
    assert len(bench.sink.quarantine) == 1


def test_another_content_of_an_object_is_other_records() -> None:
    bench = Bench("s3_objects")
    first = bench.store.put("logs", "a", jsonl("u1"))
    bench.process(message(s3_event(("logs", "a"))))
    bench.store.put("logs", "a", jsonl("u2"))
    bench.process(message(s3_event(("logs", "a")), id="m-2"))
    bench.process(message(s3_event(("logs", "a"), version_id=first), id="m-3"))
    assert bench.rows == ["u1", "u2"]


def test_keys_of_lines_are_of_the_time_at_which_the_object_was_stored() -> None:
    """In order of time, as the ledger wants them, and the same for every event of the object."""
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", jsonl("u1", "u2"), stored_ms=1_700_000_000_123)
    bench.process(message(s3_event(("logs", "a"))))
    assert {key[:6] for key in bench.sink.rows} == {(1_700_000_000_123).to_bytes(6, "big")}
    assert len(bench.sink.rows) == 2


def test_line_that_does_not_fit_is_quarantined_alone_as_it_stands() -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", row("u1") + b"\n\nno json\r\n" + row("u2"))
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    assert expanded(outcome) == (2, 0, {(Reason.NOT_JSON, None): 1})
    assert bench.sealed() == {"m-1#1.3": (Reason.NOT_JSON, b"no json")}


def test_what_of_an_event_cannot_be_read_quarantines_the_event_and_spares_the_rest() -> None:
    bench = Bench("s3_objects", unwrap={"max_unwrapped_bytes": 1_024})
    bench.store.put("logs", "a", jsonl("u1"))
    bench.store.put("logs", "cut", gzip_of(jsonl("u2"))[:-3])
    bench.store.put("logs", "long", jsonl("u3") + b'{"id": "' + b"x" * 2_000 + b'"}\n' + jsonl("u4"))
    bench.store.put("others", "a", jsonl("stolen"))
    for number, (name, reason) in enumerate(
        [
            (("logs", "gone"), Reason.OBJECT_MISSING),
            (("others", "a"), Reason.BUCKET_NOT_ALLOWED),
            (("logs", "cut"), Reason.BAD_ENCODING),
            (("logs", "long"), Reason.UNWRAPPED_TOO_LARGE),
        ]
    ):
        body = s3_event(name, ("logs", "a"))
        [outcome] = bench.outcomes(message(body, id=f"m{number}", sent_ms=number))
        assert expanded(outcome)[2] == {(reason, None): 1}
        assert bench.sealed()[f"m{number}"] == (reason, body)
    assert bench.rows == ["u1", "u2", "u3", "u4"]
    assert bench.store.open_streams == 0


def test_object_that_is_too_large_is_not_read() -> None:
    bench = Bench("s3_objects", unwrap={"s3_max_object_bytes": 1_024})
    bench.store.put("logs", "a", jsonl("u1") + b" " * 1_024)
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    assert expanded(outcome) == (0, 0, {(Reason.OBJECT_TOO_LARGE, None): 1})
    assert bench.rows == []


@pytest.mark.parametrize("body", [S3_TEST_EVENT, s3_event()])
def test_event_that_names_nothing_is_done_and_stores_nothing(body: bytes) -> None:
    bench = Bench("s3_objects")
    [outcome] = bench.outcomes(message(body))
    assert expanded(outcome) == (0, 0, {})
    assert bench.sealed() == {}


def test_empty_object_is_done() -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", b"\n\n")
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    assert expanded(outcome) == (0, 0, {})


def test_object_is_stored_in_transactions_of_the_batchs_size() -> None:
    bench = Bench("s3_objects", batch={"max_messages": 10})
    bench.store.put("logs", "a", jsonl(*(f"u{n:02}" for n in range(35))))
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    assert expanded(outcome) == (35, 0, {})
    assert bench.sink.loads == 4


def test_object_that_breaks_off_settles_nothing_and_the_next_try_completes_it() -> None:
    bench = Bench("s3_objects", batch={"max_messages": 2})
    names = [f"u{n}" for n in range(9)]
    bench.store.put("logs", "a", jsonl(*names))
    bench.store.break_off(after_bytes=70)
    with pytest.raises(SourceUnavailable):
        bench.process(message(s3_event(("logs", "a"))))
    assert 0 < len(bench.rows) < 9
    assert bench.store.open_streams == 0
    bench.sink.fail_after_commit()
    with pytest.raises(SinkUnavailable):
        bench.process(message(s3_event(("logs", "a"))))
    assert bench.store.open_streams == 0
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    loaded, duplicates, _ = expanded(outcome)
    assert loaded + duplicates == 9
    assert bench.rows == names


def test_message_is_retried_if_one_of_its_lines_is_not_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", jsonl("u1", "u2"))
    plain = bench.sink.load
    monkeypatch.setattr(bench.sink, "load", lambda records, rejections: plain(records, rejections)[:-1])
    [outcome] = bench.outcomes(message(s3_event(("logs", "a"))))
    assert outcome == Retry("m-1")


def test_message_is_retried_if_its_end_is_never_seen() -> None:
    bench = Bench("s3_objects")
    bench.store.put("logs", "a", jsonl("u1"))

    class Endless:
        def __call__(self, messages: Sequence[Message]) -> Any:
            for opened in bench.unwrapper(messages):
                yield Opened(messages=opened.messages, rejections=[], part_of=opened.part_of)

        def close(self) -> None: ...

    steps = Steps(bench.steps.decode, bench.steps.masker, bench.sink, unwrap=Endless())
    assert process([message(s3_event(("logs", "a")))], steps).outcomes == [Retry("m-1")]


def test_who_only_looks_opens_no_more_than_asked_for() -> None:
    bench = Bench("s3_objects", batch={"max_messages": 5})
    bench.store.put("logs", "a", jsonl(*(f"u{n}" for n in range(100))))
    messages, rejections = open_some(
        [message(s3_event(("logs", "a"))), message(b"x", id="m-2")],
        bench.settings,
        open_store=lambda _settings: bench.store,
        most=7,
    )
    assert [one.id for one in messages] == [f"m-1#1.{n}" for n in range(1, 8)]
    assert rejections == [] or rejections[0].message.id == "m-2"
    assert bench.store.open_streams == 0


def test_nothing_is_unwrapped_unless_the_configuration_says_so() -> None:
    plain = settings([])
    assert compile_unwrapper(plain, open_store=lambda _settings: MemoryObjectStore()) is None
    steps = Steps(compile_decoder(plain), compile_masker(plain, ring()), sink := MemorySink())
    body = sns('{"id": "inner"}', id="outer")
    assert process([message(body)], steps).outcomes == [Loaded("m-1")]
    assert [values[0] for values in sink.rows.values()] == ["outer"]


def test_object_is_inflated_as_it_is_read() -> None:
    """A gigabyte of blanks in a megabyte of gzip is read and never held."""
    bench = Bench("s3_objects", unwrap={"max_unwrapped_bytes": 1_024})
    bench.store = MemoryObjectStore()
    unwrapper = Unwrapper(bench.settings, bench.store)
    bench.store.put("logs", "a", gzip.compress(jsonl("u1") + b" " * 20_000_000 + b"\n" + jsonl("u2")))
    [opened] = list(unwrapper([message(s3_event(("logs", "a")))]))
    assert [one.body for one in opened.messages] == [row("u1"), row("u2")]
    assert [one.reason for one in opened.rejections] == [Reason.UNWRAPPED_TOO_LARGE]


def test_what_drifted_is_counted_across_all_that_was_opened() -> None:
    bench = Bench("sns")
    done = bench.process(*(message(sns(body), id=name) for name, body in (("a", '{"id": 1}'), ("b", '{"id": 2}'))))
    assert done.drifted == {Drift(DriftKind.TYPE_CHANGE, "id"): 2}
    s3 = Bench("s3_objects")
    s3.store.put("logs", "a", b'{"id": 1}\n{"id": "x"}\n{}\n')
    assert s3.process(message(s3_event(("logs", "a")))).drifted == {
        Drift(DriftKind.TYPE_CHANGE, "id"): 1,
        Drift(DriftKind.MISSING_FIELD, "id"): 1,
    }
