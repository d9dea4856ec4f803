"""One batch the whole way: every message comes out with exactly one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from sofetch.errors import KeyringError
from sofetch.pipeline import SYSTEMATIC, Steps, process, transform
from sofetch.record import (
    Decoded,
    Loaded,
    LoadResult,
    Masked,
    MaskedRecord,
    Message,
    Outcome,
    Reason,
    Record,
    Refused,
    Rejected,
    Rejection,
    Retry,
    SealedRejection,
)


def message(number: int) -> Message:
    return Message(id=f"m{number}", body=b"{}", queue="q", sent_ms=None, received_ms=0)


def decode_odd_only(messages: Sequence[Message]) -> Decoded:
    odd = [m for m in messages if int(m.id[1:]) % 2]
    even = [m for m in messages if not int(m.id[1:]) % 2]
    return Decoded([Record(m, ()) for m in odd], [Rejection(m, Reason.NOT_JSON) for m in even])


@dataclass
class Masker:
    """Rejects the ids in ``unmaskable``; records what it sealed."""

    unmaskable: frozenset[str] = frozenset()
    sealed: list[str] = field(default_factory=list)

    def mask(self, records: Sequence[Record]) -> Masked:
        good = [r for r in records if r.message.id not in self.unmaskable]
        bad = [r for r in records if r.message.id in self.unmaskable]
        return Masked(
            [MaskedRecord(r.message.id, b"k" * 16, ()) for r in good],
            [Rejection(r.message, Reason.NOT_OF_KIND, "ip") for r in bad],
            {"ip": len(bad)},
        )

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        self.sealed += [r.message.id for r in rejections]
        return [
            SealedRejection(
                message_id=r.message.id,
                key=b"k" * 16,
                reason=r.reason,
                field=r.field,
                sent_ms=None,
                receive_count=1,
                kid="k1",
                sealed_body=b"",
            )
            for r in rejections
        ]


@dataclass
class Sink:
    """Refuses the rows in ``refused`` and loads the rest; one entry in ``calls`` for each transaction."""

    refused: frozenset[str] = frozenset()
    refuse_quarantine: bool = False
    calls: list[tuple[list[str], list[str]]] = field(default_factory=list)

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        self.calls.append(([r.message_id for r in records], [r.message_id for r in rejections]))
        results: list[LoadResult] = [
            Refused(r.message_id, Reason.CHECK_VIOLATION) if r.message_id in self.refused else Loaded(r.message_id)
            for r in records
        ]
        for r in rejections:
            kind = Refused if self.refuse_quarantine else Rejected
            results.append(kind(r.message_id, r.reason, r.field))
        return results

    def close(self) -> None:
        return None


def outcomes(numbers: range, masker: Masker, sink: Sink) -> dict[str, Outcome]:
    done = process([message(n) for n in numbers], Steps(decode_odd_only, masker, sink))
    assert len(done.outcomes) == len(numbers)
    return {outcome.message_id: outcome for outcome in done.outcomes}


def test_rows_and_rejections_of_a_batch_go_in_one_transaction() -> None:
    sink = Sink()
    got = outcomes(range(1, 7), Masker(unmaskable=frozenset({"m5"})), sink)
    assert sink.calls == [(["m1", "m3"], ["m2", "m4", "m6", "m5"])]
    assert got["m1"] == Loaded("m1")
    assert got["m2"] == Rejected("m2", Reason.NOT_JSON)
    assert got["m5"] == Rejected("m5", Reason.NOT_OF_KIND, "ip")


def test_a_row_that_the_database_refuses_is_sealed_and_quarantined_and_its_neighbours_load() -> None:
    sink, masker = Sink(refused=frozenset({"m3"})), Masker()
    got = outcomes(range(1, 6), masker, sink)
    assert sink.calls[1] == ([], ["m3"])
    assert masker.sealed == ["m2", "m4", "m3"]
    assert got["m3"] == Rejected("m3", Reason.CHECK_VIOLATION)
    assert got["m1"] == Loaded("m1")


def test_a_refused_quarantine_entry_goes_back_to_the_queue() -> None:
    sink = Sink(refused=frozenset({"m1"}), refuse_quarantine=True)
    got = outcomes(range(1, 2), Masker(), sink)
    assert got["m1"] == Retry("m1")


@dataclass
class Brittle(Masker):
    """Breaks on the ids in ``breaks``, with a text that holds what it broke on."""

    breaks: frozenset[str] = frozenset()

    def mask(self, records: Sequence[Record]) -> Masked:
        for record in records:
            if record.message.id in self.breaks:
                raise ZeroDivisionError(CANARY)
        return super().mask(records)


CANARY = "canary-199.172.111.135"


def test_a_message_on_which_the_program_breaks_is_quarantined_and_spares_its_neighbours() -> None:
    steps = Steps(decode_odd_only, Brittle(breaks=frozenset({"m3"})), Sink())
    done = process([message(n) for n in range(1, 6)], steps)
    got = {outcome.message_id: outcome for outcome in done.outcomes}
    assert got["m3"] == Rejected("m3", Reason.UNEXPECTED_ERROR)
    assert got["m1"] == Loaded("m1")
    assert got["m2"] == Rejected("m2", Reason.NOT_JSON)
    assert len(done.outcomes) == 5
    assert [breakage.error for breakage in done.broke] == ["ZeroDivisionError"]
    assert done.broke[0].place.startswith("test_pipeline.py:")
    assert CANARY not in repr(done)


def test_a_program_that_breaks_on_every_message_is_broken_and_quarantines_nothing() -> None:
    sink = Sink()
    masker = Brittle(breaks=frozenset(f"m{n}" for n in range(1, 2 * SYSTEMATIC)))
    odd = [message(n) for n in range(1, 2 * SYSTEMATIC, 2)]
    with pytest.raises(ZeroDivisionError):
        process(odd, Steps(decode_odd_only, masker, sink))
    assert sink.calls == []


def test_of_two_messages_with_one_id_only_the_one_on_which_the_program_breaks_is_set_aside() -> None:
    """As in quarantine, where two deliveries may have one message id."""
    twins = [message(1), msgspec.structs.replace(message(1), body=b"broken")]

    def decode(messages: Sequence[Message]) -> Decoded:
        if any(one.body == b"broken" for one in messages):
            raise ZeroDivisionError
        return decode_odd_only(messages)

    done = transform(twins, decode=decode, masker=Masker())
    assert [record.message.body for record in done.decoded] == [twins[0].body]
    assert [rejection.message.body for rejection in done.rejections] == [b"broken"]


class Keyless(Masker):
    """Has no key for m3, and breaks on m1."""

    def mask(self, records: Sequence[Record]) -> Masked:
        for record in records:
            if record.message.id == "m1":
                raise ZeroDivisionError(CANARY)
            if record.message.id == "m3":
                raise KeyringError("key k1 is destroyed")
        return super().mask(records)


@pytest.mark.parametrize("numbers", [[3, 5], [1, 3, 5]])
def test_a_refusal_of_the_keys_is_no_message_s_fault(numbers: list[int]) -> None:
    sink = Sink()
    with pytest.raises(KeyringError):
        process([message(n) for n in numbers], Steps(decode_odd_only, Keyless(), sink))
    assert sink.calls == []


def test_what_follows_an_unaccounted_message_in_its_fifo_group_is_not_loaded_before_it() -> None:
    def in_group(name: str) -> Message:
        return Message(
            id=name,
            body=b"{}",
            queue="q.fifo",
            sent_ms=None,
            received_ms=0,
            group_id=name[0],
            sequence_number=name[1:],
        )

    def forgetful(messages: Sequence[Message]) -> Decoded:
        records = [Record(m, ()) for m in messages if m.id not in ("a2", "a4")]
        return Decoded(records, [Rejection(m, Reason.NOT_JSON) for m in messages if m.id == "a4"])

    sink = Sink()
    done = process([in_group(name) for name in ("a1", "a2", "b1", "a3", "a4", "b2")], Steps(forgetful, Masker(), sink))
    assert sink.calls == [(["a1", "b1", "b2"], [])]
    assert {one.message_id for one in done.outcomes if isinstance(one, Retry)} == {"a2", "a3", "a4"}
    assert len(done.outcomes) == 6


def test_an_empty_batch_has_no_outcomes() -> None:
    assert process([], Steps(decode_odd_only, Masker(), Sink())).outcomes == []
